"""Batches of documents built row by row, for the formats that are read record by record."""

from __future__ import annotations

from collections.abc import Callable

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
        self._columns: dict[str, list[object]] = {
            name: [] for name in self._schema.names if name not in ("row", "source", "path")
        }
        self._bytes = 0
        # bound once a batch: the loop over a million short lines spends its time here
        self._appends: list[tuple[str, Callable[[object], None]]] = [
            (name, column.append) for name, column in self._columns.items()
        ]

    def add(self, offset: int, id: str, *, size: int, **values: object) -> None:
        """A row; `size` is about how many bytes it holds, columns that are not named are null."""
        values["offset"], values["id"] = offset, id
        for name, append in self._appends:
            append(values.get(name))
        self._bytes += size

    def add_error(self, offset: int, error: str, *, raw: bytes = b"", id: str = "", url: str | None = None) -> None:
        """A row for a record that cannot be read; without an id it is named by a hash of its place and bytes."""
        name = id or record_id(self._settings.source, f"{self._path}:{offset}:".encode() + raw)
        self.add(offset, name, size=len(error), url=url, error=error)

    @property
    def full(self) -> bool:
        """Whether it is time to `take` a batch."""
        return self._bytes >= BATCH_BYTES or len(self._columns["id"]) >= BATCH_ROWS

    def __len__(self) -> int:
        return len(self._columns["id"])

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
                arrays.append(self._array(self._columns[field.name], field.type))
        self._next_row += count
        self._start()
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _array(self, values: list[object], type: pa.DataType) -> pa.Array:
        try:
            return pa.array(values, type)
        except UnicodeEncodeError:
            clean = []
            for value in values:
                text, replaced = clean_surrogates(value) if isinstance(value, str) else (value, 0)
                clean.append(text)
                self._tally.replaced += replaced
            return pa.array(clean, type)
