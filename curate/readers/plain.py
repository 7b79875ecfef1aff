"""Folders of text, HTML, PDF and formats that a function makes text of: each file is one document."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from curate.documents import record_id
from curate.readers.codecs import Damaged, codec_of, decompressed, open_stored
from curate.readers.reader import Piece, ReadSettings, Tally
from curate.readers.rows import Rows
from curate.text import clean_utf8

# the mark of UTF-32 begins with that of UTF-16
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip


class OneFile:
    """The formats `text` (UTF-8 or any older encoding) and, of a media type, `html` and `pdf`: raw, for `extract`."""

    def __init__(self, media_type: str | None = None) -> None:
        self.raw, self._media_type = media_type is not None, media_type

    def pieces(self, path: str) -> list[Piece]:
        return [Piece(path)]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        return None

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        rows = Rows(piece.path, settings, tally, raw=self.raw)
        content, error = _content(piece.path, settings.max_document_bytes)
        if error:
            rows.add_error(0, error)
        elif not content:
            tally.skipped["empty file"] += 1
            return
        elif self.raw:
            name = record_id(settings.source, content)
            rows.add(0, name, size=len(content), content=content, media_type=self._media_type)
        else:
            text, replaced = decode(content)
            tally.replaced += replaced
            rows.add(0, record_id(settings.source, content), size=len(content), text=text)
        yield rows.take()


class Unreadable(Exception):
    """A file that is not what its format says; the reason in words."""


#: (content, path, settings, tally) -> the columns of the document, `text` among them. Raises Unreadable.
Parser = Callable[[bytes, str, ReadSettings, Tally], dict[str, Any]]


class ParsedFile:
    """A format of which each file becomes the text of one document, by a function."""

    raw = False

    def __init__(self, parse: Parser) -> None:
        self._parse = parse

    def pieces(self, path: str) -> list[Piece]:
        return [Piece(path)]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        return None

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        rows = Rows(piece.path, settings, tally)
        content, error = _content(piece.path, settings.max_document_bytes)
        if error:
            rows.add_error(0, error)
        elif not content:
            tally.skipped["empty file"] += 1
            return
        else:
            try:
                found = self._parse(content, piece.path, settings, tally)
                rows.add(0, record_id(settings.source, content), size=len(content), **found)
            except Unreadable as why:
                rows.add_error(0, str(why), raw=content)
        yield rows.take()


def _content(path: str, limit: int) -> tuple[bytes, str]:
    """(what the file holds, the error if that cannot be read or is above `limit` bytes)."""
    parts, size = [], 0
    try:
        with open_stored(path) as file:
            for block in decompressed(file, codec_of(path)):
                parts.append(block)
                size += len(block)
                if size > limit:
                    return b"", f"a file of more than {limit} bytes, the limit"
    except Damaged as damage:
        return b"", str(damage)
    return b"".join(parts), ""


def decode(content: bytes) -> tuple[str, int]:
    """(the text without its byte order mark, how many invalid sequences became U+FFFD)."""
    text, encoding = decode_any(content)
    own = content.count(b"\xef\xbf\xbd") if encoding == "utf-8" else 0
    return text, max(0, text.count("\ufffd") - own)


def decode_any(content: bytes) -> tuple[str, str]:
    """(the text, its encoding): UTF-8, UTF-16 or UTF-32 with a mark, else the encoding that is found, windows-1252 at last.

    For files of people's own making, of which many are in an older encoding. Invalid sequences become U+FFFD.
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content.removeprefix(codecs.BOM_UTF8).decode(encoding, "replace"), encoding
    text, replaced = clean_utf8(content)
    # flaws in what is UTF-8 on the whole; in other encodings hardly anything beyond ASCII is valid UTF-8 by accident
    if replaced <= len(text) - len(text.encode("ascii", "ignore")) - replaced:
        return text, "utf-8"
    from resiliparse.parse.encoding import detect_encoding

    found = detect_encoding(content[: 1 << 20]) or "windows-1252"
    # it was tried and does not fit
    found = "windows-1252" if found.lower().replace("-", "") in ("utf8", "ascii") else found
    try:
        return content.decode(found, "replace"), found
    except LookupError:
        return content.decode("windows-1252", "replace"), "windows-1252"
