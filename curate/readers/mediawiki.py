"""MediaWiki XML dumps (`pages-articles`, plain, bzip2, gzip ...): a page is a document, its markup turned into text.

Plain dumps are cut at byte ranges and multistream bzip2 dumps at streams: a page belongs to the piece in which it
begins. Redirects, pages of other namespaces and pages that are no wikitext are counted as skipped. Of several revisions
the last is taken. `offset` is the byte where the page begins in a plain dump, in a compressed one the page's number.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

import pyarrow as pa

from curate.documents import metadata_json
from curate.readers.codecs import (
    FEED_BYTES,
    READ_BYTES,
    Damaged,
    codec_of,
    decompressed,
    expand,
    frame_decompressor,
    open_stored,
    size_of,
)  # fmt: skip
from curate.readers.reader import PIECE_BYTES, Piece, ReadSettings, Tally
from curate.readers.rows import Rows
from curate.readers.wikitext import plain_text
from curate.text import clean_utf8

# The head of a bzip2 stream: level 1 to 9, then the mark of a block.
_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
_STREAM_HEAD = 10
# Where a second stream of a multistream dump begins at the latest.
_SECOND_STREAM = 4 << 20
_HEAD_BYTES = 64 << 10
_OPEN, _CLOSE = b"<page>", b"</page>"
_TITLE, _NAMESPACE, _NUMBER = (re.compile(rb"<%s>([^<]*)</%s>" % (n, n)) for n in (b"title", b"ns", b"id"))
_MODEL, _TIMESTAMP = (re.compile(rb"<%s>([^<]*)</%s>" % (n, n)) for n in (b"model", b"timestamp"))
_TEXT = re.compile(rb"<text\b[^>]*?(?:/>|>(.*?)</text>)", re.DOTALL)
_BASE, _LANGUAGE = re.compile(rb"<base>([^<]*)</base>"), re.compile(rb'<mediawiki\b[^>]*?xml:lang="([^"]*)"')
_SITE_NAMESPACE = re.compile(rb'<namespace key="(-2|6|14)"[^>]*>([^<]+)</namespace>')
# `&amp;` last, so that what it stands before stays. Not xml.sax.saxutils, which loads an HTTP client.
_ENTITIES = {"&gt;": ">", "&lt;": "<", "&quot;": '"', "&#039;": "'", "&apos;": "'", "&amp;": "&"}


class Site(NamedTuple):
    """What the head of a dump says of its wiki."""

    base: str = ""  # the address of its pages, up to their names
    lang: str | None = None
    #: prefixes, in lower case, of links to files and categories
    dropped: frozenset[str] = frozenset({"file", "image", "media", "category"})


class MediaWiki:
    """The format `mediawiki`."""

    raw = False

    def pieces(self, path: str) -> list[Piece]:
        size, codec = size_of(path), codec_of(path)
        if size <= PIECE_BYTES or codec not in (None, "bzip2") or (codec and not _is_multistream(path)):
            return [Piece(path)]
        starts = range(0, size, PIECE_BYTES)
        return [Piece(path, start, start + PIECE_BYTES if start != starts[-1] else -1) for start in starts]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        head = _head(path)
        if not head.strip() or b"<mediawiki" in head:
            return None
        return "not a MediaWiki dump: no element <mediawiki>, in UTF-8, at its head"

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        rows, codec = Rows(piece.path, settings, tally), codec_of(piece.path)
        site = _site(_head(piece.path))
        with open_stored(piece.path) as file:
            for at, page in pages(portions(file, codec, piece), settings.max_document_bytes):
                if isinstance(page, bytes):
                    _add(rows, at if codec is None else None, page, site, settings, tally)
                else:
                    rows.add_error(at, page)
                if rows.full:
                    yield rows.take()
        if len(rows):
            yield rows.take()


# --- bytes -----------------------------------------------------------------------------------------------------------


class Portion(NamedTuple):
    """Bytes of the dump as it is inside; `at` counts from the beginning of the file, or of the piece if compressed."""

    at: int
    content: bytes
    #: whether pages that begin here belong to the piece
    own: bool
    #: why what came before could not be read
    damage: str = ""


def portions(file: BinaryIO, codec: str | None, piece: Piece) -> Iterator[Portion]:
    """The content of a piece, and what follows it."""
    if codec is None:
        file.seek(piece.start)
        at = piece.start
        while block := file.read(READ_BYTES):
            own = len(block) if piece.stop < 0 else max(0, min(len(block), piece.stop - at))
            if own:
                yield Portion(at, block[:own], True)
            if own < len(block):
                yield Portion(at + own, block[own:], False)
            at += len(block)
    elif codec == "bzip2":
        yield from _streams(file, piece)
    else:
        at = 0
        try:
            for block in decompressed(file, codec):
                yield Portion(at, block, True)
                at += len(block)
        except Damaged as damage:
            yield Portion(at, b"", True, f"{damage}: what follows is lost")


def _streams(file: BinaryIO, piece: Piece) -> Iterator[Portion]:
    """The bzip2 streams that begin in the piece, then those behind it; after damage goes on at the next stream."""
    start, at = _next_stream(file, piece.start), 0
    if start is None and piece.start == 0:
        file.seek(0)
        if file.read(1):
            yield Portion(0, b"", True, "no bzip2 data: all of it is lost")
    while start is not None:
        own = piece.stop < 0 or start < piece.stop
        frame, position, problem = frame_decompressor("bzip2")(), start, ""
        file.seek(start)
        while not frame.eof and (block := file.read(FEED_BYTES["bzip2"])):
            try:
                plain = expand(frame, block, position)
            except Damaged as damage:
                problem = str(damage)
                break
            position += len(block)
            if plain:
                yield Portion(at, plain, own)
                at += len(plain)
        end = position - len(frame.unused_data or b"") if frame.eof else position
        if not frame.eof:
            problem = problem or f"bzip2 data is cut off at byte {position}"
            end = start + _STREAM_HEAD
        following = _next_stream(file, end)
        if problem:
            yield Portion(at, b"", own, problem + (": what follows is lost" if following is None else ""))
        start = following


def _next_stream(file: BinaryIO, at: int) -> int | None:
    """Where the first bzip2 stream at or behind byte `at` begins."""
    file.seek(at)
    held = b""
    while block := file.read(READ_BYTES):
        held += block
        if found := _STREAM.search(held):
            return at + found.start()
        at += max(0, len(held) - _STREAM_HEAD + 1)
        held = held[-_STREAM_HEAD + 1 :]
    return None


def _is_multistream(path: str) -> bool:
    with open_stored(path) as file:
        head = file.read(_SECOND_STREAM)
    return len(_STREAM.findall(head)) > 1


def pages(source: Iterator[Portion], limit: int) -> Iterator[tuple[int, bytes | str]]:
    """(where it begins, page) of each page that begins in a portion of the piece's own; for one that is lost, why.

    Memory holds a page, of at most `limit` bytes, and a portion.
    """
    held, base, searched = b"", 0, 0  # `base`: where `held` begins; up to `searched` in it no page ends
    begin, long = -1, False  # where the open page begins, and whether it is above the limit
    border = -1  # pages that begin behind it are another piece's
    for portion in source:
        if portion.damage:
            if portion.own or begin >= 0:
                yield portion.at, portion.damage
            held, begin, long = b"", -1, False
            if border >= 0:
                return
            continue
        base = base if held else portion.at
        border = portion.at if border < 0 and not portion.own else border
        held, at = held + portion.content, 0
        while True:
            if begin < 0:
                found = held.find(_OPEN, at)
                keep = found if found >= 0 else max(at, len(held) - len(_OPEN) + 1)
                if 0 <= border <= base + keep:
                    return
                if found < 0:
                    base, held = base + keep, held[keep:]
                    break
                begin, searched = base + found, found
            end = held.find(_CLOSE, searched)
            if end < 0:
                long = long or base + len(held) - begin > limit
                keep = max(0, len(held) - len(_CLOSE) + 1) if long else begin - base
                base, held = base + keep, held[keep:]
                searched = max(0, len(held) - len(_CLOSE) + 1)
                break
            at = end + len(_CLOSE)
            size = base + at - begin
            too_long = long or size > limit
            yield begin, f"a page of {size} bytes, above the limit of {limit}" if too_long else held[begin - base : at]
            begin, long = -1, False
    if begin >= 0:
        yield begin, f"a page that is cut off after {base + len(held) - begin} bytes"


# --- pages -----------------------------------------------------------------------------------------------------------


def _add(rows: Rows, at: int | None, page: bytes, site: Site, settings: ReadSettings, tally: Tally) -> None:
    """The row of a page, or its place among the skipped."""
    title, namespace, number = (_value(pattern, page) for pattern in (_TITLE, _NAMESPACE, _NUMBER))
    place = at if at is not None else int(number) if number.isdigit() else 0
    revision = page[max(0, page.rfind(b"<revision>")) :]
    if b"<redirect" in page[: page.find(b"<revision>")]:
        tally.skipped["redirect"] += 1
    elif int(namespace or 0) not in settings.namespaces:
        tally.skipped[f"namespace {namespace}"] += 1
    elif (model := _value(_MODEL, revision) or "wikitext") != "wikitext":
        tally.skipped[f"page of {model}"] += 1
    elif (found := _TEXT.search(revision)) is None or not title:
        rows.add_error(place, "a page without title or text", id=number, raw=page)
    elif found[1] is None:
        tally.skipped["page without text"] += 1
    else:
        source, replaced = clean_utf8(found[1])
        tally.replaced += replaced
        source = _unescaped(source)
        text = source if settings.markup == "keep" else plain_text(source, site.dropped)
        known = {"page": int(number) if number.isdigit() else number, "namespace": int(namespace or 0) or None}
        rows.add(
            place, number, size=len(page), text=text, title=title, date=_value(_TIMESTAMP, revision) or None,
            lang=site.lang, url=site.base and site.base + quote(title.replace(" ", "_"), safe="/:@!$*(),;~'") or None,
            metadata=metadata_json(known),
        )  # fmt: skip


def _unescaped(text: str) -> str:
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    return text


def _value(pattern: re.Pattern[bytes], page: bytes) -> str:
    found = pattern.search(page)
    return _unescaped(clean_utf8(found[1])[0]).strip() if found else ""


def _site(head: bytes) -> Site:
    text = clean_utf8(head)[0].encode()
    base, language = _BASE.search(text), _LANGUAGE.search(text)
    names = {name.decode().lower() for _, name in _SITE_NAMESPACE.findall(text)}
    address = _unescaped(base[1].decode()).rpartition("/")[0] if base else ""
    lang = language[1].decode().lower().partition("-")[0] if language else None
    return Site(f"{address}/" if address else "", lang or None, Site().dropped | names)


def _head(path: str) -> bytes:
    """The beginning of the dump, as far as it can be read."""
    found = io.BytesIO()
    with open_stored(path) as file:
        try:
            for block in decompressed(file, codec_of(path)):
                found.write(block)
                if found.tell() >= _HEAD_BYTES:
                    break
        except Damaged:
            pass
    return found.getvalue()[:_HEAD_BYTES]
