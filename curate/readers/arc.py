"""ARC, the Internet Archive's format before WARC: a line `URL address date type length` before each response.

What follows a flaw is one lost row, up to the next line that begins a record. `offset` is the byte of the record in the
decompressed stream (which is the file itself, if it is stored plain).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from curate.documents import record_id
from curate.readers.codecs import READ_BYTES, codec_of, open_stored
from curate.readers.directives import directives
from curate.readers.http_body import decode
from curate.readers.inflated import Inflated
from curate.readers.reader import Piece, ReadSettings, Tally
from curate.readers.rows import Rows
from curate.readers.warc import DOCUMENT_TYPES

LINE_BYTES = 64 << 10
# A URL may hold spaces, the four fields behind it may not.
_HEADER = re.compile(rb"([a-z][a-z0-9+.-]*:\S.*) (\S+) (\d*) (\S+) (\d+)\r?\n?", re.IGNORECASE)


class Arc:
    """The format `arc`."""

    raw = True

    def pieces(self, path: str) -> list[Piece]:
        return [Piece(path)]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        return None

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        rows = Rows(piece.path, settings, tally, raw=True)
        codec = codec_of(piece.path)
        with open_stored(piece.path) as stored:
            inside = Inflated(stored, codec) if codec else None
            file: BinaryIO = io.BufferedReader(inside, READ_BYTES) if inside else stored
            while True:
                if not _record(file, rows, settings, tally):
                    break
                if rows.full:
                    yield rows.take()
            if inside and inside.damage is not None:
                rows.add_error(file.tell(), str(inside.damage))
        if len(rows):
            yield rows.take()


def _record(file: BinaryIO, rows: Rows, settings: ReadSettings, tally: Tally) -> bool:
    """Read one record into its row or among the skipped; False at the end of what can be read."""
    at, line = file.tell(), file.readline(LINE_BYTES)
    while line in (b"\n", b"\r\n"):
        at, line = file.tell(), file.readline(LINE_BYTES)
    if not line:
        return False
    header = _HEADER.fullmatch(line)
    if header is None:
        return _next_record(file, rows, at)
    url, _, date, media_type, stated = (field.decode("utf-8", "replace") for field in header.groups())
    length, limit = int(stated), settings.max_document_bytes
    block: list[bytes] = []
    size = 0
    while size < length and (part := file.read(min(READ_BYTES, length - size))):
        size += len(part)
        block = [*block, part] if size <= limit else []
    if size < length:
        rows.add_error(at, f"a record that is cut off at byte {at} after {size} of {length} bytes", url=url)
        return False
    if url.startswith("filedesc:"):
        tally.skipped["filedesc"] += 1
    elif size > limit:
        rows.add_error(at, f"a record of {length} bytes, above the limit of {limit}", url=url)
    else:
        _add(rows, at, url, _iso(date), media_type, b"".join(block), settings, tally)
    return True


def _next_record(file: BinaryIO, rows: Rows, flaw: int) -> bool:
    """Put the file before the next record, one row for what is passed over; False if there is none."""
    at, line = file.tell(), file.readline(LINE_BYTES)
    while line and not _HEADER.fullmatch(line):
        at, line = file.tell(), file.readline(LINE_BYTES)
    behind = f"reading goes on at byte {at}" if line else "nothing can be read behind it"
    rows.add_error(flaw, f"no ARC record at byte {flaw}; {behind}")
    file.seek(at)
    return bool(line)


def _add(
    rows: Rows, at: int, url: str, date: str | None, media_type: str, block: bytes, settings: ReadSettings, tally: Tally
) -> None:
    status, charset, told, content = "200", None, None, block
    if block.startswith(b"HTTP/"):
        head, _, body = block.partition(b"\r\n\r\n") if b"\r\n\r\n" in block else block.partition(b"\n\n")
        first, *lines = head.decode("latin-1").splitlines()
        status = (first.split() + [""])[1:2][0]
        told = directives((key, value) for key, _, value in (line.partition(":") for line in lines))
        headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        encodings = headers.get("transfer-encoding", ""), headers.get("content-encoding", "")
        content = decode(body, *encodings, settings.max_document_bytes) if any(encodings) else body
        media_type, _, parameters = headers.get("content-type", media_type).partition(";")
        charset = parameters.lower().partition("charset=")[2].strip("\"' ;") or None
    media_type = media_type.strip().lower()
    if status != "200":
        tally.skipped[f"response status {status}"] += 1
    elif media_type not in DOCUMENT_TYPES:
        tally.skipped[f"response type {media_type}"] += 1
    elif len(content) > settings.max_document_bytes:
        rows.add_error(at, f"a page above the limit of {settings.max_document_bytes} bytes", url=url)
    else:
        name = record_id(settings.source, f"{url} {date}".encode() + block)
        values = {"content": content, "media_type": media_type, "charset": charset, "directives": told}
        rows.add(at, name, size=len(content), url=url, date=date, **values)


def _iso(date: str) -> str | None:
    """20060102150405 -> 2006-01-02T15:04:05Z."""
    if len(date) != 14 or not date.isdigit():
        return None
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:]}Z"
