"""Addition: two numbers with their digits apart; a skill is which digit of the sum is asked.

As in Skill-It (Chen et al. 2023, arXiv 2307.14430, section 3 and appendix).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curate.skill_sets.sample import Sample

_PLACES = ("ones", "tens", "hundreds", "thousands")


@dataclass(frozen=True)
class Addition:
    """Sums of two numbers of `digits` digits; skill 1 asks the ones, digit 0, skill 2 the tens, and on. No last carry."""

    RANDOM: ClassVar[tuple[int, ...]] = (13, 14, 18)
    GRAPH: ClassVar[tuple[tuple[float, ...], ...]] = ((1, 0, 0), (0.5, 1, 0), (0, 0, 1))

    digits: int = 3

    @property
    def skills(self) -> tuple[str, ...]:
        """`addition_ones`, `addition_tens`, `addition_hundreds`."""
        return tuple(f"addition_{_PLACES[i] if i < len(_PLACES) else i}" for i in range(self.digits))

    @property
    def problems(self) -> int:
        """Pairs of numbers, in any order."""
        numbers = int(10**self.digits)
        return numbers * (numbers + 1) // 2

    def sample(self, skill: int, rng: np.random.Generator) -> Sample:
        """Two numbers, each as likely as any, with the digit of this skill asked."""
        a, b = rng.integers(0, 10**self.digits, 2).tolist()
        return addition_sample(a, b, self.digits, skill)


def addition_sample(a: int, b: int, digits: int, skill: int) -> Sample:
    """The sample that asks a digit of a + b."""
    left, right = (" ".join(f"{number:0{digits}}") for number in (a, b))
    prompt = f"A = {left} + {right} , A {skill} = "
    answer = str((a + b) // 10**skill % 10)
    return Sample(prompt, answer, prompt + answer, (min(a, b), max(a, b)))
