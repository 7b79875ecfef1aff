"""What a generator of skill sets makes: samples with a question, an answer and the skill that it takes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, NamedTuple, Protocol

import numpy as np


class Sample(NamedTuple):
    """A question and its answer; `text` is what a model is trained on, `prompt` its part before `answer`."""

    prompt: str
    answer: str
    text: str
    problem: Hashable  # what two samples have in common that only ask another thing or put it in another order


class Generator(Protocol):
    """A kind of skill set."""

    #: how often each skill occurs in the unbalanced baseline of the paper, for the default size of a problem
    RANDOM: ClassVar[tuple[int, ...]]
    #: the assumed graph: row i, column j is what training on skill i does for skill j
    GRAPH: ClassVar[tuple[tuple[float, ...], ...]]

    @property
    def skills(self) -> tuple[str, ...]:
        """The names of the skills, in order."""
        ...

    @property
    def problems(self) -> int:
        """How many different problems there are."""
        ...

    def sample(self, skill: int, rng: np.random.Generator) -> Sample:
        """A sample of the skill with this number, from 0."""
        ...
