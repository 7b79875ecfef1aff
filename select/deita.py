"""`deita`: complex instructions with good answers, and no two alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from curate.dedup.step import Contributions
from curate.select.order import Scores
from curate.select.selector import How, Selector


class Deita(Selector):
    """Documents by complexity x quality, the greatest first, each only if none chosen before is too similar.

    A document is taken if its cosine with the nearest one taken is at most `most_similar`, 0.9. Both scores are signals
    that you name, of any scorer; the paper's are two small models that answer with a digit, 1 to 6, whose expectation
    counts, as in the step `judge`. A product of two signals of a whole conversation stands for the paper's
    sum over its turns. A document that lacks a score or a vector is never chosen; negative scores are an error, since
    two of them would make a good product. The score is the product.
    """

    kind: ClassVar[str] = "deita"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Liu et al. 2024 (arXiv 2312.15685), DEITA"
    RULE_FIELDS: ClassVar[frozenset[str]] = Selector.RULE_FIELDS | {"complexity", "quality"}

    complexity: str = Field(description="the signal of how hard the instruction is, as `classifier.score`")
    quality: str = Field(description="the signal of how good the answer is")
    how: How = Field(
        "greedy_diverse", description="`greedy_diverse` as in the paper, or any order of the product alone"
    )

    def reads(self) -> Mapping[str, str]:
        """Both signals, the vectors, and the signal that counts tokens."""
        return {"complexity": self.complexity, "quality": self.quality, **super().reads()}

    def score(self, state: Any, pool: Contributions) -> Iterator[Scores]:
        """The product. Raises CurateError for a negative score."""
        for complexity, quality in zip(pool.signals(self.complexity), pool.signals(self.quality), strict=True):
            for name, values in ((self.complexity, complexity), (self.quality, quality)):
                if (values < 0).any():
                    hint = "give scores from 0 on: both factors must count upwards"
                    raise self.problem(f"`{name}` is {np.nanmin(values):.4g} somewhere", hint)
            yield complexity * quality


def digit_expectation(logits: npt.NDArray[np.float64], first: int = 1) -> npt.NDArray[np.float64]:
    """(n, k) logits of the tokens `first`, `first` + 1, .. at the place of the answer -> (n,) sum of d x softmax(logits)_d."""
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    digits = np.arange(first, first + logits.shape[1])
    expected: npt.NDArray[np.float64] = likely @ digits / likely.sum(axis=1)
    return expected
