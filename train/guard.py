"""What watches the loss: values that are no numbers end a run, spikes are told; both name the documents of the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from curate.errors import CurateError
from curate.train.loader import Place
from curate.train.settings import GuardSettings

# The running mean and variance forget with this factor; spikes are told once they rest on so many steps.
MEMORY = 0.98
LEAST = 50
NAMED = 8
#: how a spike is told in metrics.jsonl
SPIKE = "is a spike"


@dataclass
class Guard:
    """The running mean and variance of the loss."""

    steps: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def is_spike(self, loss: float, settings: GuardSettings) -> bool:
        """Whether this loss stands out; one that does is not learnt from."""
        spike = self.steps >= LEAST and loss > self.mean + settings.spike * math.sqrt(self.variance)
        if not spike:
            weight = max(1 - MEMORY, 1 / (self.steps + 1))
            self.variance = (1 - weight) * (self.variance + weight * (loss - self.mean) ** 2)
            self.mean += weight * (loss - self.mean)
            self.steps += 1
        return spike

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)


def check_finite(step: int, what: str, value: float, documents: Sequence[Place]) -> None:
    """Raises CurateError for NaN and infinity, with the documents of the batch."""
    if not math.isfinite(value):
        named = "\n".join(f"  {line}" for line in named_documents(documents))
        raise CurateError(
            f"step {step}", f"the {what} is {value}; the batch holds\n{named}",
            "lower optimizer.lr, or leave out what is broken; the last checkpoint is from before this step",
        )  # fmt: skip


def named_documents(documents: Sequence[Place]) -> list[str]:
    """The first documents of a batch by their places, one a line."""
    different = {(place.path, place.offset): place for place in documents}
    lines = [f"{p.source} {p.path} at {p.offset} ({p.id})" for p in list(different.values())[:NAMED]]
    more = len(different) - NAMED
    return lines + ([f"and {more} more: curate trace"] if more > 0 else [])
