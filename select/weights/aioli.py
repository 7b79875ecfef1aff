"""Aioli: learns within the run what each group does for each loss, by short probes, and leans towards what helps.

The effects are (evaluated, trained): the transpose of a skill graph.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from curate.select.weights.history import Floats, History
from curate.select.weights.weighting import Weighting, normalised, softmax


class Aioli(Weighting):
    """In each cycle the first steps probe: they train on each group with a weight of `one_hot`; the rest use the mixture.

    The probes are steps of the run, so that no other run is needed, at `rounds` x groups + 1 evaluations a cycle.
    """

    kind: ClassVar[str] = "aioli"
    source: ClassVar[str] = "Aioli (Chen et al. 2024, arXiv 2411.05735), section 4 and released code"

    cycle: int = Field(250, ge=1, description="steps from one set of probes to the next")
    rounds: int = Field(4, ge=1, description="probes of each group in a cycle")
    probe_steps: int = Field(4, ge=1, description="steps of a probe")
    one_hot: float = Field(0.625, gt=0, le=1, description="weight of the probed group; the others share the rest")
    eta: float = Field(0.2, ge=0, description="0.1 to 0.5; 1 with probes over the whole run")
    ema: float | None = Field(
        0.1, ge=0, lt=1, description="weight of earlier effects; null: each mixture is multiplied on"
    )
    prior: tuple[float, ...] = Field((), description="the mixture to start from; equal if absent")
    seed: int = Field(0, ge=0, description="of the order of probes")

    @model_validator(mode="after")
    def _probes_fit(self) -> Self:
        k = len(self.groups)
        if k > 1 and self.one_hot <= 1 / k:
            raise ValueError(f"one_hot must be above 1 / {k}, got {self.one_hot:g}: else all probes are alike")
        if self._probing >= self.cycle:
            raise ValueError(
                f"probes take {self._probing} steps of a cycle of {self.cycle}: raise cycle, or probe less"
            )
        if self.prior and (len(self.prior) != k or not all(0 < weight < math.inf for weight in self.prior)):
            raise ValueError(f"the prior must have {k} numbers above 0, got {list(self.prior)}")
        return self

    @property
    def _probes(self) -> int:
        return self.rounds * len(self.groups)

    @property
    def _probing(self) -> int:
        return self._probes * self.probe_steps

    def reads_losses(self, step: int) -> bool:
        """At the start and the end of every probe."""
        return step % self.cycle <= self._probing

    def next_step(self, step: int) -> int | None:
        """The end of the probe, or of the cycle."""
        start, offset = step - step % self.cycle, step % self.cycle
        if offset >= self._probing:
            return start + self.cycle
        return start + (offset // self.probe_steps + 1) * self.probe_steps

    def weights(self, step: int, losses: Floats | None, history: History) -> Floats:
        """The mixture of a probe, or what the probes so far say."""
        number, offset = divmod(step, self.cycle)
        if offset < self._probing:
            self.checked(step, losses)
            probed: Floats = probe_mixtures(len(self.groups), self.one_hot)[
                self._order(number)[offset // self.probe_steps]
            ]
            return probed
        held = dict(history.evaluations) | {step: self.checked(step, losses)}
        prior = normalised(self.prior or np.ones(len(self.groups)))
        mixture, effects = prior, None
        for cycle in range(number + 1):
            effects = self._effects(cycle, held, effects)
            total = self.eta * effects.sum(axis=0)
            mixture = softmax(total) if self.ema is not None else softmax(total, mixture)
        return mixture

    def compact(self, history: History) -> History:
        """Every evaluation of probes: the effects of each cycle go into those of the next."""
        return History([entry for entry in history.evaluations if self.reads_losses(entry[0])])

    def _order(self, number: int) -> list[int]:
        """Which group each probe of a cycle is for."""
        rngs = (np.random.default_rng([self.seed, number, turn]) for turn in range(self.rounds))
        return [int(group) for rng in rngs for group in rng.permutation(len(self.groups))]

    def _effects(self, number: int, held: dict[int, Floats], earlier: Floats | None) -> Floats:
        start, gains = number * self.cycle, np.zeros((len(self.groups),) * 2)
        for place, group in enumerate(self._order(number)):
            before, after = (held[start + (place + side) * self.probe_steps] for side in (0, 1))
            gains[:, group] += before - after
        return effects(gains / self.rounds, self.one_hot, earlier, self.ema)


class Effects(NamedTuple):
    """What probes tell: raw effects, and these made positive with a sum of 1."""

    raw: Floats
    normalised: Floats


def probe_mixtures(groups: int, one_hot: float) -> Floats:
    """Row i: the mixture that probes group i."""
    if groups == 1:
        return np.ones((1, 1))
    made: Floats = np.full((groups, groups), (1 - one_hot) / (groups - 1))
    np.fill_diagonal(made, one_hot)
    return made


def solved(gains: Floats, one_hot: float) -> Effects:
    """(evaluated, probe) falls of losses -> (evaluated, trained) effects."""
    raw = np.asarray(np.linalg.solve(probe_mixtures(len(gains), one_hot), gains.T).T, np.float64)
    shifted = raw - min(raw.min(), 0.0)
    # no loss moved: every group is as good
    scaled = shifted / shifted.sum() if shifted.sum() > 0 else np.full(raw.shape, 1 / raw.size)
    return Effects(raw, np.asarray(scaled, np.float64))


def effects(gains: Floats, one_hot: float, earlier: Floats | None, ema: float | None) -> Floats:
    """The effects of a cycle, with those of earlier ones in them."""
    now = solved(gains, one_hot).normalised
    return now if ema is None or earlier is None else (1 - ema) * now + ema * earlier
