"""The body of an archived HTTP response as the page's own bytes: chunks joined, content decoded, as far as it goes.

Archives hold bodies whose header no longer tells the truth (already joined or decoded), and bodies that are cut off.
As in a browser, what can be decoded is the page.
"""

from __future__ import annotations

import io
import re
import zlib

_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")


def decode(body: bytes, transfer_encoding: str, content_encoding: str, limit: int) -> bytes:
    """The page behind the encodings that the HTTP header names; at most `limit` + 1 bytes of it."""
    if "chunked" in transfer_encoding.lower():
        body = join_chunks(body)
    for name in reversed([part.strip() for part in content_encoding.lower().split(",")]):
        body = _decompress(body, name, limit + 1) or body
    return body[: limit + 1]


def join_chunks(body: bytes) -> bytes:
    """The chunks joined; where the framing breaks, the rest as it is (all of it, if it was never chunked)."""
    parts: list[bytes] = []
    position = 0
    while head := _CHUNK.match(body, position):
        size = int(head[1], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[head.end() : head.end() + size])
        position = head.end() + size
        position += 2 if body.startswith(b"\r\n", position) else body.startswith(b"\n", position)
    return b"".join([*parts, body[position:]])


def _decompress(body: bytes, name: str, most: int) -> bytes:
    """What can be decompressed, at most `most` bytes; nothing if it is not compressed so, or the name is unknown."""
    try:
        if name in ("gzip", "x-gzip"):
            return zlib.decompressobj(wbits=31).decompress(body, most)
        if name == "deflate":
            return _inflate(body, most)
        if name == "br":
            from fastwarc.stream_io import BrotliReader

            return bytes(BrotliReader(io.BytesIO(body)).read(most))
        if name == "zstd":
            from fastwarc.stream_io import ZstdReader

            return bytes(ZstdReader(io.BytesIO(body)).read(most))
    except (zlib.error, OSError, EOFError):  # not in that encoding, or damaged from the start
        return b""
    return b""


def _inflate(body: bytes, most: int) -> bytes:
    """`deflate` means zlib's framing, but many servers send it without."""
    try:
        return zlib.decompressobj().decompress(body, most)
    except zlib.error:
        return zlib.decompressobj(wbits=-15).decompress(body, most)
