"""`knn_target`: choose what is nearest to a target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field

from curate.dedup.step import Contributions
from curate.select.compare import Aiming
from curate.select.index import VectorIndex
from curate.select.order import Scores


class KnnTarget(Aiming):
    """The documents with the greatest mean cosine to their k nearest texts of a target: the baseline of targeted choice.

    It chooses what the target looks like, however much of that the pool has already; compare `got_d`. With a target of
    fewer than k texts the mean is over all of them.
    """

    kind: ClassVar[str] = "knn_target"
    version: ClassVar[int] = 2
    source: ClassVar[str] = "baseline of Kang et al. 2024 (arXiv 2405.02774)"
    RULE_FIELDS: ClassVar[frozenset[str]] = Aiming.RULE_FIELDS | {"k"}

    k: int = Field(10, ge=1, description="nearest texts of the target that count")

    def fit(self, pool: Contributions) -> VectorIndex:
        """An exact index of the target."""
        self.checked(pool)
        return VectorIndex.build(self.target_points(pool), kind="flat")

    def score(self, state: VectorIndex, pool: Contributions) -> Iterator[Scores]:
        """The mean cosine."""
        for points, valid in self.points(pool):
            scores = np.full(len(valid), np.nan)
            if len(points):
                near = state.search(points, min(self.k, state.rows))[0]
                scores[valid] = near.mean(axis=1, dtype=np.float64)
            yield scores
