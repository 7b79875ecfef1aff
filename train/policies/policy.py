"""What a parameter policy is: which parameters are trained, and at what share of the learning rate."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Policy(BaseModel):
    """The settings of a policy, and its answer. Each has `kind`, its name, and `source`, where it is defined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def shares(self, names: Sequence[str]) -> dict[str, float]:
        """Of each parameter of a model, by name: its share of the learning rate; 0 is not trained. Raises ConfigError."""


class All(Policy):
    """Everything is trained at the same rate."""

    kind: ClassVar[str] = "all"
    source: ClassVar[str] = "full fine-tuning"

    def shares(self, names: Sequence[str]) -> dict[str, float]:
        """1 for each."""
        return dict.fromkeys(names, 1.0)
