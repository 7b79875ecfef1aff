"""`semdedup`: drop documents that mean what a kept one means, by their vectors; `d4`: that, then diversity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curate.dedup.step import Contributions
from curate.dedup.verdicts import Verdicts
from curate.select.clustered import (
    Keep,
    Rows,
    cluster_number,
    clusters_of,
    kept_for,
    members,
    most_similar_before,
    ordered,
)
from curate.select.compare import Comparing, ReadingVectors, one_thread, vectors_of
from curate.select.order import Scores
from curate.select.points import Points

MISSES = "documents of different clusters are not compared: more clusters are faster and miss more"


class SemDedup(ReadingVectors):
    """Drop documents whose vector is very near to that of a kept one of their cluster; the ledger names that one.

    Within each cluster of k-means, documents are compared in the order of `keep`. By default a document goes only if a
    *kept* one before it is so near, as everywhere here. `chains: true` is the published rule: it goes if any one before
    it is, also one that is dropped itself; the ledger then names the kept document at the end of the chain, and its own
    similarity, which may be below the threshold. A document without a vector stays.
    """

    kind: ClassVar[str] = "semdedup"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Abbas et al. 2023 (arXiv 2303.09540)"
    RULE_FIELDS: ClassVar[frozenset[str]] = ReadingVectors.RULE_FIELDS | {
        "threshold", "clusters", "keep", "chains", "seed"
    }  # fmt: skip
    drop_rule: ClassVar[str] = "semantic_duplicate"

    threshold: float = Field(0.95, ge=-1, lt=1, description="a greater cosine makes a duplicate: 1 - eps of the paper")
    clusters: int = Field(0, ge=0, description=f"of k-means; 0: the root of the number of documents. {MISSES}")
    keep: Keep = Field("hard", description="who stays: `hard` far from the centroid, `easy` near it, `random`")
    chains: bool = Field(False, description="compare with dropped documents as well, as published")
    seed: int = Field(0, ge=0, description="of k-means and of `keep: random`")

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """See GlobalStep."""
        rows = [table["row"].to_numpy() for table in contributions.tables()]
        verdicts = Verdicts(contributions.scratch / "verdicts", len(rows), contributions.memory // 4)

        def units() -> Iterator[tuple[Points, npt.NDArray[np.bool_]]]:
            return vectors_of(contributions, self.vectors, self.name)

        count = sum(len(points) for points, _ in units())
        if count:
            number = cluster_number(self.clusters, count)
            clusters = clusters_of((points for points, _ in units()), number, self.seed)
            with one_thread():
                for found in members(clusters, units(), contributions.scratch / "members", contributions.memory):
                    found = found[ordered(found, self.keep, self.seed)]
                    keeper, cosine = self._keepers(found["point"])
                    dropped = keeper >= 0
                    address = np.empty(len(found), [("unit", "<i4"), ("row", "<i4")])
                    address["unit"] = found["unit"]
                    address["row"] = [rows[unit][row] for unit, row in zip(found["unit"], found["row"], strict=True)]
                    verdicts.add(address[dropped], address[keeper[dropped]], cosine[dropped])
        yield from verdicts.tables()

    def _keepers(self, points: Points) -> tuple[Rows, npt.NDArray[Any]]:
        if not self.chains:
            return kept_for(points, self.threshold)
        most, which = most_similar_before(points)
        keeper = np.where(most > self.threshold, which, -1)
        for i in np.flatnonzero(keeper >= 0):  # in order: the earlier one's end of chain is known
            if keeper[keeper[i]] >= 0:
                keeper[i] = keeper[keeper[i]]
        cosine = np.einsum("ij,ij->i", points, points[np.maximum(keeper, 0)])
        return keeper, cosine


class D4(Comparing):
    """Drop near-duplicates by meaning until a share is left, cluster again, prefer what is far from its centroid.

    First SemDeDup as published, with the threshold that leaves `dedup_share` of the documents: the others have no score. Then
    the survivors are clustered anew, and the score is 1 - the cosine to their centroid: the most typical documents are
    the first to go. A budget of `share` is a share of the survivors (R_proto); times `dedup_share` it is the total R.
    """

    kind: ClassVar[str] = "d4"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Tirumala et al. 2023 (arXiv 2308.12284); prototypes: Sorscher et al. 2022"
    RULE_FIELDS: ClassVar[frozenset[str]] = Comparing.RULE_FIELDS | {"dedup_share", "keep", "clusters"}

    dedup_share: float = Field(0.75, gt=0, le=1, description="share of documents that the dedup leaves (R_dedup)")
    clusters: int = Field(
        0, ge=0, description=f"of k-means, both times; 0: the root of the number of documents. {MISSES}"
    )
    keep: Keep = Field("hard", description="who stays: `hard` far from the centroid, `easy` near it, `random`")

    def fit(self, pool: Contributions) -> list[Scores]:
        """Of each unit the scores (n,)."""
        count = self.checked(pool)
        number = cluster_number(self.clusters, count)
        similar = [np.full(len(valid), np.nan, np.float32) for _, valid in self.points(pool)]
        first = clusters_of((points for points, _ in self.points(pool)), number, self.seed)
        with one_thread():
            for found in members(first, self.points(pool), pool.scratch / "members", pool.memory):
                found = found[ordered(found, self.keep, self.seed)]
                most = most_similar_before(found["point"])[0]
                for unit in np.unique(found["unit"]):
                    own = found["unit"] == unit
                    similar[unit][found["row"][own]] = most[own]
        survives = self._survivors(similar)
        second = clusters_of(
            (points[kept[valid]] for (points, valid), kept in zip(self.points(pool), survives, strict=True)),
            cluster_number(self.clusters, int(sum(kept.sum() for kept in survives))),
            self.seed + 1,
        )
        scores = []
        for (points, valid), kept in zip(self.points(pool), survives, strict=True):
            found_scores = np.full(len(valid), np.nan)
            found_scores[kept] = 1 - second.assign(points[kept[valid]])[1].astype(np.float64)
            scores.append(found_scores)
        return scores

    def score(self, state: list[Scores], pool: Contributions) -> Iterator[Scores]:
        """The distance to the centroid."""
        yield from state

    def _survivors(self, similar: list[npt.NDArray[Any]]) -> list[npt.NDArray[np.bool_]]:
        """Of each unit which rows survive: those with the smallest similarity to an earlier one."""
        values = np.concatenate(similar)
        known = np.flatnonzero(~np.isnan(values))
        wanted = max(1, round(self.dedup_share * len(known)))
        kept = np.zeros(len(values), bool)
        kept[known[np.argsort(values[known], kind="stable")[:wanted]]] = True
        return np.split(kept, np.cumsum([len(unit) for unit in similar])[:-1])
