"""DFT: cross-entropy weighted by the target's own probability; ASFT and `anchored`: held near the model of the start."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from curate.train.objectives.cross_entropy import nll
from curate.train.objectives.token_loss import Given, TokenLoss


class Dft(TokenLoss):
    """sg[p] * -log p: it seeks modes. Judge it by greedy answers, never by likelihood.

    It cannot teach what the model gives no probability: not for continued pretraining or new knowledge. A `p_floor` of 0.1
    lets it learn such tokens.
    """

    kind: ClassVar[str] = "dft"
    source: ClassVar[str] = "dynamic fine-tuning (Wu et al. 2025, arXiv 2508.05629)"

    p_floor: float = Field(0.0, ge=0, le=1, description="the least weight of a token")

    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """Weighted, without a gradient of the weight."""
        each = nll(logits, targets)
        return each * (-each.detach()).exp().clamp(min=self.p_floor)


class Anchored(TokenLoss):
    """-log p + kl * KL(start || model) over the whole vocabulary, on new data: learning without forgetting.

    The start is held in memory beside the model; with adapters it is the model without them.
    """

    kind: ClassVar[str] = "anchored"
    source: ClassVar[str] = "learning without forgetting (Li and Hoiem 2016, arXiv 1606.09282)"
    reads_start: ClassVar[bool] = True

    kl: float = Field(0.5, ge=0, description="weight of the anchor")

    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """With the anchor."""
        return nll(logits, targets) + self.kl * _divergence(logits, given.frozen[0])


class Asft(Dft):
    """DFT with kl * KL(start || model) over the whole vocabulary; the start is held in memory beside the model.

    With adapters the start is the model without them.
    """

    kind: ClassVar[str] = "asft"
    source: ClassVar[str] = "anchored SFT (Zhu et al. 2025, released code: forward KL)"
    reads_start: ClassVar[bool] = True

    kl: float = Field(0.05, ge=0, description="weight of the anchor")

    def losses(self, logits: Any, targets: Any, given: Given) -> Any:
        """With the anchor."""
        return super().losses(logits, targets, given) + self.kl * _divergence(logits, given.frozen[0])


def _divergence(logits: Any, start: Any) -> Any:
    """(n,) KL(start || model)."""
    from torch.nn import functional

    return functional.kl_div(logits.log_softmax(-1), start.log_softmax(-1), reduction="none", log_target=True).sum(-1)
