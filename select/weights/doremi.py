"""DoReMi: weights that rise for domains in which a proxy model is still far above a reference model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from curate.select.weights.history import Floats
from curate.select.weights.moving import Moving


class DoReMi(Moving):
    """Group DRO on the excess loss: log w += eta * excess, then a little of equal weights.

    The losses that it takes are `excess` of each group, measured on the batches of the proxy's own training. The mixture for
    the large model is `History.average` over the run of the proxy.
    """

    kind: ClassVar[str] = "doremi"
    source: ClassVar[str] = "DoReMi (Xie et al. 2023, arXiv 2305.10429), algorithm 1; eps 1e-4 in the released code"

    eta: float = Field(1.0, ge=0, description="how fast weights move")
    eps: float = Field(1e-3, ge=0, le=1, description="share of equal weights mixed in at each update")

    @property
    def scale(self) -> float:
        """eta."""
        return self.eta


def excess(proxy: Sequence[Floats], reference: Sequence[Floats]) -> Floats:
    """Of each group the mean over its tokens of max(0, loss of the proxy - loss of the reference); 0 without tokens."""
    pairs = zip(proxy, reference, strict=True)
    means = [np.maximum(np.subtract(a, b), 0.0).mean() if len(a) else 0.0 for a, b in pairs]
    return np.array(means, np.float64)
