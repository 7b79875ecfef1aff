"""WARC and WET, plain or compressed: responses with status 200, resources and conversions of text, HTML and PDF types.

Other records are counted by kind. Where a file is damaged, reading goes on at the next record that can be found, and
what is lost is one row with an `error`.

`offset` is the byte where the record (or its compressed frame) starts in the file as stored, so that anyone can seek
to it; in the rare file that is compressed as a whole, or with a dictionary, it is the byte in the stream inside.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from curate.documents import record_id
from curate.readers.codecs import open_stored, size_of
from curate.readers.directives import directives
from curate.readers.http_body import decode
from curate.readers.reader import Piece, ReadSettings, Tally
from curate.readers.rows import Rows
from curate.readers.warc_records import Record, named, records
from curate.text import clean_utf8

DOCUMENT_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain", "text/markdown", "application/pdf"})
# Old servers name no type; these say that it is a page.
HTML_SIGNS = (b"<!doctype html", b"<html", b"<head", b"<body")


class Warc:
    """The formats `warc` (raw pages; the text of conversions as it is) and, not `raw`, `wet` (conversions alone)."""

    def __init__(self, *, raw: bool) -> None:
        self.raw = raw

    def pieces(self, path: str) -> list[Piece]:
        return [Piece(path)]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        return None

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        if not size_of(piece.path):
            return
        rows = Rows(piece.path, settings, tally, raw=self.raw)
        with open_stored(piece.path) as file:
            for record in records(file, settings.max_document_bytes):
                if isinstance(record, Record):
                    self._add(rows, record, settings, tally)
                else:
                    rows.add_error(record.at, record.what)
                if rows.full:
                    yield rows.take()
        if len(rows):
            yield rows.take()

    def _add(self, rows: Rows, record: Record, settings: ReadSettings, tally: Tally) -> None:
        """The row of a record, or its place among the skipped."""
        if skipped := _skipped(record) or ("" if self.raw or record.kind == "conversion" else record.kind):
            tally.skipped[skipped] += 1
            return
        headers, limit = record.headers, settings.max_document_bytes
        url = headers.get("warc-target-uri", "").strip("<> ") or None
        name = headers.get("warc-record-id", "").strip("<> ")
        if record.block is None:
            rows.add_error(
                record.at, f"a record of {record.length} bytes, above the limit of {limit}", id=name, url=url
            )
            return
        content, http = record.block, named(record.http or ())
        encodings = http.get("transfer-encoding", ""), http.get("content-encoding", "")
        content = decode(content, *encodings, limit) if any(encodings) else content
        if len(content) > limit:
            rows.add_error(record.at, f"a page above the limit of {limit} bytes", id=name, url=url)
            return
        media_type = record.media_type or _guessed_type(content)
        if media_type not in DOCUMENT_TYPES:
            tally.skipped[f"{record.kind} type {media_type or 'unknown'}"] += 1
            return
        values: dict[str, object] = {
            "content": content,
            "media_type": media_type,
            "charset": record.charset,
            "directives": directives(record.http or ()),
        }
        if record.kind == "conversion":
            text, replaced = clean_utf8(content)
            tally.replaced += replaced
            values = {"text": text}
        name = name or record_id(settings.source, content)
        rows.add(record.at, name, size=len(content), url=url, date=headers.get("warc-date"), **values)


def _skipped(record: Record) -> str:
    """The kind under which a record that is no document is counted; empty for what may be one."""
    if record.kind not in ("response", "resource", "conversion"):
        return record.kind
    if record.kind == "response" and record.http is not None and record.status != 200:
        return f"response status {record.status}"
    if record.media_type and record.media_type not in DOCUMENT_TYPES:
        return f"{record.kind} type {record.media_type}"
    return ""


def _guessed_type(content: bytes) -> str:
    """HTML if a page without a stated type begins like one."""
    head = content[:1024].lower()
    return "text/html" if any(sign in head for sign in HTML_SIGNS) else ""
