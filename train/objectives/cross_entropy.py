"""Cross-entropy: the negative logarithm of the target's probability."""

from __future__ import annotations

from typing import Any, ClassVar

from curate.train.objectives.token_loss import Given, TokenLoss


def nll(logits: Any, targets: Any) -> Any:
    """(n, vocabulary), (n,) -> (n,) -log p of each target."""
    from torch.nn import functional

    return functional.cross_entropy(logits, targets, reduction="none")


class CrossEntropy(TokenLoss):
    """-log p of the target: maximum likelihood."""

    kind: ClassVar[str] = "cross_entropy"
    source: ClassVar[str] = "maximum likelihood"

    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """-log p."""
        return nll(logits, targets)
