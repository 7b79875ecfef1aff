"""Batches of documents built row by row, for the formats that are read record by record."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from curate.documents import DOCUMENT, RAW, record_id
from curate.readers.reader import BATCH_BYTES, BATCH_ROWS, ReadSettings, Tally
from curate.text import clean_surrogates


class Rows:
    """Collects rows until a batch is full; counts `row` from 0 over all batches.

    Strings may hold lone surrogates: they become U+FFFD and are counted in the tally when a batch is taken.
    """

    def __init__(self, path: str, settings: ReadSettings, tally: Tally, *, raw: bool = False) -> None:
        self._path, self._settings, self._tally = path, settings, tally
        self._schema = pa.schema([*DOCUMENT, *RAW]) if raw else DOCUMENT
        self._next_row = 0
        self._start()

    def _start(self) -> None:
        self._rows: list[dict[str, object]] = []
        self._bytes = 0

    def add(self, offset: int, id: str, *, size: int, **values: object) -> None:
        """A row; `size` is about how many bytes it holds, columns that are not named are null."""
        values["offset"], values["id"] = offset, id
        self._rows.append(values)
        self._bytes += size

    def add_error(self, offset: int, error: str, *, raw: bytes = b"", id: str = "", url: str | None = None) -> None:
        """A row for a record that cannot be read; without an id it is named by a hash of its place and bytes."""
        name = id or record_id(self._settings.source, f"{self._path}:{offset}:".encode() + raw)
        self.add(offset, name, size=len(error), url=url, error=error)

    @property
    def full(self) -> bool:
        """Whether it is time to `take` a batch."""
        return self._bytes >= BATCH_BYTES or len(self._rows) >= BATCH_ROWS

    def __len__(self) -> int:
        return len(self._rows)

    def take(self) -> pa.RecordBatch:
        """The rows so far as a batch of `DOCUMENT` (and `RAW`); the next batch begins empty."""
        count = len(self)
        arrays = []
        for field in self._schema:
            if field.name == "row":
                arrays.append(pa.array(range(self._next_row, self._next_row + count), pa.int32()))
            elif field.name in ("source", "path"):
                arrays.append(pa.repeat(self._settings.source if field.name == "source" else self._path, count))
            else:
                arrays.append(self._array([row.get(field.name) for row in self._rows], field.type))
        self._next_row += count
        self._start()
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _array(self, values: list[object], type: pa.DataType) -> pa.Array:
        if pa.types.is_binary(type):
            return _joined(values)
        try:
            return pa.array(values, type)
        except UnicodeEncodeError:
            clean = []
            for value in values:
                text, replaced = clean_surrogates(value) if isinstance(value, str) else (value, 0)
                clean.append(text)
                self._tally.replaced += replaced
            return pa.array(clean, type)


def _joined(values: list[Any]) -> pa.Array:
    """Bytes or null as a column: copied once, where `pa.array` moves all of them whenever it has no room for the next."""
    offsets = np.cumsum([0, *(len(value) if value is not None else 0 for value in values)], dtype=np.int32)
    known = None if None not in values else pa.array([value is not None for value in values]).buffers()[1]
    data = b"".join([value for value in values if value is not None])
    return pa.Array.from_buffers(pa.binary(), len(values), [known, pa.py_buffer(offsets), pa.py_buffer(data)])
