"""Distillation: learn from what other models expect, beside the data."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from pydantic import Field

from curate.train.objectives.cross_entropy import nll
from curate.train.objectives.token_loss import Given, TokenLoss


class Distillation(TokenLoss):
    """(1 - weight) * -log p + weight * T^2 * KL(teacher || model) at temperature T, over the whole vocabulary.

    Several teachers are an ensemble: the mean of their probabilities, or of their logits.
    """

    kind: ClassVar[str] = "distill"
    source: ClassVar[str] = "Hinton et al. 2015; ensembles as in Kim et al. 2025 (arXiv 2509.14786)"

    teachers: tuple[str, ...] = Field(min_length=1, description="folders of models with this tokenizer")
    weight: float = Field(0.5, ge=0, le=1, description="share of the teachers' term")
    temperature: float = Field(1.0, gt=0)
    average: Literal["probabilities", "logits"] = "probabilities"

    def frozen_models(self) -> tuple[str, ...]:
        """The teachers."""
        return self.teachers

    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """Of the data and of the teachers."""
        from torch.nn import functional

        width = logits.shape[-1]
        expected = ensemble([part[:, :width] / self.temperature for part in given.frozen], self.average)
        found = (logits / self.temperature).log_softmax(-1)
        apart = functional.kl_div(found, expected, reduction="none", log_target=True).sum(-1)
        return (1 - self.weight) * nll(logits, targets) + self.weight * self.temperature**2 * apart


def ensemble(logits: list[Any], average: str) -> Any:
    """Logits of the members, each (n, vocabulary) -> (n, vocabulary) log-probabilities of the mean."""
    import torch

    if average == "logits":
        return torch.stack(logits).mean(0).log_softmax(-1)
    return torch.stack([part.log_softmax(-1) for part in logits]).logsumexp(0) - math.log(len(logits))
