"""How one tensor of a merged model is made of those of its ingredients. Everything is computed in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curate.train.layers import is_embedding, layer_of


def mean(tensors: Sequence[Any]) -> Any:
    """Of a soup (Wortsman et al. 2022, arXiv 2203.05482)."""
    total = tensors[0].double().clone()
    for other in tensors[1:]:
        total += other.double()
    return total / len(tensors)


def added(base: Any, others: Sequence[Any], scales: Sequence[float]) -> Any:
    """base + sum of scale * (other - base): task arithmetic (Ilharco et al. 2023, arXiv 2212.04089)."""
    start = base.double()
    total = start.clone()
    for other, scale in zip(others, scales, strict=True):
        total += scale * (other.double() - start)
    return total


def residual(base: Any, instruct: Any, model: Any) -> Any:
    """model + (instruct - base) (Jindal et al. 2024, arXiv 2410.10739); rows that only the model has stay its own."""
    found = model.double().clone()
    rows = tuple(slice(0, size) for size in base.shape)
    found[rows] += instruct[rows].double() - base.double()
    return found


def layer_scale(name: str, layers: int, alpha: float, beta: float) -> float:
    """LiNeS' factor of a parameter (Wang et al. 2025, arXiv 2410.17146): alpha + beta * l / (L - 1).

    Embeddings (and with them a tied head) have alpha; the last norm and the head alpha + beta.
    """
    layer = layer_of(name)
    if layer is None:
        return alpha if is_embedding(name) else alpha + beta
    return alpha + beta * (layer / (layers - 1) if layers > 1 else 1.0)


def ties(base: Any, others: Sequence[Any], *, density: float, scale: float) -> Any:
    """TIES (Yadav et al. 2023, arXiv 2306.01708), tensor by tensor: of each task vector the `density` of largest
    magnitude, of each place the sign with the larger sum, of its values the mean."""
    import torch

    start = base.double()
    tasks = torch.stack([_trimmed(other.double() - start, density) for other in others])
    sign = torch.sign(tasks.sum(0))
    agreeing = torch.where(torch.sign(tasks) == sign, tasks, 0.0)
    count = (agreeing != 0).sum(0).clamp(min=1)
    return start + scale * agreeing.sum(0) / count


def _trimmed(task: Any, density: float) -> Any:
    import torch

    kept = max(1, round(density * task.numel()))
    if kept >= task.numel():
        return task
    least = task.abs().flatten().kthvalue(task.numel() - kept + 1).values
    return torch.where(task.abs() >= least, task, 0.0)
