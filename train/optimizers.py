"""Optimizers and the learning rate as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from curate.errors import MissingAsset
from curate.train.settings import OptimizerSettings, ScheduleSettings


def make_optimizers(
    objective: Any, settings: OptimizerSettings, *, fused: bool, shares: Mapping[str, float] | None = None
) -> list[Any]:
    """AdamW over all that is trained; or Muon over the matrices of the layers (Jordan et al. 2024) and AdamW over the rest.

    `shares` are those of the learning rate, by the model's names. Each parameter group has its highest rate as `peak`.
    Vectors (norms, biases) have no weight decay.
    """
    trained = [(name.removeprefix("model."), p) for name, p in objective.named_parameters() if p.requires_grad]
    muon: list[Any] = []
    if settings.kind == "muon":
        outer = {id(p) for part in _ends(objective.model) for p in part.parameters()}
        muon = [
            (name, p) for name, p in trained if p.ndim == 2 and id(p) not in outer and not name.startswith("values.")
        ]
    inner = {id(p) for _, p in muon}
    rest = [(name, p) for name, p in trained if id(p) not in inner]
    made: list[Any] = []
    if rest:
        groups = _groups(rest, settings.lr, settings.weight_decay, shares or {})
        made.append(torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=fused))
    if muon:
        if not hasattr(torch.optim, "Muon"):
            raise MissingAsset("optimizer.kind", "this torch has no Muon", "pip install 'torch>=2.9'")
        groups = _groups(muon, settings.muon_lr, settings.weight_decay, shares or {})
        made.append(torch.optim.Muon(groups, lr=settings.muon_lr, weight_decay=settings.weight_decay))
    for optimizer in made:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return made


def _groups(named: list[Any], lr: float, decay: float, shares: Mapping[str, float]) -> list[dict[str, Any]]:
    """Parameters by their rate, matrices apart from vectors."""
    found: dict[tuple[bool, float], list[Any]] = {}
    for name, p in named:
        found.setdefault((p.ndim < 2, shares.get(name, 1.0)), []).append(p)
    return [
        {"params": held, "lr": lr * share, "weight_decay": 0.0 if vector else decay}
        for (vector, share), held in sorted(found.items(), key=lambda item: item[0][0])
    ]


def _ends(model: Any) -> list[Any]:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return [part for part in (base.get_input_embeddings(), base.get_output_embeddings()) if part is not None]


def rate(settings: ScheduleSettings, step: int, steps: int) -> float:
    """The learning rate of `step` (from 0) of `steps`, as a share of the highest."""
    warmup = round(settings.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    if settings.kind == "constant":
        return 1.0
    start = warmup
    if settings.kind == "wsd":
        start = max(warmup, steps - round(settings.decay * steps))
        if step < start:
            return 1.0
    gone = (step - start) / max(1, steps - start)
    if settings.kind == "cosine":
        return settings.floor + (1 - settings.floor) * 0.5 * (1 + math.cos(math.pi * gone))
    return 1 - (1 - settings.floor) * gone


def set_rate(optimizers: list[Any], share: float) -> None:
    """Give every group its highest rate times `share`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share
