"""A file that is compressed as a whole, read as the stream inside."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from curate.readers.codecs import READ_BYTES, Damaged, decompressed


class Inflated(io.RawIOBase):
    """The decompressed content of `file`, from its beginning; to seek backwards starts anew.

    Where the compressed data is damaged the stream ends, and `damage` says why.
    """

    def __init__(self, file: BinaryIO, codec: str) -> None:
        super().__init__()
        self._file, self._codec = file, codec
        self.damage: Damaged | None = None
        self._restart()

    def _restart(self) -> None:
        self._file.seek(0)
        self._portions: Iterator[bytes] = decompressed(self._file, self._codec)
        self._held, self._position = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and self._fill():
            part = self._held[: len(view) - filled]
            view[filled : filled + len(part)] = part
            self._held = self._held[len(part) :]
            filled += len(part)
        self._position += filled
        return filled

    def _fill(self) -> bool:
        """Whether there are bytes in hand, after decompressing more if there were none."""
        while not self._held:
            try:
                portion = next(self._portions, None)
            except Damaged as damage:
                self.damage = damage
                return False
            if portion is None:
                return False
            self._held = portion
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        target = offset + (self._position if whence == io.SEEK_CUR else 0)
        if whence == io.SEEK_END:
            while self.read(READ_BYTES):
                pass
            target = self._position + offset
        if target < self._position:
            self._restart()
        while self._position < target and self.read(min(READ_BYTES, target - self._position)):
            pass
        return self._position
