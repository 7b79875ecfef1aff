"""Tables (Parquet, Arrow IPC) as documents: columns are taken over whole, only rows with a flaw are looked at singly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from curate import conversation
from curate.documents import DOCUMENT, metadata_json, record_id
from curate.readers.reader import BATCH_BYTES, BATCH_ROWS, PIECE_BYTES, ReadSettings, Tally
from curate.text import clean_utf8


def groups(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Consecutive parts of these sizes in bytes -> ranges [start, stop) of about PIECE_BYTES each, at least one part."""
    ranges, start, held = [], 0, 0
    for index, size in enumerate(sizes):
        if held and held + size > PIECE_BYTES:
            ranges.append((start, index))
            start, held = index, 0
        held += size
    return [*ranges, (start, len(sizes))]


def wanted(columns: Sequence[str], settings: ReadSettings) -> list[str]:
    """The columns, of those that a table has, that become part of a document."""
    texts: tuple[str, ...] = (settings.text,)
    if settings.chat:
        texts = conversation.COLUMNS if settings.chat == conversation.AUTO else (settings.chat, "system")
    named = (
        *texts,
        settings.id or "id",
        settings.url or "url",
        settings.date or "date",
        "lang",
        "title",
        *settings.metadata,
    )
    return [name for name in dict.fromkeys(named) if name in columns]


class Documents:
    """Turns the batches of one piece into batches of `DOCUMENT`; counts `row` from 0, `offset` from `first_row`."""

    def __init__(self, path: str, settings: ReadSettings, tally: Tally, first_row: int) -> None:
        self._path, self._settings, self._tally = path, settings, tally
        self._row, self._offset = 0, first_row

    def batches(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows of `batch`, in slices of at most BATCH_ROWS rows and about BATCH_BYTES bytes."""
        step = max(1, min(BATCH_ROWS, batch.num_rows * BATCH_BYTES // max(batch.nbytes, 1)))
        for start in range(0, batch.num_rows, step):
            yield self._documents(batch.slice(start, step))

    def lost(self, rows: int, error: str) -> pa.RecordBatch:
        """One row for a part of the file that cannot be read; it held `rows` rows."""
        name = record_id(self._settings.source, f"{self._path}:{self._offset}:".encode())
        values = {"id": [name], "error": [error]}
        made = self._assemble({key: pa.array(value, pa.string()) for key, value in values.items()}, 1)
        self._offset += max(rows, 1) - 1
        return made

    def _documents(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        count, settings = batch.num_rows, self._settings
        columns = {
            "url": self._strings(batch, settings.url or "url"),
            "date": self._strings(batch, settings.date or "date"),
            "lang": self._strings(batch, "lang"),
            "title": self._strings(batch, "title"),
        }
        if settings.chat:
            columns |= self._conversations(batch)
        else:
            columns["text"], columns["error"] = self._text(batch)
        if settings.metadata or settings.split:
            kept = batch.select([name for name in settings.metadata if name in batch.schema.names])
            split = {"split": settings.split} if settings.split else {}
            rows = kept.to_pylist() if kept.num_columns else [{}] * count
            columns["metadata"] = pa.array([metadata_json({**split, **row}) for row in rows], pa.string())
        columns["id"] = self._ids(self._strings(batch, settings.id or "id"), columns["text"])
        return self._assemble(columns, count)

    def _assemble(self, columns: dict[str, pa.Array], count: int) -> pa.RecordBatch:
        columns |= {
            "row": pa.array(range(self._row, self._row + count), pa.int32()),
            "offset": pa.array(range(self._offset, self._offset + count), pa.int64()),
            "source": pa.repeat(self._settings.source, count),
            "path": pa.repeat(self._path, count),
        }
        self._row += count
        self._offset += count
        arrays = [columns.get(field.name, pa.nulls(count, field.type)) for field in DOCUMENT]
        return pa.RecordBatch.from_arrays(arrays, schema=DOCUMENT)

    def _conversations(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """The columns `messages`, `text` and `error`."""
        limit, found = self._settings.max_document_bytes, []
        for record in batch.to_pylist():
            try:
                messages = conversation.conversation(record, self._settings.chat)
                text = conversation.render(messages)
                too_long = len(text.encode()) > limit
                found.append(
                    (None, None, f"a conversation above the limit of {limit} bytes")
                    if too_long
                    else (messages, text, None)
                )
            except conversation.BadConversation as error:
                found.append((None, None, str(error)))
        types = (conversation.MESSAGES, pa.string(), pa.string())
        columns = zip(*found, strict=True) if found else ((), (), ())
        return {
            name: pa.array(values, type)
            for name, values, type in zip(("messages", "text", "error"), columns, types, strict=True)
        }

    def _text(self, batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
        """(texts, null where there is none; errors that say why)."""
        count, key, limit = batch.num_rows, self._settings.text, self._settings.max_document_bytes
        if key not in batch.schema.names:
            return pa.nulls(count, pa.string()), pa.repeat(f"no column `{key}`", count)
        if not _is_text(batch.schema.field(key).type):
            error = f"{key} is {batch.schema.field(key).type}, not a string"
            return pa.nulls(count, pa.string()), pa.repeat(error, count)
        text = self._strings(batch, key)
        length = pc.fill_null(pc.binary_length(text), 0)
        error = pc.if_else(text.is_null(), f"{key} is null", pa.scalar(None, pa.string()))
        if count and pc.max(length).as_py() > limit:
            large = pc.greater(length, limit)
            said = [f"a document of {size} bytes, above the limit of {limit}" for size in length.to_pylist()]
            error = pc.if_else(large, pa.array(said), error)
            text = pc.if_else(large, pa.scalar(None, pa.string()), text)
        return text, error

    def _strings(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        """A column as valid strings; null where the table has none or where the values have no plain string form."""
        nothing = pa.nulls(batch.num_rows, pa.string())
        if name not in batch.schema.names:
            return nothing
        column = batch.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
            return nothing
        try:
            column = column.cast(pa.string())
            column.validate(full=True)
            return column
        except pa.ArrowInvalid:
            return self._cleaned(column)

    def _cleaned(self, column: pa.Array) -> pa.Array:
        """The same strings with every invalid sequence as U+FFFD."""
        values = []
        for value in column.cast(pa.binary()).to_pylist():
            text, replaced = (None, 0) if value is None else clean_utf8(value)
            values.append(text)
            self._tally.replaced += replaced
        return pa.array(values, pa.string())

    def _ids(self, ids: pa.Array, text: pa.Array) -> pa.Array:
        """The ids of the table, and a hash of the text where one is null or empty."""
        missing = pc.or_kleene(ids.is_null(), pc.equal(ids, ""))
        if not pc.any(missing, min_count=0).as_py():
            return ids
        made = [
            record_id(self._settings.source, (value or f"{self._path}:{self._offset + index}").encode())
            for index, value in enumerate(text.to_pylist())
        ]
        return pc.if_else(missing, pa.array(made, pa.string()), ids)


def _is_text(type: pa.DataType) -> bool:
    if pa.types.is_dictionary(type):
        type = type.value_type
    return any(
        test(type)
        for test in (
            pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary,
            pa.types.is_large_binary, pa.types.is_null,
        )
    )  # fmt: skip
