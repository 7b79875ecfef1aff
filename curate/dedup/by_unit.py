"""Rows about documents, found in any order and more than memory holds, given back unit by unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curate.dedup.spill import Rows, Spill


class ByUnit:
    """Collects rows of a structured dtype with the fields `key` (uint64, filled in here), `unit` and `row`."""

    def __init__(
        self, dtype: np.dtype[Any], folder: Path, units: int, limit: int, order: Sequence[str] = ("row",)
    ) -> None:
        self._dtype, self._units, self._order = dtype, units, order
        self._stride = np.uint64(((1 << 64) - 1) // max(1, units))
        self._spill = Spill(dtype, folder, limit)

    def add(self, rows: Rows) -> None:
        """Take over `rows`."""
        rows["key"] = rows["unit"].astype(np.uint64) * self._stride
        self._spill.add(rows)

    def units(self) -> Iterator[Rows]:
        """For each unit, in order, its rows in ascending `order`; once only."""
        following = 0
        for rows in self._spill.sets():
            rows = rows[np.lexsort([rows[name] for name in (*reversed(self._order), "unit")])]
            last = int(rows["unit"][-1])
            ends = np.searchsorted(rows["unit"], np.arange(following, last + 2))
            for i in range(last + 1 - following):
                yield rows[ends[i] : ends[i + 1]]
            following = last + 1
        for _ in range(following, self._units):
            yield np.empty(0, self._dtype)
