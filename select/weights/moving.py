"""Weights that move a little at each update, in the exponent, by what a proxy run measures of each group."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from curate.select.weights.history import Floats, History
from curate.select.weights.weighting import Weighting, normalised, softmax


class Moving(Weighting):
    """log w += scale * measured, then a share of equal weights. Subclasses say what is measured, and its scale."""

    eps: float = Field(0.0, ge=0, le=1, description="share of equal weights mixed in at each update")
    update_every: int = Field(1, ge=1, description="steps between updates")
    prior: tuple[float, ...] = Field((), description="the mixture to start from; equal if absent")

    @model_validator(mode="after")
    def _prior_fits(self) -> Self:
        if self.prior and (
            len(self.prior) != len(self.groups) or not all(0 < weight < math.inf for weight in self.prior)
        ):
            raise ValueError(f"the prior must have {len(self.groups)} numbers above 0, got {list(self.prior)}")
        return self

    @property
    @abstractmethod
    def scale(self) -> float:
        """What a measure of 1 adds to the logarithm of a weight."""

    def reads_losses(self, step: int) -> bool:
        """At every update but the start."""
        return step > 0

    def next_step(self, step: int) -> int | None:
        """The next update."""
        return (step // self.update_every + 1) * self.update_every

    def weights(self, step: int, losses: Floats | None, history: History) -> Floats:
        """The weights before, moved by what was measured."""
        before = history.weights_before(step)
        if before is None:
            return normalised(self.prior or np.ones(len(self.groups)))
        moved = softmax(self.scale * self.checked(step, losses), before)
        made: Floats = (1 - self.eps) * moved + self.eps / len(moved)
        return made

    def compact(self, history: History) -> History:
        """The last weights, and what the mean over the run needs."""
        return replace(history.without_updates(), evaluations=[])
