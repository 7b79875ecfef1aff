"""`clusters`: which cluster of k-means a document's vector is in, as a number and as the name of a skill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curate.dedup.step import Contributions
from curate.errors import CurateError
from curate.select.compare import ReadingVectors, vectors_of
from curate.select.kmeans import kmeans
from curate.steps.step import Signal


class ClusterStep(ReadingVectors):
    """Number each document by its cluster among all: k-means by cosine, the greatest cluster 0.

    Drops nothing. `skill` is the number as a name, so that a mixture can weigh clusters where no source or task is known:
    `curate tokenize --by clusters.skill`, then `mixture: {kind: skill_it}` of a training file. The documents nearest to its
    centroid tell what a cluster is: `curate sql DIR "SELECT clusters.skill, id FROM ledger ORDER BY clusters.nearness
    DESC"`. Clusters of vectors are subjects and languages sooner than skills: Skill-It's authors find 38 % of planted
    skills by vectors, 61 % by how losses move. A document without a vector has no cluster. Another document in the pool
    may move all: the numbers are those of one version.

    Trained on at most 256 documents a cluster, drawn by `seed`; the rest is assigned. Holds 8 bytes a document.
    """

    kind: ClassVar[str] = "clusters"
    version: ClassVar[int] = 1
    source: ClassVar[str] = (
        "k-means of FAISS (Johnson, Douze & Jegou 2017), spherical; skills as clusters: arXiv 2307.14430"
    )
    FINDINGS: ClassVar[pa.Schema | None] = pa.schema(
        [("cluster", pa.int32()), ("skill", pa.string()), ("nearness", pa.float32())]
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "cluster": Signal(pa.int32(), "the number, 0 of the cluster with most documents; null without a vector"),
        "skill": Signal(pa.string(), "the number as a name: `c07`"),
        "nearness": Signal(pa.float32(), "cosine to the centroid"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = ReadingVectors.RULE_FIELDS | {"number", "seed"}

    number: int = Field(16, ge=1, description="of clusters; fewer where fewer vectors differ")
    seed: int = Field(0, ge=0, description="of the first centroids and of the sample")

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """See GlobalStep. Raises CurateError where there are documents and none has a vector."""
        parts = list(self._assigned(contributions))
        labels = np.concatenate([np.zeros(0, np.int32), *(label for label, _ in parts)])
        sizes = np.bincount(labels[labels >= 0])
        # the greatest first, of equals the one that k-means has first
        number_of = np.empty(len(sizes), np.int32)
        number_of[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes), dtype=np.int32)
        digits = len(str(self.number - 1))
        names = np.array([f"c{number:0{digits}}" for number in range(len(sizes))], object)
        for table, (label, near) in zip(contributions.tables(), parts, strict=True):
            none = label < 0
            numbers = np.zeros(len(label), np.int32)
            numbers[~none] = number_of[label[~none]]
            skills = np.full(len(label), None, object)
            skills[~none] = names[numbers[~none]]
            yield pa.table(
                {
                    "row": table["row"],
                    "cluster": pa.array(numbers, mask=none),
                    "skill": pa.array(skills, pa.string()),
                    "nearness": pa.array(near, from_pandas=True),
                }
            )

    def _assigned(self, pool: Contributions) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[Any]]]:
        """Of each unit the cluster of each row, -1 for none, and its nearness."""
        if not any(len(table) for table in pool.tables()):
            yield from ((np.zeros(0, np.int32), np.zeros(0, np.float32)) for _ in pool.tables())
            return
        if not any(len(points) for points, _ in vectors_of(pool, self.vectors, self.name)):
            what = f"no document has a vector in `{self.vectors}`"
            raise CurateError(self.name, what, "texts without a word have none")
        found = kmeans((points for points, _ in vectors_of(pool, self.vectors, self.name)), self.number, seed=self.seed)
        for points, valid in vectors_of(pool, self.vectors, self.name):
            label, near = np.full(len(valid), -1, np.int32), np.full(len(valid), np.nan, np.float32)
            label[valid], near[valid] = found.assign(points)
            yield label, near
