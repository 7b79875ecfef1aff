"""What a batch asks of the model: which tokens are predicted, from where, and what each counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from curate.train.batch import IGNORE, Batch
from curate.train.evaluate import predicted
from curate.train.objectives.token_loss import TokenLoss


class Targets(NamedTuple):
    """Of n tokens: `places` in the flattened (rows, context) whose states predict them, their `ids`, both int64; where the
    loss reads them, `weights` and `scores`, float32."""

    places: Any
    ids: Any
    weights: Any
    scores: Any

    def torch(self, device: Any) -> tuple[Any, ...]:
        """`places, ids, scores, weights` of torch: what an Objective takes behind the inputs."""
        import torch

        parts = (self.places, self.ids, self.scores, self.weights)
        return tuple(None if part is None else torch.from_numpy(part).to(device) for part in parts)


def targets_of(batch: Batch, loss: TokenLoss) -> Targets:
    """The targets of a batch: where its labels are, or with a weight of prompts all but the first tokens of pieces."""
    places, ids = predicted(batch.whole_labels if loss.prompt else batch.labels)
    at = places + 1
    weights = None
    if loss.prompt:
        weights = np.where(batch.labels.ravel()[at] == IGNORE, np.float32(loss.prompt), np.float32(1))
    return Targets(places, ids, weights, batch.scores.ravel()[at] if loss.reads_scores else None)


def weight_of(batch: Batch, loss: TokenLoss) -> float:
    """What the tokens of a batch count together."""
    if not loss.prompt:
        return float(batch.trained)
    return batch.trained + loss.prompt * (int((batch.whole_labels != IGNORE).sum()) - batch.trained)
