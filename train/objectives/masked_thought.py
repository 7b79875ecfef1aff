"""Masked Thought: answers are seen with holes, and predicted whole."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from curate.train.objectives.cross_entropy import CrossEntropy
from curate.train.objectives.token_loss import View

_STREAM = 0x6D61736B


class MaskedThought(CrossEntropy):
    """Tokens that the loss is of are replaced in the input, each with a probability that rises to `max`; targets stay.

    Prompts are never touched, nor are tokens in `keep`. Which are replaced depends on seed, step and document alone.
    """

    kind: ClassVar[str] = "masked_thought"
    source: ClassVar[str] = "Chen et al. 2024 (arXiv 2403.02178) and released code"

    max: float = Field(0.4, ge=0, le=1, description="the highest probability; the paper has 0.4 and 0.2")
    warmup: float = Field(0.66, ge=0, le=1, description="the share of the steps over which it rises; 0: at once")
    fill: Literal["random"] | int = Field(
        "random", description="any token of the vocabulary, or the id of a mask token"
    )
    keep: tuple[int, ...] = Field((), description="ids that are not replaced, beside that of the end")

    def rate(self, step: int, steps: int) -> float:
        """The probability at `step`, from 0."""
        return min(self.max, self.max * step / (self.warmup * steps + 1)) if self.warmup else self.max

    def inputs(self, ids: Any, batch: Any, view: View) -> Any:
        """With holes."""
        rate = self.rate(view.step, view.steps)
        if not rate:
            return ids
        from curate.kernels import packing

        found, trained = ids.copy(), batch.labels != packing.IGNORE
        kept = [*self.keep, -1 if view.eos is None else view.eos]
        for row, at, source, document, start, length in batch.segments.tolist():
            # a place of its own in the stream for each piece of a document in each step
            rng = np.random.Generator(
                np.random.Philox(key=[view.seed, _STREAM], counter=[start, document, source, view.step])
            )
            part = slice(at, at + length)
            hit = (rng.random(length) < rate) & trained[row, part] & ~np.isin(found[row, part], kept)
            other = rng.integers(0, view.vocabulary, length) if self.fill == "random" else self.fill
            found[row, part] = np.where(hit, other, found[row, part])
        return found
