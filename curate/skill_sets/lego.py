"""LEGO: chains of variables, each the value or the negation of the one before; a skill is how far down the chain one is asked.

Zhang et al. 2022 (arXiv 2206.04301), as Skill-It uses it (Chen et al. 2023, arXiv 2307.14430, section 3 and appendix).
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curate.skill_sets.sample import Sample


@dataclass(frozen=True)
class Lego:
    """Chains of `variables` of the first `letters` letters; skill i asks the i-th of the chain, so skill 1 is the root."""

    RANDOM: ClassVar[tuple[int, ...]] = (1, 1, 1, 3, 5)
    GRAPH: ClassVar[tuple[tuple[float, ...], ...]] = (
        (1, 0, 0, 0, 0),
        (0.5, 1, 0.5, 0.5, 0),
        (0, 0, 1, 0, 0),
        (0, 0, 0, 1, 0),
        (0, 0, 0, 0, 1),
    )

    variables: int = 5
    letters: int = 26

    @property
    def skills(self) -> tuple[str, ...]:
        """`lego_1` (the root) and on."""
        return tuple(f"lego_{i + 1}" for i in range(self.variables))

    @property
    def problems(self) -> int:
        """Chains: letters in order, the root's value, and value or negation of each other one."""
        return math.perm(self.letters, self.variables) << self.variables

    def sample(self, skill: int, rng: np.random.Generator) -> Sample:
        """A chain whose clauses stand in random order, with the variable of this skill asked."""
        letters = [string.ascii_lowercase[i] for i in rng.choice(self.letters, self.variables, replace=False)]
        flips = rng.integers(0, 2, self.variables).tolist()
        return lego_sample(letters, flips, rng.permutation(self.variables).tolist(), skill)


def lego_sample(letters: Sequence[str], flips: Sequence[int], order: Sequence[int], skill: int) -> Sample:
    """The sample of one chain: `flips` has the root's value, then 1 for each negation; `order` is that of the clauses."""
    value, values = 0, []
    clauses = []
    for i, (letter, flip) in enumerate(zip(letters, flips, strict=True)):
        value = flip if i == 0 else value ^ flip
        values.append(value)
        source = str(flip) if i == 0 else letters[i - 1]
        clauses.append(f"{letter} = {'not' if i and flip else 'val'} {source}")
    prompt = f"Input: {', '.join(clauses[i] for i in order)}. Output: {letters[skill]} = val "
    answer = str(values[skill])
    return Sample(prompt, answer, f"{prompt}{answer}, ", ("".join(letters), tuple(flips)))
