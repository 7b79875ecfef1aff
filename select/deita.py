"""`deita`: complex instructions with good answers, and no two alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curate.dedup.step import Contributions
from curate.select.order import Scores
from curate.select.selector import How, Selector


class Deita(Selector):
    """Documents by complexity x quality, the greatest first, each only if none chosen before is too similar.

    A document is taken if its cosine with the nearest one taken is at most `most_similar`, 0.9. Both scores are signals
    that you name, of any scorer. The paper's are two small models that answer with a digit, 1 to 6, whose expectation
    counts; two steps `judge` ask them, each with the prompt that it was trained with (complexity's has no {answer}):
    `judge: {as: complexity, model: .., prompt: .., scale: [1, 6]}`, the same `as: quality`, `embed`, then
    `deita: {complexity: complexity.marks, quality: quality.marks, budget: {documents: 6K}}`. Signals of lists have a
    value a turn, as `marks`: the score is the sum of the turns' products, as in the paper. Of signals of a whole
    conversation it is their product. A document that lacks a score or a vector is never chosen; negative scores are an
    error, since two of them would make a good product.
    """

    kind: ClassVar[str] = "deita"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Liu et al. 2024 (arXiv 2312.15685), DEITA"
    RULE_FIELDS: ClassVar[frozenset[str]] = Selector.RULE_FIELDS | {"complexity", "quality"}

    complexity: str = Field(description="the signal of how hard the instruction is, as `complexity.marks`")
    quality: str = Field(description="the signal of how good the answer is")
    how: How = Field(
        "greedy_diverse", description="`greedy_diverse` as in the paper, or any order of the product alone"
    )

    def reads(self) -> Mapping[str, str]:
        """Both signals, the vectors, and the signal that counts tokens."""
        return {"complexity": self.complexity, "quality": self.quality, **super().reads()}

    def takes(self, setting: str, kind: pa.DataType) -> bool:
        """Numbers, or a list of them, one a turn."""
        by_turn = setting in ("complexity", "quality") and pa.types.is_list(kind)
        return super().takes(setting, kind.value_type if by_turn else kind)

    def score(self, state: Any, pool: Contributions) -> Iterator[Scores]:
        """The product, or the sum of the turns' products. Raises CurateError for a negative score, or turns that differ."""
        for complexity, quality in zip(pool.signals(self.complexity), pool.signals(self.quality), strict=True):
            for name, values in ((self.complexity, complexity), (self.quality, quality)):
                if (values < 0).any():
                    hint = "give scores from 0 on: both factors must count upwards"
                    raise self.problem(f"`{name}` is {np.nanmin(values):.4g} somewhere", hint)
            yield self._products(complexity, quality)

    def _products(self, complexity: Scores, quality: Scores) -> Scores:
        """(n,) values, or (n, k) of the turns, NaN behind the last -> (n,) scores."""
        if complexity.ndim == quality.ndim == 1:
            return complexity * quality
        first, second = (values if values.ndim == 2 else values[:, None] for values in (complexity, quality))
        turns = [(~np.isnan(values)).sum(axis=1) for values in (first, second)]
        missing = (turns[0] == 0) | (turns[1] == 0)
        if complexity.ndim == quality.ndim:
            uneven = np.flatnonzero(~missing & (turns[0] != turns[1]))
            if len(uneven):
                counts = [int(count[uneven[0]]) for count in turns]
                what = f"a document has {counts[0]} values of `{self.complexity}` and {counts[1]} of `{self.quality}`"
                raise self.problem(what, "both must have one for each turn: mark the same conversations with both")
            width = min(first.shape[1], second.shape[1])
            first, second = first[:, :width], second[:, :width]
        products: Scores = np.where(missing, np.nan, np.nansum(first * second, axis=1))
        return products


def digit_expectation(logits: npt.NDArray[np.float64], first: int = 1) -> npt.NDArray[np.float64]:
    """(n, k) logits of the tokens `first`, `first` + 1, .. at the place of the answer -> (n,) sum of d x softmax(logits)_d."""
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    digits = np.arange(first, first + logits.shape[1])
    expected: npt.NDArray[np.float64] = likely @ digits / likely.sum(axis=1)
    return expected
