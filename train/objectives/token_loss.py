"""What an objective is: the loss of each token, and what it reads beside logits and targets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Given(NamedTuple):
    """What is known of n tokens beside logits and targets, each (n, ...), float32, without gradients; None if not read."""

    #: misalignment of each token's segment: the reward is its negative
    scores: Any = None
    #: what the value head says of each token
    values: Any = None
    #: logits of each model that is not trained, (n, vocabulary)
    frozen: tuple[Any, ...] = ()


class View(NamedTuple):
    """What a change of the inputs may depend on: never a generator that goes on from step to step."""

    seed: int
    step: int
    steps: int
    vocabulary: int
    #: the token behind each document, if known
    eos: int | None = None


class TokenLoss(BaseModel):
    """The settings of an objective, and its loss. Each has `kind`, its name, and `source`, where it is defined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    source: ClassVar[str]
    #: whether it reads the scores of tokens, which the data must have
    reads_scores: ClassVar[bool] = False
    #: whether it trains a value head on the model's last states
    has_values: ClassVar[bool] = False
    #: whether it reads the logits of the model as the run began
    reads_start: ClassVar[bool] = False

    prompt: float = Field(0.0, ge=0, le=1, description="what a token counts that the data's masks leave out")

    @abstractmethod
    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """(n, vocabulary) float32 logits, (n,) targets -> (n,) losses, which have a gradient."""

    def value_losses(self, values: Any, scores: Any) -> Any:
        """(n,) values of the head, with a gradient, (n,) scores -> (n,) losses of the head."""
        raise NotImplementedError

    def frozen_models(self) -> tuple[str, ...]:
        """Folders of models whose logits it reads."""
        return ()

    def inputs(self, ids: Any, batch: Any, view: View) -> Any:
        """(rows, context) ids as the model is to see them; the targets stay those of the data."""
        return ids
