"""What a run of `less` has done so far, on disk: a run that was killed goes on where it was, with the same scores."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.dedup.step import Contributions
from curate.files import write_file
from curate.select.order import Scores

Vector = npt.NDArray[np.float32]


class Progress:
    """What was fitted, and scores, of one pool, beside the store's file for what a step remembers.

    Named for settings, model and target by the store, and for the pool here: another pool begins anew. Nothing is kept of a
    pool in memory.
    """

    def __init__(self, pool: Contributions) -> None:
        """Finds what is there of this pool."""
        self._path = pool.remembered
        if self._path is None:
            return
        name = hashlib.blake2b("".join(pool.units).encode(), digest_size=16)
        for table in pool.tables():
            for column in ("row", "key"):
                name.update(np.ascontiguousarray(table[column].to_numpy()).tobytes())
        self._pool = name.hexdigest()

    def fitted(self) -> Mapping[str, Vector]:
        """What `keep` got for this pool; nothing if nothing is there."""
        return self._read("fit")

    def keep(self, fitted: Mapping[str, Vector]) -> None:
        """Write what was fitted, arrays by name."""
        self._write("fit", fitted)

    def scored(self) -> Scores:
        """(m,) the scores of the first m documents of the pool."""
        found = self._read("scores")
        return np.asarray(found["scores"]) if found else np.zeros(0)

    def add(self, scores: Scores) -> None:
        """Write the scores of the first m documents."""
        self._write("scores", {"scores": scores})

    def _read(self, what: str) -> dict[str, Any]:
        if self._path is None or not (path := self._path.with_suffix(f".{what}.npz")).exists():
            return {}
        with np.load(path) as file:
            found = dict(file)
        return found if str(found["pool"]) == self._pool else {}

    def _write(self, what: str, columns: Mapping[str, Any]) -> None:
        if self._path is not None:
            buffer = io.BytesIO()
            np.savez(buffer, pool=self._pool, **columns)
            write_file(self._path.with_suffix(f".{what}.npz"), buffer.getvalue())
