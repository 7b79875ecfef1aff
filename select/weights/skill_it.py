"""Skill-It: more weight for groups that lower losses which are still high, by a skill graph."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from curate.select.weights.history import Floats, History
from curate.select.weights.weighting import Weighting, softmax


class SkillIt(Weighting):
    """norm(prior * exp(eta * sum of A @ losses over a window)); A is the skill graph, rows trained, columns evaluated.

    Pre-training evaluates all groups, fine-tuning the columns of its targets, out of domain other groups: A and `targets`
    say which. The first mixture takes losses of 1. Each mixture starts from the prior, not from the one before.
    """

    kind: ClassVar[str] = "skill_it"
    source: ClassVar[str] = "Skill-It (Chen et al. 2023, arXiv 2307.14430), section 4; released code for its variants"

    graph: tuple[tuple[float, ...], ...] = Field(description="A: a row for each group, a column for each target")
    targets: tuple[str, ...] = Field((), description="the evaluated groups; those that are mixed if absent")
    eta: float = Field(0.5, ge=0, description="0.5 for LEGO, 0.1 for addition, 0.2 and 0.8 for Natural Instructions")
    update_every: int = Field(0, ge=0, description="steps of a round; 0: one round, with the first mixture throughout")
    window: int = Field(3, ge=1, description="losses of how many rounds or checkpoints count")
    window_unit: Literal["round", "checkpoint"] = Field(
        "round", description="the paper's rounds, or every evaluation, that of step 0 included, as in the released code"
    )
    window_reduce: Literal["sum", "mean"] = Field("sum", description="mean: the released code's for fine-tuning")
    prior: tuple[float, ...] = Field((), description="multiplies the exponential each time; equal if absent")

    @model_validator(mode="after")
    def _shapes_fit(self) -> Self:
        k, m = len(self.groups), len(self.targets or self.groups)
        rows = [len(row) for row in self.graph]
        if len(rows) != k or set(rows) - {m}:
            raise ValueError(f"the graph must have {k} rows (groups) of {m} (targets), got {len(rows)} of {rows}")
        if not all(math.isfinite(weight) for row in self.graph for weight in row):
            raise ValueError("the graph must have finite weights")
        if self.prior and (len(self.prior) != k or not all(0 <= weight < math.inf for weight in self.prior)):
            raise ValueError(f"the prior must have {k} numbers from 0 up, got {list(self.prior)}")
        if self.prior and not sum(self.prior) > 0:
            raise ValueError("the prior must have a number above 0")
        return self

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The targets."""
        return self.targets or self.groups

    def reads_losses(self, step: int) -> bool:
        """After each round; with checkpoints, at the start as well."""
        return self.update_every > 0 and (step > 0 or self.window_unit == "checkpoint")

    def next_step(self, step: int) -> int | None:
        """The end of the round."""
        return (step // self.update_every + 1) * self.update_every if self.update_every else None

    def weights(self, step: int, losses: Floats | None, history: History) -> Floats:
        """By the graph and the losses in the window, these ones included."""
        matrix = np.array(self.graph)
        if step == 0 or not self.update_every:
            return softmax(self.eta * matrix.sum(axis=1), self._prior())
        now = self.checked(step, losses)
        past = [values for at, values in history.evaluations if self._counts(at)]
        held = np.array([*past, now][-self.window :])
        total = held.sum(axis=0) if self.window_reduce == "sum" else held.mean(axis=0)
        return softmax(self.eta * (matrix @ total), self._prior())

    def compact(self, history: History) -> History:
        """The evaluations in the window."""
        return History([entry for entry in history.evaluations if self._counts(entry[0])][-self.window :])

    def _counts(self, at: int) -> bool:
        return self.window_unit == "checkpoint" or (at > 0 and at % self.update_every == 0)

    def _prior(self) -> Floats | None:
        return np.array(self.prior) if self.prior else None
