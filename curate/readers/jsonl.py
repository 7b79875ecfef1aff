"""JSON Lines: one object a line, plain files in byte ranges, compressed ones whole; and a list of objects, read as it goes.

A line that is not an object with a string under the text key becomes a row with an `error`; blank lines are nothing.
The strings are what `json.loads` gives. (pyarrow's own reader is no faster on documents of several kB, and refuses a
whole block for one bad line.) `offset` is the byte where the line starts, in compressed files the number of the line
from 0, in a list the number of the element.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pyarrow as pa
from pydantic_core import from_json

from curate.conversation import BadConversation, conversation, missing_conversation, render
from curate.documents import metadata_json, record_id
from curate.readers.codecs import Damaged, codec_of, decompressed, open_stored, size_of
from curate.readers.json_list import elements
from curate.readers.reader import PIECE_BYTES, Piece, ReadSettings, Tally
from curate.readers.rows import Rows
from curate.text import clean_surrogates, clean_utf8

# How many records `check` looks at before it says that a column is missing.
HEAD_RECORDS = 20
ONE_DOCUMENT = "one JSON document, neither a JSON object a line nor a list of objects; `jq -c` makes a line of it"

UTF_16 = "UTF-16, where JSON Lines are UTF-8; `iconv -f utf-16 -t utf-8` makes that of it"


class JsonLines:
    """The format `jsonl`."""

    raw = False

    def pieces(self, path: str) -> list[Piece]:
        size = size_of(path)
        if codec_of(path) or size <= PIECE_BYTES or _is_list(path):
            return [Piece(path)]
        starts = range(0, size, PIECE_BYTES)
        return [Piece(path, start, start + PIECE_BYTES if start != starts[-1] else -1) for start in starts]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        found: dict[str, None] = {}
        for number, (_, line) in enumerate(islice(_lines(Piece(path), settings.max_document_bytes), HEAD_RECORDS)):
            if isinstance(line, bytes):
                if number == 0 and line.strip() == b"{":
                    return ONE_DOCUMENT
                if number == 0 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    return UTF_16
                try:
                    record = json.loads(clean_utf8(line)[0])
                except (ValueError, RecursionError):
                    continue
                found |= dict.fromkeys(record) if isinstance(record, dict) else {}
        # any record may lack a key of metadata, and the head shows a few records
        return missing_columns(list(found), replace(settings, metadata=())) if found else None

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        rows = Rows(piece.path, settings, tally)
        for offset, line in _lines(piece, settings.max_document_bytes):
            if isinstance(line, bytes):
                _add(rows, offset, line, settings, tally)
            else:
                rows.add_error(offset, line)
            if rows.full:
                yield rows.take()
        if len(rows):
            yield rows.take()


def missing_columns(found: list[str], settings: ReadSettings) -> str | None:
    """The problem in words if a column that the settings name is not among those found."""
    if settings.chat and (problem := missing_conversation(found, settings.chat)):
        return problem
    named = [(setting, getattr(settings, setting)) for setting in ("text", "id", "url", "date")]
    for setting, column in named[bool(settings.chat) :] + [("metadata", column) for column in settings.metadata]:
        if column is not None and column not in found:
            names = ", ".join(f"`{name}`" for name in sorted(found))
            return f"no column `{column}` for `{setting}`; columns found: {names or 'none'}"
    return None


def _add(rows: Rows, offset: int, line: bytes, settings: ReadSettings, tally: Tally) -> None:
    """The row of one line."""
    try:
        # a quarter quicker than `json`, and equal to it but for what it refuses: lone surrogates, bytes that are no UTF-8, depth
        record = from_json(line)
    except ValueError:
        decoded, replaced = clean_utf8(line)
        tally.replaced += replaced
        try:
            record = json.loads(decoded)
        except (ValueError, RecursionError) as error:
            return rows.add_error(offset, f"not JSON: {error}", raw=line)
    if not isinstance(record, dict):
        return rows.add_error(offset, f"not a JSON object but {_kind(record)}", raw=line)
    name = _string(record, settings.id, "id") or record_id(settings.source, line)
    url = _string(record, settings.url, "url")
    messages = None
    if settings.chat:
        try:
            found = conversation(record, settings.chat)
        except BadConversation as error:
            return rows.add_error(offset, str(error), id=name, url=url)
        messages = [message._replace(content=clean_surrogates(message.content)[0]) for message in found]
    text = render(found) if settings.chat else record.get(settings.text)
    if not isinstance(text, str):
        if settings.text not in record:
            problem = f"no column `{settings.text}`"
        else:
            problem = f"{settings.text} is null" if text is None else f"{settings.text} is {_kind(text)}, not a string"
        return rows.add_error(offset, problem, id=name, url=url)
    date, lang, title = _string(record, settings.date, "date"), record.get("lang"), record.get("title")
    return rows.add(
        offset, name, size=len(line), text=text, messages=messages, url=url, date=date,
        metadata=metadata_json({key: record.get(key) for key in settings.metadata}) if settings.metadata else None,
        lang=lang if isinstance(lang, str) else None, title=title if isinstance(title, str) else None,
    )  # fmt: skip


def _string(record: dict[str, Any], named: str | None, usual: str) -> str | None:
    """The value of a column that the settings name, or of the usual one, as a string."""
    value = record.get(named or usual)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _is_list(path: str) -> bool:
    """Whether the file is one JSON list: its first line opens one and does not close it."""
    with open_stored(path) as file:
        try:
            head = next(decompressed(file, codec_of(path)), b"")
        except Damaged:
            return False
    line, _, rest = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    if not line.startswith(b"["):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return not rest.strip()


def _lines(piece: Piece, limit: int) -> Iterator[tuple[int, bytes | str]]:
    """(offset, line) of the lines that start in the piece and are not blank; for a line that is lost, the error."""
    codec = codec_of(piece.path)
    if piece.start == 0 and piece.stop < 0 and _is_list(piece.path):
        with open_stored(piece.path) as file:
            yield from enumerate(elements(decompressed(file, codec), limit))
        return
    with open_stored(piece.path) as file:
        offset = piece.start
        if offset:
            file.seek(offset - 1)
            offset += _rest_of_line(file.read)
            file.seek(offset)
        for number, (start, line) in enumerate(_split(decompressed(file, codec), offset, limit)):
            if not codec and 0 <= piece.stop <= start:
                return
            if isinstance(line, bytes) and not line.strip():
                continue
            if start == 0 and isinstance(line, bytes):
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield (number if codec else start), line


def _rest_of_line(read: Callable[[int], bytes]) -> int:
    """How far behind the first byte read the next line starts (the file's end counts as one)."""
    passed = -1
    while block := read(1 << 16):
        end = block.find(b"\n")
        if end >= 0:
            return passed + end + 1
        passed += len(block)
    return max(passed, 0)


def _split(blocks: Iterator[bytes], offset: int, limit: int) -> Iterator[tuple[int, bytes | str]]:
    """(where it starts, line) for each line of the blocks; memory stays near `limit` whatever the line's length.

    A line longer than `limit` bytes, and what follows where the data is damaged, comes as an error message.
    """
    parts: list[bytes] = []  # the line so far, and its length, of which no more than `limit` is kept
    length = 0
    try:
        for block in blocks:
            *whole, rest = block.split(b"\n")
            for end in whole:
                length += len(end)
                if length > limit:
                    yield offset, f"a line of {length} bytes, above the limit of {limit}"
                else:
                    yield offset, b"".join([*parts, end]) if parts else end
                offset += length + 1
                parts, length = [], 0
            length += len(rest)
            if length > limit:
                parts = []
            elif rest:
                parts.append(rest)
    except Damaged as damage:
        yield offset, f"{damage}: what follows is lost"
        return
    if length > limit:
        yield offset, f"a line of {length} bytes, above the limit of {limit}"
    elif parts:
        yield offset, b"".join(parts)
