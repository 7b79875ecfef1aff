"""What happened to a mixture so far: all that weights depend on, small enough for a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass
class History:
    """Evaluations (step, losses) and updates (step, weights from this step on), each in order of steps."""

    evaluations: list[tuple[int, Floats]] = field(default_factory=list)
    updates: list[tuple[int, Floats]] = field(default_factory=list)
    #: weights x the steps that they held, added up in order, of updates that are no longer listed
    forgotten: Floats | None = None

    def evaluated(self, step: int, losses: Floats) -> None:
        """Add losses measured before this step; one evaluation a step, in order."""
        if self.evaluations and self.evaluations[-1][0] >= step:
            raise ValueError(f"an evaluation at step {step} after one at step {self.evaluations[-1][0]}")
        self.evaluations.append((step, np.array(losses, np.float64)))

    def updated(self, step: int, weights: Floats) -> None:
        """Add weights that hold from this step on."""
        if self.updates and self.updates[-1][0] >= step:
            raise ValueError(f"weights of step {step} after those of step {self.updates[-1][0]}")
        self.updates.append((step, np.array(weights, np.float64)))

    def losses_at(self, step: int) -> Floats | None:
        """The losses measured before this step, if they were."""
        return next((losses for at, losses in reversed(self.evaluations) if at == step), None)

    def weights_before(self, step: int) -> Floats | None:
        """The weights in force just before this step."""
        return next((weights for at, weights in reversed(self.updates) if at < step), None)

    def without_updates(self) -> History:
        """The same with the last update alone; `average` stays what it was, to the bit."""
        total = self._held(self.updates[-1][0]) if self.updates else self.forgotten
        return History(self.evaluations, self.updates[-1:], total)

    def average(self, total: int) -> Floats:
        """The mean of the weights over the first `total` steps, each update counted for the steps that it held."""
        if not self.updates:
            raise ValueError("the history has no weights")
        held = self._held(total)
        made: Floats = held / held.sum()
        return made

    def _held(self, total: int) -> Floats:
        """Weights x steps up to step `total`, added up in order of steps."""
        added = np.zeros(len(self.updates[0][1])) if self.forgotten is None else self.forgotten.copy()
        ends = [step for step, _ in self.updates[1:]] + [total]
        for (step, weights), end in zip(self.updates, ends, strict=True):
            added += (end - step) * weights
        return added

    def to_json(self) -> dict[str, Any]:
        """Plain lists of numbers; `from_json` gives the same to the bit."""
        listed = {
            name: [[step, values.tolist()] for step, values in getattr(self, name)]
            for name in ("evaluations", "updates")
        }
        return listed | {"forgotten": None if self.forgotten is None else self.forgotten.tolist()}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> History:
        """The history that `to_json` wrote."""
        evaluations, updates = (
            [(int(step), np.array(values, np.float64)) for step, values in state[name]]
            for name in ("evaluations", "updates")
        )
        forgotten = state["forgotten"]
        return cls(evaluations, updates, None if forgotten is None else np.array(forgotten, np.float64))
