"""Pretraining with human preferences: objectives that read a misalignment score of each token (higher is worse).

Conditional training and filtering, the two others of the paper, are made of data: steps `tag`, and rules over its score.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from curate.train.objectives.cross_entropy import nll
from curate.train.objectives.token_loss import Given, TokenLoss

SOURCE = "Korbak et al. 2023 (arXiv 2302.08582), section 3 and released code"
#: the most that AWR weighs a token, as in the released code
MOST = 1000.0
#: the least probability whose logarithm is taken
LEAST = 1e-20


class Unlikelihood(TokenLoss):
    """-log p up to the threshold, -alpha * log(1 - p) above it.

    `mode: soft` weighs both by the score, (1 - s) * -log p + alpha * s * -log(1 - p): what the released code does where
    the threshold is 0.
    """

    kind: ClassVar[str] = "unlikelihood"
    source: ClassVar[str] = SOURCE
    reads_scores: ClassVar[bool] = True

    threshold: float = Field(description="tokens that score more are bad")
    alpha: float = Field(1.0, ge=0, description="weight of bad tokens")
    mode: Literal["hard", "soft"] = "hard"

    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """By the score of each token."""
        import torch

        each = nll(logits, targets)
        against = -(-torch.expm1(-each)).clamp(min=LEAST).log()
        if self.mode == "soft":
            return (1 - given.scores) * each + self.alpha * given.scores * against
        return torch.where(given.scores > self.threshold, self.alpha * against, each)


class Rwr(TokenLoss):
    """-log p * exp(r / beta), reward-weighted regression; the reward r is the negative score."""

    kind: ClassVar[str] = "rwr"
    source: ClassVar[str] = SOURCE
    reads_scores: ClassVar[bool] = True

    beta: float = Field(10.0, gt=0, description="temperature; the paper has 10 for toxicity")

    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """By the reward of each token."""
        return nll(logits, targets) * (-given.scores / self.beta).exp()


class Awr(TokenLoss):
    """alpha * -log p * min(exp((r - V) / beta), 1000) + (1 - alpha) * (V - r)^2, advantage-weighted regression.

    V is a linear head on the last states, whose own loss alone trains it.
    """

    kind: ClassVar[str] = "awr"
    source: ClassVar[str] = SOURCE
    reads_scores: ClassVar[bool] = True
    has_values: ClassVar[bool] = True

    alpha: float = Field(0.5, ge=0, le=1, description="share of the policy's term")
    beta: float = Field(10.0, gt=0, description="temperature; the paper has 10 for toxicity, 0.1 for personal data")

    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """The policy's term: values have no gradient here."""
        weights = ((-given.scores - given.values) / self.beta).exp().clamp(max=MOST)
        return self.alpha * nll(logits, targets) * weights

    def value_losses(self, values: Any, scores: Any) -> Any:
        """The head's term, (n,)."""
        return (1 - self.alpha) * (values + scores) ** 2
