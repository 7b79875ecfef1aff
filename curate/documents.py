"""What a document is: its columns, their Arrow types, and how an id is made.

A record batch in flight has the columns of `DOCUMENT` (rows in input order), for raw pages also those of `RAW`, and one
struct column of signals for each step that has run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from curate.conversation import MESSAGES

# `row` is the ordinal of the document in its unit: with the unit it addresses a document everywhere in the store.
# `offset` is where the record starts in `path`: a byte for WARC and plain JSON Lines, the line or row number for others.
# `messages` is a conversation, of which `text` is then the rendering; `metadata` a JSON object of what else is known of
# the document: the columns that the input's `metadata` names, a book's author, the front matter of a Markdown file.
# `error` is null unless the record could not be read or a step failed on it: it is then quarantined.
DOCUMENT = pa.schema(
    [
        pa.field("row", pa.int32()),
        pa.field("id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("path", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("lang", pa.string()),
        pa.field("title", pa.string()),
        pa.field("text", pa.string()),
        pa.field("messages", MESSAGES),
        pa.field("metadata", pa.string()),
        pa.field("error", pa.string()),
    ]
)
# Raw pages, between the reader and `extract`. `media_type` is lower case without parameters; `charset` may be null.
# `directives` holds the lines of the HTTP header on the use of the page, or null.
RAW = pa.schema(
    [
        pa.field("content", pa.binary()),
        pa.field("media_type", pa.string()),
        pa.field("charset", pa.string()),
        pa.field("directives", pa.string()),
    ]
)
# What a global step's `resolve` found for each document: a struct, there only while that step's `process` runs.
FINDINGS_COLUMN = "findings"
# What a published shard holds of every document, before the structs of signals.
SHARD_COLUMNS = ("id", "source", "path", "offset", "url", "date", "lang", "title", "text", "messages", "metadata")


def metadata_json(values: Mapping[str, Any]) -> str | None:
    """The column `metadata`: what is known, nulls left out; null if nothing is. What JSON lacks becomes a string."""
    known = {name: value for name, value in values.items() if value is not None}
    return json.dumps(known, ensure_ascii=False, default=str) if known else None


def record_id(source: str, raw: bytes) -> str:
    """The id of a record that carries none: 128 bits of a hash over its source and its raw bytes, in hexadecimal."""
    return hashlib.blake2b(raw, digest_size=16, key=source.encode()[:64]).hexdigest()


def document_batch(rows: Sequence[dict[str, Any]], *, raw: bool = False) -> pa.RecordBatch:
    """Rows as dicts (missing keys become null) -> a batch of `DOCUMENT`, with the columns of `RAW` if `raw`."""
    schema = pa.schema([*DOCUMENT, *RAW]) if raw else DOCUMENT
    return pa.RecordBatch.from_pylist(list(rows), schema=schema)


def set_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with column `name` replaced, or appended where it has none."""
    index = batch.schema.get_field_index(name)
    return batch.append_column(name, values) if index < 0 else batch.set_column(index, name, values)


def drop_columns(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The batch without those of `names` that it has."""
    return batch.select([name for name in batch.schema.names if name not in names])


def joined(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches one after the other as one; columns that some lack are null there."""
    if len(parts) == 1:
        return parts[0]
    table = pa.concat_tables([pa.Table.from_batches([part]) for part in parts], promote_options="default")
    return table.combine_chunks().to_batches()[0] if table.num_rows else parts[0]
