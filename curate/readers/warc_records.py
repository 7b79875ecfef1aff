"""The records of a WARC file in order, and what is lost between them where the file is damaged.

fastwarc finds and parses the records. It reports a record that is cut off as if it were whole, and stops for good at
the first flaw; so lengths are checked here, a record is held back until the next one was found behind it, and after
damage the next record is searched for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, cast

from curate.readers.codecs import (
    DICTIONARY_MAGIC,
    FEED_BYTES,
    READ_BYTES,
    ZSTD_MAGIC,
    Damaged,
    decompressed,
    expand,
    frame_decompressor,
)
from curate.readers.inflated import Inflated

MAGICS = {b"\x1f\x8b\x08": "gzip", ZSTD_MAGIC: "zstd", b"\x04\x22\x4d\x18": "lz4"}
HEADER_BYTES = 64 << 10
_START = re.compile(rb"WARC/\d\.\d+\r?\n(?=[A-Za-z-]+:)")
# line ends of the record before may have come into this one's frame
_HEADER = re.compile(rb"[\r\n]*WARC/\d.*?\r?\n\r?\n", re.DOTALL)
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class Record(NamedTuple):
    """A record that was read: where it starts, its headers, and its block (for HTTP: the body, still encoded)."""

    at: int
    kind: str
    length: int  # as the record states it
    headers: dict[str, str]  # names in lower case; of several of one name the first
    status: int | None  # of HTTP
    http: list[tuple[str, str]] | None  # the lines of the HTTP header
    media_type: str
    charset: str | None
    block: bytes | None  # None where it is longer than the limit


class Lost(NamedTuple):
    """A part of the file that cannot be read: where it starts and what is wrong with it."""

    at: int
    what: str


def records(file: BinaryIO, limit: int) -> Iterator[Record | Lost]:
    """All records of the open file, those with a block above `limit` bytes without it. Never raises for bad content.

    Each has a place `at` of its own: of records that share a compressed frame, the later ones count on from the first.
    """
    last = -1
    for found in _all_records(file, limit):
        last = max(found.at, last + 1)
        yield found if found.at == last else found._replace(at=last)


def _all_records(file: BinaryIO, limit: int) -> Iterator[Record | Lost]:
    file, codec = _stored(file)
    at: int | None = 0
    while at is not None:
        lost: Lost | None = None
        for record in _sound_records(file, codec, at, limit):
            if isinstance(record, Record):
                yield record
            else:
                lost = record
        if lost is None:
            break
        at = _next_record(file, codec, lost.at + 1)
        behind = "nothing can be read behind it" if at is None else f"reading goes on at byte {at}"
        yield Lost(lost.at, f"{lost.what} at byte {lost.at}; {behind}")
    if isinstance(file, Inflated) and file.damage is not None:
        yield Lost(file.tell(), str(file.damage))


def _stored(file: BinaryIO) -> tuple[BinaryIO, str | None]:
    """(the file, its codec); a file that is compressed as a whole becomes the stream inside, with no codec.

    So does one whose frames need a dictionary that stands at its head.
    """
    head = file.read(4)
    file.seek(0)
    if head == DICTIONARY_MAGIC:
        return cast(BinaryIO, Inflated(file, "zstd")), None
    codec = next((name for magic, name in MAGICS.items() if head.startswith(magic)), None)
    if codec is None:
        return file, None
    end = _end_of(file, codec, 0)
    if end is None and _frame_goes_on(file, codec):
        return cast(BinaryIO, Inflated(file, codec)), None
    return file, codec


def _frame_goes_on(file: BinaryIO, codec: str) -> bool:
    """Whether a second record starts inside the first compressed frame, right where the first one ends."""
    file.seek(0)
    frame, plain, need = frame_decompressor(codec)(), b"", HEADER_BYTES
    try:
        while not frame.eof and len(plain) < need and (block := file.read(FEED_BYTES[codec])):
            plain += expand(frame, block, 0)
            stated = _stated_end(plain)
            need = HEADER_BYTES if stated is None else stated + 32
    except Damaged:  # `records` reports it
        return False
    stated = _stated_end(plain)
    return stated is not None and _START.match(plain[stated:].lstrip(b"\r\n")) is not None


def _sound_records(file: BinaryIO, codec: str | None, start: int, limit: int) -> Iterator[Record | Lost]:
    """Records from byte `start` on; the first damage ends it and comes as `Lost`."""
    from fastwarc.warc import ArchiveIterator

    file.seek(start)
    held: Record | None = None
    where = start
    try:
        for found in ArchiveIterator(file, parse_http=False, fsspec_args=False):
            if held is not None:
                yield held
                held = None
            where = found.stream_pos
            record = _read(found, limit)
            if isinstance(record, Lost):
                yield record
                return
            held = record
    except OSError as error:
        end = _end_of(file, codec, held.at) if held is not None else start
        if held is not None and end is not None:
            yield held
        if end is None:
            yield Lost(where, "a record whose stated length is wrong")
        else:
            yield Lost(end, f"no record can be read ({error})")
        return
    if held is not None:
        end = _end_of(file, codec, held.at)
        yield held if end is not None else Lost(held.at, "a record that is cut off")
        if end is not None and _goes_on(file, end):
            yield Lost(end, "what is no record, or the beginning of one,")


def _goes_on(file: BinaryIO, end: int) -> bool:
    """Whether anything but padding lies behind byte `end`, where the last record ends."""
    file.seek(end)
    while block := file.read(READ_BYTES):
        if block.strip(b"\0\r\n"):
            return True
    return False


def _read(found: Any, limit: int) -> Record | Lost:
    """The record with its block, and its HTTP header parsed where it is a response."""
    at, kind, stated = found.stream_pos, str(found.record_type), found.content_length
    headers = named(found.headers.items())
    if kind == "unknown":
        kind = (headers.get("warc-type") or "unknown").lower()
    try:
        if kind == "response" and found.is_http:
            found.parse_http(auto_decode="none", quirks_mode=True)
        length = found.content_length
        parts: list[bytes] = []
        size = 0
        while part := found.reader.read(READ_BYTES):
            size += len(part)
            parts = [*parts, part] if size <= limit else []
    except OSError as error:
        return Lost(at, f"a record that cannot be read ({error})")
    if size < length:
        return Lost(at, f"a record that is cut off after {stated - length + size} of {stated} bytes")
    http = found.http_headers if found.is_http else None
    media_type, charset = (found.http_content_type, found.http_charset) if http else (None, None)
    if http is None:
        media_type = headers.get("content-type", "").partition(";")[0].strip()
    status, lines = (http.status_code, list(http.items())) if http is not None else (None, None)
    block = b"".join(parts) if size <= limit else None
    return Record(at, kind, stated, headers, status, lines, (media_type or "").lower(), charset, block)


def named(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The lines of a header by name, in lower case; of several of one name the first, as fastwarc has it."""
    found: dict[str, str] = {}
    for name, value in lines:
        found.setdefault(name.lower(), value)
    return found


def _stated_end(plain: bytes) -> int | None:
    """Where the block of the record at the head of `plain` ends by its own header; None if that is not whole."""
    header = _HEADER.match(plain, 0, HEADER_BYTES)
    stated = _LENGTH.search(plain, 0, header.end()) if header else None
    return header.end() + int(stated[1]) if header and stated else None


def _end_of(file: BinaryIO, codec: str | None, at: int) -> int | None:
    """Where the record at byte `at` ends in the file as stored, if its length is right, else None.

    It is right if line ends follow the block and then the end of the file or of the compressed frame, or a record.
    """
    file.seek(at)
    if codec is not None:
        return _end_of_frame(file, codec, at)
    stated = _stated_end(file.read(HEADER_BYTES))
    if stated is None:
        return None
    file.seek(at + stated - 1)
    tail = file.read(5)
    if not tail:
        return None
    breaks = len(tail) - 1 - len(tail[1:].lstrip(b"\r\n"))
    return at + stated + breaks if breaks == 4 or len(tail) - 1 == breaks or breaks == 2 else None


def _end_of_frame(file: BinaryIO, codec: str, at: int) -> int | None:
    frame, head, size, stored, tail = frame_decompressor(codec)(), b"", 0, at, b""
    try:
        while not frame.eof and (block := file.read(FEED_BYTES[codec])):
            plain = expand(frame, block, stored)
            stored += len(block) - (len(frame.unused_data or b"") if frame.eof else 0)
            size += len(plain)
            head = head if len(head) >= HEADER_BYTES else head + plain[:HEADER_BYTES]
            tail = (tail + plain)[-4:]
    except Damaged:
        return None
    stated = _stated_end(head)
    if not frame.eof or stated is None or not 0 <= size - stated <= 4:
        return None
    return stored if not tail[4 - (size - stated) :].strip(b"\r\n") else None


def _next_record(file: BinaryIO, codec: str | None, start: int) -> int | None:
    """The first byte from `start` on where a record, or the compressed frame of one, begins; None if there is none."""
    pattern = _START if codec is None else re.compile(re.escape(next(m for m, name in MAGICS.items() if name == codec)))
    file.seek(max(start - 1, 0))
    kept, base = b"", max(start - 1, 0)
    while block := file.read(READ_BYTES):
        window = kept + block
        for match in pattern.finditer(window):
            found = base + match.start()
            if found >= start and (codec is None or _frame_begins(file, codec, found)):
                return found
        file.seek(base + len(window))
        kept = window[-64:]
        base += len(window) - len(kept)
    return None


def _frame_begins(file: BinaryIO, codec: str, at: int) -> bool:
    """Whether what is compressed at byte `at` begins like a record."""
    file.seek(at)
    try:
        head = next(chain(decompressed(file, codec), [b""]))
    except Damaged:
        return False
    return _START.match(head) is not None
