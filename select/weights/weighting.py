"""What gives a mixture its weights: one method, a pure function of step, losses and history.

    step = 0
    while step < total:
        losses = evaluate() if weighting.reads_losses(step) else None
        p = weighting.weights(step, losses, history)        # a weight for each group, together 1
        if losses is not None: history.evaluated(step, losses)
        history.updated(step, p)
        following = weighting.next_step(step) or total
        train(p, following - step)
        step = following

So a run that resumes from a stored history goes on to the bit as the one that was not stopped. A checkpoint holds
`weighting.compact(history).to_json()`, a few kB; who wants to plot the mixture keeps the whole history.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from curate.errors import CurateError
from curate.select.weights.history import Floats, History


class Weighting(BaseModel):
    """The base of all methods. `groups` are what is mixed: sources, skills, domains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: the name in a training file
    kind: ClassVar[str]
    #: paper and section
    source: ClassVar[str] = ""

    groups: tuple[str, ...] = Field(description="the names of what is mixed, in order", min_length=1)

    @model_validator(mode="after")
    def _different_groups(self) -> Self:
        if len(set(self.groups)) < len(self.groups):
            raise ValueError(f"groups must have different names, got {', '.join(self.groups)}")
        return self

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The names of the losses that `weights` takes, in order."""
        return self.groups

    def reads_losses(self, step: int) -> bool:
        """Whether the weights of this step depend on losses measured now."""
        return False

    def next_step(self, step: int) -> int | None:
        """The step after `step` at which weights are asked for again; None: these hold to the end."""
        return None

    @abstractmethod
    def weights(self, step: int, losses: Floats | None, history: History) -> Floats:
        """(groups,) weights from this step on, none negative, together 1.

        `losses` are those measured before this step, in the order of `evaluated`, or None where `reads_losses` is
        false; `history` ends before this step. Raises CurateError for losses that are missing or not finite.
        """

    def compact(self, history: History) -> History:
        """The part of a history that decides the weights from here on: what a checkpoint must hold."""
        return history

    def checked(self, step: int, losses: Floats | None) -> Floats:
        """The losses as an array, one for each of `evaluated`. Raises CurateError."""
        where = f"mixture {self.kind}, step {step}"
        if losses is None:
            raise CurateError(where, "no losses given", "evaluate before asking for weights")
        values = np.asarray(losses, np.float64)
        if values.shape != (len(self.evaluated),):
            raise CurateError(where, f"{values.shape} losses for {len(self.evaluated)}: {', '.join(self.evaluated)}")
        if not np.isfinite(values).all():
            bad = ", ".join(f"{name} {value}" for name, value in zip(self.evaluated, values, strict=True)
                            if not np.isfinite(value))  # fmt: skip
            raise CurateError(where, f"losses that are no numbers: {bad}", "go back to a checkpoint before they were")
        return values


def normalised(values: Sequence[float] | Floats) -> Floats:
    """Values from 0 up, together more than 0 -> the same over their sum."""
    array = np.asarray(values, np.float64)
    made: Floats = array / array.sum()
    return made


def softmax(scores: Floats, prior: Floats | None = None) -> Floats:
    """norm(prior * exp(scores)); the greatest score is taken off first, so that none overflows."""
    raised = np.exp(scores - scores.max())
    return normalised(raised if prior is None else raised * prior)
