"""The choice of blocks in Python, as `curate.kernels.html_choice` makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curate.extraction.blocks import Blocks
from curate.kernels.html_choice import LEVELS, LIKELY_HEADING


def evened(probability: Any, blocks: Blocks) -> npt.NDArray[np.float32]:
    """The probabilities, 0 for blocks that are not active, with those of the cells of a table of data as their mean over words."""
    p = np.where(blocks.active, probability, 0).astype(np.float32)
    size = np.maximum(blocks.tokens, 1).astype(np.float32)
    for table in np.unique(blocks.table[blocks.table > 0]):
        cells = blocks.table == table
        # one by one, as the kernel adds
        p[cells] = np.cumsum(p[cells] * size[cells], dtype=np.float32)[-1] / np.cumsum(size[cells])[-1]
    return p


def chosen(p: npt.NDArray[np.float32], blocks: Blocks, beta: float) -> npt.NDArray[np.bool_]:
    """The active blocks above the level of probability at which the F-beta to be expected is highest.

    Headings need less before a block that is chosen. `p` is `evened`.
    """
    active, tokens = blocks.active, blocks.tokens
    level = np.minimum((p.astype(np.float64) * LEVELS).astype(int), LEVELS - 1)
    hits, size = np.zeros(LEVELS), np.zeros(LEVELS)
    np.add.at(hits, level[active], (p.astype(np.float64) * tokens)[active])
    np.add.at(size, level[active], np.asarray(tokens, np.float64)[active])
    above, taken = np.cumsum(hits[::-1])[::-1], np.cumsum(size[::-1])[::-1]
    square = beta * beta
    value = np.where(size > 0, (1 + square) * above / np.maximum(taken + square * above[0], 1e-12), 0.0)
    # of equal values the highest level
    best = LEVELS - 1 - int(np.argmax(value[::-1]))
    result: npt.NDArray[np.bool_] = active & (level >= best) & (value[best] > 0)
    behind = False
    for block in np.flatnonzero(active)[::-1]:
        result[block] |= behind and blocks.subheading[block] and p[block] >= LIKELY_HEADING
        behind = bool(result[block])
    return result
