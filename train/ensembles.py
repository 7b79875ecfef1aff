"""Ensembles: what several models say together, as one that can be evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from curate.train.losses import Reader, chunk_logits
from curate.train.models import reload_model
from curate.train.objectives.cross_entropy import nll
from curate.train.objectives.distillation import ensemble

Average = Literal["probabilities", "logits"]


class Ensemble(torch.nn.Module):
    """The mean of the members' probabilities, or of their logits. To be called as an Objective is, but not trained."""

    def __init__(self, models: Sequence[Any], average: Average) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(models)
        self.model, self._average = models[0], average
        self._readers = [Reader(model) for model in models]
        self.eval()

    @classmethod
    def load(cls, folders: Sequence[Path], average: Average) -> Ensemble:
        """Of models in folders."""
        return cls([reload_model(folder, False) for folder in folders], average)

    def forward(
        self, inputs: dict[str, Any], places: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(the sum of the losses of n targets, (n,) each)."""
        states = [reader.states(inputs, places) for reader in self._readers]
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
        size = max(1, chunk_logits(targets.device) // (vocabulary * len(states)))
        each = [
            nll(
                ensemble(
                    [r.logits(held[i : i + size]) for r, held in zip(self._readers, states, strict=True)], self._average
                ),
                targets[i : i + size],
            )
            for i in range(0, len(targets), size)
        ]
        found = torch.cat(each) if each else targets.new_zeros(0, dtype=torch.float32)
        return found.sum(), found.detach()
