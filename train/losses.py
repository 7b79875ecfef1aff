"""The loss of a model's tokens, and its sum over a batch without ever holding all of its logits.

`curate.train.objectives` has the losses. The sum is divided once, by what all tokens of the step count together: means of
parts are wrong where parts differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from curate.errors import CurateError
from curate.train.objectives.cross_entropy import nll
from curate.train.objectives.token_loss import Given, TokenLoss

#: (logits of any float, targets, which of the n tokens these are) -> their losses, float32
Losses = Callable[[torch.Tensor, torch.Tensor, slice], torch.Tensor]
# Logits are made for so many at a time: 512 MB of float32 on a GPU, where each block costs a pass over the head's gradient; 4 MB
# on a CPU, where greater blocks are given back to the system and zeroed anew each time, and calls cost little (1.15 x the tokens/s).
CHUNK_LOGITS, CPU_CHUNK_LOGITS = 128 << 20, 1 << 20


def chunk_logits(device: torch.device) -> int:
    """How many logits are made at a time."""
    return CPU_CHUNK_LOGITS if device.type == "cpu" else CHUNK_LOGITS


class _ChunkedLoss(torch.autograd.Function):
    """The sum of losses behind a linear head. Gradients are made with the losses, chunk by chunk, and kept instead of
    logits: no product is computed twice. Under autocast products are of half precision, and sums over chunks of float32."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        losses_of: Losses,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        kind = hidden.device.type
        half = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        states, matrix = hidden.to(half), weight.to(half)
        offset = None if bias is None else bias.to(half)
        of_states, of_weight, of_bias = ctx.needs_input_grad[:3]
        each = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        grad_states = torch.zeros_like(states) if of_states else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if of_weight else None
        grad_bias = torch.zeros_like(bias, dtype=torch.float32) if of_bias and bias is not None else None
        size = max(1, chunk_logits(hidden.device) // len(weight))
        with torch.autocast(kind, enabled=False):
            for start in range(0, len(hidden), size):
                part = slice(start, start + size)
                logits = functional.linear(states[part], matrix, offset).requires_grad_(any(ctx.needs_input_grad[:3]))
                with torch.enable_grad():
                    losses = losses_of(logits, targets[part], part)
                    total = losses.sum()
                each[part] = losses.detach()
                if not losses.requires_grad:
                    continue
                (grad,) = torch.autograd.grad(total, logits)
                if grad_states is not None:
                    grad_states[part] = grad @ matrix
                if grad_weight is not None:
                    grad_weight += grad.t() @ states[part]
                if grad_bias is not None:
                    grad_bias += grad.sum(0)
        ctx.grads = [
            None if made is None or given is None else made.to(given.dtype)
            for made, given in ((grad_states, hidden), (grad_weight, weight), (grad_bias, bias))
        ]
        ctx.mark_non_differentiable(each)
        return each.sum(), each

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (*(grad * upstream[0] if grad is not None else None for grad in ctx.grads), None, None)


class Reader:
    """A model as states of tokens and what makes logits of them. Where the head is no plain layer, states are logits."""

    def __init__(self, model: Any, *, adapter: bool = True) -> None:
        """`adapter` false reads a model of peft without its adapters."""
        self.model, self.plain, self._adapter = model, _has_plain_head(model), adapter

    def states(self, inputs: dict[str, Any], places: torch.Tensor) -> torch.Tensor:
        """(n, width) the states at `places` of the flattened (rows, context)."""
        if not self._adapter:
            training = self.model.training
            self.model.eval()  # what is compared with has no dropout
            with self.model.disable_adapter():
                found = self._read(inputs, places)
            self.model.train(training)
            return found
        return self._read(inputs, places)

    def _read(self, inputs: dict[str, Any], places: torch.Tensor) -> torch.Tensor:
        if not self.plain:
            logits: torch.Tensor = self.model(**inputs).logits
            return logits.flatten(0, 1).index_select(0, places)
        base = _base(self.model)
        states: torch.Tensor = getattr(base, base.base_model_prefix)(**inputs).last_hidden_state
        return states.flatten(0, 1).index_select(0, places)

    @property
    def head(self) -> Any:
        """The linear layer that makes logits of states."""
        return _base(self.model).get_output_embeddings()

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """(n, width) -> (n, vocabulary) float32."""
        return (self.head(states) if self.plain else states).float()


class Objective(torch.nn.Module):
    """A model with its loss: what is wrapped for many devices, and called with a batch.

    `frozen` are the models that the loss reads, in its order; they are neither trained nor saved.
    """

    def __init__(self, model: Any, loss: TokenLoss, frozen: Sequence[Reader] = ()) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self._losses: Callable[[Any, Any, Given], Any] = self._plain
        self._reader, self._frozen = Reader(model), tuple(frozen)
        self.values: torch.nn.Linear | None = None
        if loss.has_values:
            if not self._reader.plain:
                what = (
                    f"`{loss.kind}` reads the model's last states, and its head is more than a linear layer over them"
                )
                raise CurateError("loss", what, "choose another objective")
            self.values = torch.nn.Linear(self._reader.head.weight.shape[1], 1)
            torch.nn.init.zeros_(self.values.weight)
            torch.nn.init.zeros_(self.values.bias)

    def compile_losses(self) -> None:
        """Compile the losses of tokens; layers of the model are compiled by who wraps it."""
        self._losses = torch.compile(self._plain, dynamic=True)

    def _plain(self, logits: torch.Tensor, targets: torch.Tensor, given: Given) -> torch.Tensor:
        found: torch.Tensor = self.loss.losses(logits.float(), targets, given)
        return found

    def forward(
        self, inputs: dict[str, Any], places: torch.Tensor, targets: torch.Tensor, scores: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        """(the sum of the losses of n targets, (n,) each of them without a gradient).

        `places`, (n,), are those in the flattened (rows, context) whose states predict the targets; `scores` and
        `weights`, (n,), are of the targets. While the model is not being trained the loss is cross-entropy.
        """
        states = self._reader.states(inputs, places)
        if not self.training:
            return self._sum(states, targets, lambda logits, given, _: nll(logits.float(), given))
        with torch.no_grad():
            frozen = [reader.states(inputs, places) for reader in self._frozen]
        values = self.values(states).float().squeeze(-1) if self.values is not None else None

        def losses(logits: torch.Tensor, given: torch.Tensor, part: slice) -> torch.Tensor:
            with torch.no_grad():
                others = [reader.logits(held[part]) for reader, held in zip(self._frozen, frozen, strict=True)]
            known = Given(_part(scores, part), _part(values, part), tuple(others))
            each: torch.Tensor = self._losses(logits, given, known)
            return each if weights is None else each * weights[part]

        total, each = self._sum(states, targets, losses)
        if values is not None:
            more = self.loss.value_losses(values, scores) * (1 if weights is None else weights)
            total, each = total + more.sum(), each + more.detach()
        return total, each

    def _sum(self, states: torch.Tensor, targets: torch.Tensor, losses: Losses) -> tuple[torch.Tensor, torch.Tensor]:
        if not self._reader.plain:
            found = losses(states, targets, slice(None))
            return found.sum(), found.detach()
        head = self._reader.head
        total, each = _ChunkedLoss.apply(states, head.weight, head.bias, targets, losses)  # type: ignore[no-untyped-call]
        return total, each


def _part(held: torch.Tensor | None, part: slice) -> torch.Tensor | None:
    return None if held is None else held.detach()[part]


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
