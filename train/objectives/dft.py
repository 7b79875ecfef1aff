"""DFT and ASFT: cross-entropy weighted by the target's own probability; with an anchor to the model at the start."""

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
        from torch.nn import functional

        anchor = functional.kl_div(
            logits.log_softmax(-1), given.frozen[0].log_softmax(-1), reduction="none", log_target=True
        ).sum(-1)
        return super().losses(logits, targets, given) + self.kl * anchor
