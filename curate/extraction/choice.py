"""The choice of blocks in Python, as `curate.kernels.html_pages.choose` makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels.html_pages import LEVELS


def chosen(probability: Any, tokens: Any, active: Any, beta: float) -> npt.NDArray[np.bool_]:
    """The active blocks above the level of probability at which the F-beta to be expected is highest."""
    level = np.minimum((np.asarray(probability, np.float64) * LEVELS).astype(int), LEVELS - 1)
    hits, size = np.zeros(LEVELS), np.zeros(LEVELS)
    np.add.at(hits, level[active], (probability * tokens)[active])
    np.add.at(size, level[active], np.asarray(tokens, np.float64)[active])
    above, taken = np.cumsum(hits[::-1])[::-1], np.cumsum(size[::-1])[::-1]
    square = beta * beta
    value = np.where(size > 0, (1 + square) * above / np.maximum(taken + square * above[0], 1e-12), 0.0)
    # of equal values the highest level
    best = LEVELS - 1 - int(np.argmax(value[::-1]))
    if value[best] <= 0:
        return np.zeros(len(level), np.bool_)
    result: npt.NDArray[np.bool_] = active & (level >= best)
    return result
