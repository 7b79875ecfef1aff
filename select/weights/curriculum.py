"""Curricula over groups: the easy ones first, or the hard ones, and more of them stage by stage.

Skill-It's baselines (arXiv 2307.14430, appendix): all samples are sorted by the loss of the model at the start, and in stage
i of M the first i / M of them may be drawn. Here the samples of a group have the loss of the group, so a stage takes whole
groups and part of one. With `inside` the samples are sorted within each group (`skill-curriculum`): weights stay equal, and
`pace` tells which share of each group is open.
"""

from __future__ import annotations

import math
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from curate.select.weights.history import Floats, History
from curate.select.weights.weighting import Weighting, normalised


class Curriculum(Weighting):
    """The groups with the least loss first."""

    kind: ClassVar[str] = "curriculum"
    source: ClassVar[str] = "Skill-It (arXiv 2307.14430), appendix: pacing g(i) = i H / M; Bengio et al. 2009"
    #: 1: easy first; -1: hard first
    WAY: ClassVar[int] = 1

    steps: int = Field(ge=1, description="H: the steps after which everything is open")
    stages: int = Field(5, ge=1, description="M: 5 for LEGO and Natural Instructions, 3 for addition")
    sizes: tuple[float, ...] = Field((), description="tokens or documents of each group; equal if absent")
    inside: bool = Field(False, description="sort within each group: equal weights, of the share `pace` of each")
    mix: float = Field(0.0, ge=0, le=1, description="share drawn from everything from the start")

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if self.sizes and len(self.sizes) != len(self.groups):
            raise ValueError(f"{len(self.sizes)} sizes for {len(self.groups)} groups: {', '.join(self.groups)}")
        if not all(0 < size < math.inf for size in self.sizes):
            raise ValueError(f"sizes must be numbers above 0, got {list(self.sizes)}")
        return self

    def reads_losses(self, step: int) -> bool:
        """At the start only, to sort the groups."""
        return step == 0 and not self.inside

    def next_step(self, step: int) -> int | None:
        """The start of the next stage."""
        stage = self._stage(step)
        return None if stage >= self.stages else math.ceil(stage * self.steps / self.stages)

    def pace(self, step: int) -> float:
        """The share of samples, in order of loss, that is open at this step: of all, or inside each group."""
        return self._stage(step) / self.stages

    def weights(self, step: int, losses: Floats | None, history: History) -> Floats:
        """By how many of the open samples are of each group; losses of the start decide the order, equal ones the names'."""
        if self.inside:
            return np.full(len(self.groups), 1 / len(self.groups))
        start = history.evaluations[0][1] if history.evaluations else losses
        order = np.argsort(self.WAY * self.checked(step, start), kind="stable")
        sizes = normalised(self.sizes or np.ones(len(self.groups)))
        before = np.concatenate([[0.0], np.cumsum(sizes[order])[:-1]])
        opened = np.zeros(len(sizes))
        opened[order] = np.clip(self.pace(step) - before, 0.0, sizes[order])
        return normalised((1 - self.mix) * normalised(opened) + self.mix * sizes)

    def compact(self, history: History) -> History:
        """The losses of the start."""
        return History(history.evaluations[:1])

    def _stage(self, step: int) -> int:
        return min(self.stages, step * self.stages // self.steps + 1)


class Anticurriculum(Curriculum):
    """The groups with the greatest loss first."""

    kind: ClassVar[str] = "anticurriculum"
    WAY: ClassVar[int] = -1
