"""`ensemble`: several classifiers as one, by the quantiles of their scores (Nemotron-CC)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curate.dedup.step import Contributions, GlobalStep
from curate.steps.step import Bound, Signal

BUCKETS = 20
#: level -> its least bucket, from the best
LEVELS = {"high": 19, "medium_high": 18, "medium": 12, "medium_low": 7, "low": 0}


class Ensemble(GlobalStep):
    """Put each score into one of 20 buckets of as many documents each, and take the best bucket over all scores.

    Scores of classifiers that were trained on different things cannot be compared; their quantiles over the same
    documents can, and what one of them finds excellent is kept. Nemotron-CC's levels: bucket 19 is high, 18
    medium_high, 12-17 medium, 7-11 medium_low, 0-6 low. Equal scores share a bucket, that of the first of them; a
    document without any score has none. Holds 9 bytes a document and score in memory.
    """

    kind: ClassVar[str] = "ensemble"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Su et al. 2024, Nemotron-CC (arXiv 2412.02595)"
    FINDINGS: ClassVar[pa.Schema | None] = pa.schema(
        [("bucket", pa.int8()), ("level", pa.string()), ("buckets", pa.list_(pa.int8()))]
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "bucket": Signal(pa.int8(), "the greatest of `buckets`, 0 to 19; null without any score"),
        "level": Signal(pa.string(), "high, medium_high, medium, medium_low or low"),
        "buckets": Signal(pa.list_(pa.int8()), "the bucket of each score, in the order of `scores`"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"scores"}

    scores: list[str] = Field(
        description="signals of earlier steps, the greater the better, as `classifier.positive`", min_length=1
    )
    bucket: Bound | None = Field(None, description="bound on the bucket: {min: 12} keeps medium and better")

    def reads(self) -> Mapping[str, str]:
        """The scores."""
        return {f"scores[{place}]": signal for place, signal in enumerate(self.scores)}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """Nothing: the scores are signals already."""
        return []

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """The buckets of every document, by the scores of all."""
        columns = []
        for signal in self.scores:
            values = np.concatenate([*contributions.signals(signal), np.zeros(0)])
            columns.append(bucket_of(values))
        found = np.stack(columns, axis=1)
        best = found.max(axis=1)
        levels = np.array(_levels(), object)
        start = 0
        for table in contributions.tables():
            part = slice(start, start + len(table))
            start += len(table)
            none = best[part] < 0
            flat = found[part].ravel()
            lists = pa.FixedSizeListArray.from_arrays(pa.array(flat, mask=flat < 0), len(self.scores))
            yield pa.table(
                {
                    "row": table["row"],
                    "bucket": pa.array(best[part], mask=none),
                    "level": pa.array(levels[best[part]], pa.string(), mask=none),
                    "buckets": lists.cast(pa.list_(pa.int8())),
                }
            )


def bucket_of(scores: npt.NDArray[Any], buckets: int = BUCKETS) -> npt.NDArray[np.int8]:
    """(n,) scores -> (n,) buckets by the share of scores below: floor(buckets * share), -1 for NaN."""
    known = ~np.isnan(scores)
    ranked = np.sort(scores[known])
    below = np.searchsorted(ranked, scores[known], side="left")
    found = np.full(len(scores), -1, np.int8)
    found[known] = below * buckets // max(len(ranked), 1)
    return found


def _levels() -> list[str]:
    """The level of each bucket."""
    return [next(level for level, least in LEVELS.items() if bucket >= least) for bucket in range(BUCKETS)]
