"""Rows with a key, more than memory holds, grouped by key: in memory while they are few, else in files by key range."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]  # of a structured dtype with the field `key`, uint64

FAN_BITS = 6
# Below this a limit would only make files: what a step may ask for at least, in bytes.
LEAST_LIMIT = 4096


class Spill:
    """Collects rows; `sets()` gives them back, all rows of a key in one set, the sets in ascending ranges of keys.

    A set has at most `limit` bytes, unless more rows than that agree in the upper 60 bits of their keys. Keys should
    be spread over all 64 bits. What `add` holds stays below `limit` too.
    """

    def __init__(self, dtype: np.dtype[Any], folder: Path, limit: int, *, shift: int = 64 - FAN_BITS) -> None:
        self.dtype, self.folder, self.limit, self.shift = dtype, folder, limit, shift
        self._held: list[Rows] = []
        self._held_bytes = 0
        self._files: dict[int, int] = {}  # number of a file -> its bytes

    def add(self, rows: Rows) -> None:
        """Take over `rows`."""
        if len(rows) == 0:
            return
        self._held.append(rows)
        self._held_bytes += rows.nbytes
        if self._held_bytes > self.limit and self.shift >= 0:
            self._flush()

    def sets(self) -> Iterator[Rows]:
        """The rows, set by set, in no order within a set; once only."""
        if not self._files:
            if self._held:
                held, self._held = self._held, []
                yield np.concatenate(held)
            return
        self._flush()
        for number in sorted(self._files):
            path = self._path(number)
            if self._files[number] <= self.limit or self.shift < FAN_BITS:
                yield np.fromfile(path, self.dtype)
                path.unlink()
            else:
                yield from self._split(path)

    def _split(self, path: Path) -> Iterator[Rows]:
        finer = Spill(self.dtype, path.with_suffix(""), self.limit, shift=self.shift - FAN_BITS)
        for rows in read_rows(path, self.dtype, self.limit):
            finer.add(rows)
        path.unlink()
        yield from finer.sets()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:02d}.rows"

    def _flush(self) -> None:
        if not self._held:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = np.concatenate(self._held)
        self._held, self._held_bytes = [], 0
        number = (rows["key"] >> np.uint64(self.shift)) & np.uint64((1 << FAN_BITS) - 1)
        order = np.argsort(number, kind="stable")
        ends = np.cumsum(np.bincount(number.astype(np.int64), minlength=1 << FAN_BITS))
        for i, stop in enumerate(ends):
            start = ends[i - 1] if i else 0
            if start < stop:
                part = rows[order[start:stop]]
                with open(self._path(i), "ab") as file:
                    part.tofile(file)
                self._files[i] = self._files.get(i, 0) + part.nbytes


def read_rows(path: Path, dtype: np.dtype[Any], limit: int) -> Iterator[Rows]:
    """The rows of a file in pieces of at most half of `limit` bytes."""
    count, at = max(1, limit // 2 // dtype.itemsize), 0
    while len(rows := np.fromfile(path, dtype, count=count, offset=at)):
        at += rows.nbytes
        yield rows
