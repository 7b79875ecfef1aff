"""DoGE: weights that rise for domains whose gradient points where those of all domains do."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from curate.select.weights.history import Floats
from curate.select.weights.moving import Moving


class Doge(Moving):
    """log w += score / mu, then a share of equal weights; the losses that it takes are `gradient_scores`.

    One proxy run; the mixture for the large model is `History.average`. In Aioli's comparison the weakest: a baseline.
    """

    kind: ClassVar[str] = "doge"
    source: ClassVar[str] = "DoGE (Fan et al. 2023, arXiv 2310.15393), section 3"

    mu: float = Field(0.05, gt=0, description="the greater, the slower weights move")

    @property
    def scale(self) -> float:
        """1 / mu."""
        return 1 / self.mu


def gradient_scores(gradients: Floats, rate: float, targets: Floats | None = None, *, clipped: bool = False) -> Floats:
    """(k, d) gradients -> rate * <g_i, sum of the targets'>; the targets are all domains unless (t, d) are given.

    `clipped`, as in Aioli's code: over the mean norm of the gradients, and between 0 and 5 * rate.
    """
    goal = (gradients if targets is None else targets).sum(axis=0)
    scores: Floats = rate * (gradients @ goal)
    if not clipped:
        return scores
    norm = float(np.linalg.norm(gradients, axis=1).mean())
    return np.clip(scores / norm, 0.0, 5 * rate) if norm > 0 else np.zeros(len(gradients))
