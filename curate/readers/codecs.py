"""Files as they are stored: opening them wherever they are, and decompressing them as far as they are sound."""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

#: suffix -> name of the codec
CODECS = {".gz": "gzip", ".zst": "zstd", ".lz4": "lz4", ".bz2": "bzip2", ".xz": "xz"}

# Bytes read at once. A zstd block of four bytes can expand to 128 kB, so compressed input is fed in smaller portions.
READ_BYTES = 1 << 20
FEED_BYTES = {"gzip": 64 << 10, "zstd": 8 << 10, "lz4": 64 << 10, "bzip2": 16 << 10, "xz": 16 << 10}

# A skippable frame with a zstd dictionary, and a frame of zstd.
DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
DICTIONARY_BYTES = 64 << 20


class Damaged(Exception):
    """The rest of a compressed file cannot be decompressed; all before it was delivered."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(offset, what)
        self.offset, self.what = offset, what

    def __str__(self) -> str:
        return f"{self.what} at byte {self.offset}"


class Decompressor(Protocol):
    """One frame: what zlib, bz2, lzma, lz4 and zstandard objects have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def codec_of(path: str) -> str | None:
    """The codec that the suffix of `path` names; None if it is stored plain."""
    return CODECS.get(os.path.splitext(path)[1].lower())


def open_stored(path: str) -> BinaryIO:
    """The bytes of `path` as they are stored: a local file, or any URL that fsspec opens. Raises OSError."""
    if "://" in path:
        import fsspec

        return cast(BinaryIO, fsspec.open(path, "rb").open())
    return open(path, "rb")


def size_of(path: str) -> int:
    """Size in bytes of `path` as it is stored. Raises OSError."""
    if "://" in path:
        import fsspec

        filesystem, inner = fsspec.core.url_to_fs(path)
        return int(filesystem.size(inner))
    return os.stat(path).st_size


def frame_decompressor(codec: str, dictionary: bytes | None = None) -> Callable[[], Decompressor]:
    """What makes a decompressor of one gzip member, zstd frame and so on; gzip's checks the checksum.

    `dictionary` is that of zstd frames.
    """
    if codec == "zstd":
        import zstandard

        held = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        return lambda: cast(Decompressor, zstandard.ZstdDecompressor(dict_data=held).decompressobj())
    if codec == "lz4":
        from lz4.frame import LZ4FrameDecompressor

        return lambda: cast(Decompressor, LZ4FrameDecompressor())
    makers: dict[str, Callable[[], Decompressor]] = {
        "gzip": lambda: cast(Decompressor, zlib.decompressobj(wbits=31)),
        "bzip2": lambda: cast(Decompressor, bz2.BZ2Decompressor()),
        "xz": lambda: cast(Decompressor, lzma.LZMADecompressor()),
    }
    return makers[codec]


def expand(frame: Decompressor, block: bytes, offset: int) -> bytes:
    """What `frame` makes of the block at byte `offset`. Raises Damaged, whatever the library raises."""
    try:
        return frame.decompress(block)
    except Exception as error:
        raise Damaged(offset, f"compressed data is corrupt ({error})") from error


def zstd_dictionary(file: BinaryIO) -> bytes | None:
    """The dictionary that stands before all frames of a zstd file, and the file behind it; None leaves the file alone.

    It is a skippable frame that holds the dictionary, itself compressed or not (IIPC, WARC Zstandard compression 1.0).
    Raises Damaged.
    """
    start = file.tell()
    head = file.read(8)
    if not head.startswith(DICTIONARY_MAGIC):
        file.seek(start)
        return None
    size = int.from_bytes(head[4:8], "little")
    raw = file.read(size) if size <= DICTIONARY_BYTES else b""
    if not raw or len(raw) < size:
        raise Damaged(start, "a zstd dictionary is cut off or too large")
    if raw.startswith(ZSTD_MAGIC):
        import zstandard

        try:
            raw = zstandard.ZstdDecompressor().decompress(raw, max_output_size=DICTIONARY_BYTES)
        except zstandard.ZstdError as error:
            raise Damaged(start, f"a zstd dictionary is corrupt ({error})") from error
    return raw


def decompressed(file: BinaryIO, codec: str | None) -> Iterator[bytes]:
    """The content of `file` from where it stands, in portions, over all its frames.

    Raises Damaged, after everything that could be decompressed was yielded, where the file is cut off or corrupt.
    """
    if codec is None:
        while block := file.read(READ_BYTES):
            yield block
        return
    feed = FEED_BYTES[codec]
    begin = file.tell()
    make = frame_decompressor(codec, zstd_dictionary(file) if codec == "zstd" else None)
    frame: Decompressor | None = None
    pending, offset = b"", file.tell() - begin
    while block := pending or file.read(feed):
        if frame is None:
            if not block.strip(b"\0"):  # padding after the last frame
                offset, pending = offset + len(block), b""
                continue
            frame = make()
        plain = expand(frame, block, offset)
        pending = (frame.unused_data or b"") if frame.eof else b""
        offset += len(block) - len(pending)
        if frame.eof:
            frame = None
        if plain:
            yield plain
    if frame is not None:
        raise Damaged(offset, f"{codec} data is cut off")
