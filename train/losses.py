"""Losses of tokens, and their sum over a batch without ever holding all of its logits.

A loss is a function of logits (n, vocabulary) float32 and targets (n,) that gives (n,) losses in nats. `LOSSES` names
them. The sum is divided once, by the number of tokens of the whole step: means of parts are wrong where parts differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# Logits are made for so many at a time: 64 MB of float32.
CHUNK_LOGITS = 16 << 20


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """-log p of the target."""
    return functional.cross_entropy(logits, targets, reduction="none")


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy}


class _ChunkedLoss(torch.autograd.Function):
    """The sum of losses behind a linear head. Gradients are made with the losses, chunk by chunk, and kept instead of
    logits: no product is computed twice."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        loss: Loss,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        wanted = ctx.needs_input_grad[:3]
        total = hidden.new_zeros((), dtype=torch.float32)
        each = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        grads = [
            torch.zeros_like(part) if part is not None and need else None
            for part, need in zip((hidden, weight, bias), wanted, strict=True)
        ]
        for start in range(0, len(hidden), max(1, CHUNK_LOGITS // len(weight))):
            part = slice(start, start + max(1, CHUNK_LOGITS // len(weight)))
            with torch.enable_grad():
                inputs: list[Any] = [
                    given.detach().requires_grad_(need) if given is not None else None
                    for given, need in zip((hidden[part], weight, bias), wanted, strict=True)
                ]
                losses = loss(functional.linear(inputs[0], inputs[1], inputs[2]).float(), targets[part])
                each[part] = losses.detach()
                total += losses.detach().sum()
                needed = [given for given in inputs if given is not None and given.requires_grad]
                found = iter(torch.autograd.grad(losses.sum(), needed) if needed else ())
            for place, given in enumerate(inputs):
                if given is not None and given.requires_grad:
                    grad, kept = next(found), grads[place]
                    assert kept is not None
                    if place == 0:
                        kept[part] = grad
                    else:
                        kept += grad
        ctx.grads = grads
        ctx.mark_non_differentiable(each)
        return total, each

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (*(grad * upstream[0] if grad is not None else None for grad in ctx.grads), None, None)


class Objective(torch.nn.Module):
    """A model with its loss: what is wrapped for many devices, and called with a batch."""

    def __init__(self, model: Any, loss: str) -> None:
        super().__init__()
        self.model = model
        self._loss = LOSSES[loss]
        self._chunked = _has_plain_head(model)

    def forward(
        self, inputs: dict[str, Any], places: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(the sum of the losses of n targets, (n,) each of them without a gradient).

        `places`, (n,), are those in the flattened (rows, context) whose states predict the targets.
        """
        base = _base(self.model)
        if not self._chunked:
            logits = self.model(**inputs).logits.flatten(0, 1).index_select(0, places)
            losses = self._loss(logits.float(), targets)
            return losses.sum(), losses.detach()
        states = getattr(base, base.base_model_prefix)(**inputs).last_hidden_state
        head = base.get_output_embeddings()
        hidden = states.flatten(0, 1).index_select(0, places)
        total, each = _ChunkedLoss.apply(hidden, head.weight, head.bias, targets, self._loss)  # type: ignore[no-untyped-call]
        return total, each


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _has_plain_head(model: Any) -> bool:
    """Whether the logits are a linear layer over the backbone's last states and nothing more: tried on five tokens."""
    base = _base(model)
    backbone, head = getattr(base, base.base_model_prefix, None), base.get_output_embeddings()
    if backbone is None or backbone is base or type(head) is not torch.nn.Linear:
        return False
    device = head.weight.device
    ids = torch.arange(5, device=device)[None] % head.weight.shape[0]
    training = model.training
    model.eval()
    with torch.no_grad():
        apart = head(backbone(input_ids=ids, use_cache=False).last_hidden_state)
        whole = model(input_ids=ids, use_cache=False).logits
    model.train(training)
    return apart.shape == whole.shape and torch.allclose(apart.float(), whole.float(), atol=1e-5, rtol=1e-4)
