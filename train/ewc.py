"""Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796): what mattered for old data moves less.

The penalty is weight / 2 * sum of F_i * (theta_i - start_i)^2, where F is the mean over rows of old data of the squared
gradient of the row's mean loss, at the model that the run starts from. F is estimated once and kept in OUTPUT/ewc.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from curate.errors import CurateError
from curate.files import committed_folder, digest
from curate.train.attention import model_inputs
from curate.train.batch import Batch
from curate.train.loader import Loader
from curate.train.losses import Objective
from curate.train.objectives.cross_entropy import CrossEntropy
from curate.train.plan import PlanSettings
from curate.train.settings import EwcSettings
from curate.train.targets import targets_of
from curate.train.token_set import TokenSet

FILE = "fisher.safetensors"
Tensors = dict[str, torch.Tensor]


class Penalty:
    """The penalty at work, over the parameters that are trained."""

    def __init__(
        self, model: Any, fisher: Mapping[str, torch.Tensor], start: Mapping[str, torch.Tensor], weight: float
    ):
        """`fisher` and `start` by the model's names; what is not trained is not held."""
        self._weight = weight
        self._held = [
            (p, fisher[name].to(p.device, p.dtype), start[name].to(p.device, p.dtype))
            for name, p in model.named_parameters()
            if p.requires_grad
        ]
        if any(hasattr(p, "full_tensor") for p, _, _ in self._held):
            raise CurateError("ewc", "weights that are sharded (FSDP2) have no penalty yet", "shard: false")

    @torch.no_grad()
    def add(self) -> float:
        """Add the gradient of the penalty to that of each parameter; the penalty, in nats."""
        total = 0.0
        for p, fisher, start in self._held:
            pull = fisher * (p - start)
            total += 0.5 * self._weight * float((pull * (p - start)).sum(dtype=torch.float64))
            if p.grad is None:
                p.grad = self._weight * pull
            else:
                p.grad.add_(pull, alpha=self._weight)
        return total


def fisher_of(model: Any, batches: Iterable[Batch]) -> Tensors:
    """By name, the mean over the rows of the batches of the squared gradient of the row's mean loss."""
    objective = Objective(model, CrossEntropy())
    # dropout would make it that of other models
    objective.eval()
    device = next(model.parameters()).device
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.requires_grad}
    count = 0
    for batch in batches:
        for row in batch.micro_batches(1):
            if not row.trained:
                continue
            inputs = model_inputs(model, row.torch(device))
            loss, _ = objective(inputs, *targets_of(row, objective.loss).torch(device))
            model.zero_grad(set_to_none=True)
            (loss / row.trained).backward()
            for name, p in model.named_parameters():
                if p.grad is not None and name in total:
                    total[name] += p.grad**2
            count += 1
    model.zero_grad(set_to_none=True)
    return {name: value / max(count, 1) for name, value in total.items()}


def kept_fisher(settings: EwcSettings, plan: PlanSettings, output: Path, start: Any, identity: Any) -> Tensors:
    """The Fisher diagonal of the model `start` on `settings.rows` rows of the old data, from OUTPUT/ewc if it is there.
    `identity` names the model."""
    from safetensors.torch import load_file, save_file

    data = TokenSet.open(settings.data)
    rows = PlanSettings(plan.context, 1, plan.seed, plan.packing, plan.long)
    folder = output / "ewc" / digest([data.hash, settings.rows, str(rows), identity])[:12]
    if not (folder / FILE).exists():
        loader = Loader([data], rows, threads=0)
        found = fisher_of(start, (next(loader) for _ in range(settings.rows)))
        with committed_folder(folder) as place:
            save_file({name: value.cpu().contiguous() for name, value in found.items()}, place / FILE)
    return load_file(folder / FILE)
