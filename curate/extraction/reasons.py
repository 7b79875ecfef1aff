"""Why a block was kept or cut: what hides it, or the two groups of its features that moved the model's answer most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.extraction.blocks import Blocks, read_blocks
from curate.extraction.choice import chosen, evened
from curate.extraction.model import Model, Trees
from curate.kernels.html_state import BY_SCRIPT, BY_STYLE, BY_TAG
from curate.kernels.trees import answer_first, answer_rest, waiting

#: what hides a block; the first that is true is told
_HIDDEN = (
    (BY_STYLE, "hidden by its attributes"),
    (BY_SCRIPT, "for browsers without scripts"),
    (BY_TAG, "navigation, footer, control or closed dialog"),
)


class Reasoned(NamedTuple):
    """One block of a page and what became of it."""

    kept: bool
    probability: float
    path: str
    text: str
    why: str


def odds(trees: Trees, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The logarithm of the odds of each row of features."""
    count, names = features.shape
    asked, unsure = waiting(names, count), waiting(names, count)
    asked.x[:] = features.T
    asked.whose[:] = range(count)
    forest, out = trees.forest(), np.zeros(count, np.float32)
    answer_rest(forest, unsure, answer_first(forest, asked, count, unsure, 0, out), out)
    return out


def contributions(trees: Trees, row: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """What each feature adds to a row's answer: level by level, how the mean of the leaves that are left moves.

    With the base they add up to the answer of all members less the mean of all leaves (Saabas 2014, for trees of equal
    questions).
    """
    found = np.zeros(len(row))
    left = trees.leaves.astype(np.float64)
    # the last question first: its bit is the highest of a leaf's number
    for feature, threshold in zip(trees.feature.T[::-1], trees.threshold.T[::-1], strict=True):
        before, half = left.mean(axis=1), left.shape[1] // 2
        left = np.where((row[feature] > threshold)[:, None], left[:, half:], left[:, :half])
        found += np.bincount(feature, left.mean(axis=1) - before, len(row))
    return found / trees.members


def reasoned(page: bytes, model: Model, beta: float) -> Iterator[Reasoned]:
    """The blocks of a page in UTF-8 with what became of each, by the choice that maximises F-beta."""
    blocks = read_blocks(page)
    p = evened(1 / (1 + np.exp(-odds(model.trees, blocks.features))), blocks)
    keep = chosen(p, blocks, beta)
    least = p[keep & ~blocks.subheading].min(initial=1.0)
    for place, text in enumerate(blocks.texts):
        why = _why(blocks, place, model)
        if blocks.table[place]:
            why = f"in a table of data, taken whole or not at all; {why}"
        elif keep[place] and p[place] < least:
            why = f"heads a block that is kept; {why}"
        yield Reasoned(bool(keep[place]), float(p[place]), blocks.paths[place], text, why)


def _why(blocks: Blocks, place: int, model: Model) -> str:
    if not blocks.active[place]:
        return next((why for bit, why in _HIDDEN if blocks.hidden[place] & bit), "the numbers of lines of code")
    added = contributions(model.trees, blocks.features[place])
    sums: dict[str, float] = defaultdict(float)
    for name, value in zip(model.features, added, strict=True):
        sums[name] += float(value)
    most = sorted(sums, key=lambda name: (-abs(sums[name]), name))[:3]
    values = dict(zip(model.features, blocks.features[place], strict=True))
    return ", ".join(f"{name} {values[name]:.3g} ({sums[name]:+.2f})" for name in most)
