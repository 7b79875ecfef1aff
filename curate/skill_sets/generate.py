"""A skill set: distinct samples by skill in given proportions, and held-out ones of problems that training never sees."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curate.skill_sets.addition import Addition
from curate.skill_sets.lego import Lego
from curate.skill_sets.sample import Generator, Sample

KINDS: dict[str, Any] = {"lego": Lego, "addition": Addition}
_EVALUATION, _TRAINING, _ORDER = 0, 1, 2


@dataclass(frozen=True)
class SkillSet:
    """What to make. The samples of a skill are the same whatever the size: a larger set only goes on."""

    generator: Generator
    counts: tuple[int, ...]  # training samples of each skill
    evaluation: int  # held-out samples of each skill
    seed: int = 0

    def evaluation_samples(self) -> Iterator[tuple[str, Sample]]:
        """(skill, sample), by skill."""
        for skill, samples in enumerate(self._held_out()):
            yield from ((self.generator.skills[skill], sample) for sample in samples)

    def training_samples(self) -> Iterator[tuple[str, Sample]]:
        """(skill, sample) in a random order; no problem of theirs is held out."""
        closed = {sample.problem for samples in self._held_out() for sample in samples}
        made = [list(self._distinct(_TRAINING, skill, count, closed)) for skill, count in enumerate(self.counts)]
        order = np.repeat(np.arange(len(made)), self.counts)
        self._rng(_ORDER, 0).shuffle(order)
        streams = [iter(samples) for samples in made]
        for skill in order.tolist():
            yield self.generator.skills[skill], next(streams[skill])

    def _held_out(self) -> list[list[Sample]]:
        skills = range(len(self.generator.skills))
        return [list(self._distinct(_EVALUATION, skill, self.evaluation, set())) for skill in skills]

    def _distinct(self, part: int, skill: int, count: int, closed: set[Hashable]) -> Iterator[Sample]:
        """`count` samples of different problems, none of them in `closed`."""
        rng, seen = self._rng(part, skill), set(closed)
        while count > 0:
            sample = self.generator.sample(skill, rng)
            if sample.problem not in seen:
                seen.add(sample.problem)
                count -= 1
                yield sample

    def _rng(self, part: int, skill: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, part, skill])


def shares(total: int, proportions: Sequence[float]) -> tuple[int, ...]:
    """`total` in whole parts as near to the proportions as can be (largest remainders, of equal ones the first)."""
    exact = np.array(proportions, np.float64) / sum(proportions) * total
    counts = np.floor(exact).astype(int)
    left = total - int(counts.sum())
    counts[np.argsort(-(exact - counts), kind="stable")[:left]] += 1
    return tuple(counts.tolist())
