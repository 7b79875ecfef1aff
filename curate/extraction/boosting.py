"""Training of boosted oblivious trees on soft labels: logistic loss, Newton steps, seeded samples of rows and features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.extraction.model import Trees
from curate.kernels.trees import add_trees, grow_tree

Floats = npt.NDArray[np.float32]
BINS = 64


@dataclass(frozen=True, kw_only=True)
class Boosting:
    """How trees are grown."""

    trees: int = 200
    depth: int = 6
    rate: float = 0.1
    ridge: float = 3.0  # added to the weight of a leaf; weights are 1 a row in the mean
    least: float = 1.0  # smallest weight of a side of a split
    features: float = 0.3  # share of the features that a tree may ask about
    rows: float = 0.7  # share of the rows that a tree is grown on
    seed: int = 1


def edges(x: Floats) -> list[Floats]:
    """Of each feature (x is rows x features): up to BINS - 1 ascending values that part its rows evenly."""
    found = []
    for column in x.T:
        values = np.unique(column)
        if len(values) > BINS:
            values = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
            middle = values
        else:
            middle = (values[1:] + values[:-1]) / 2
        found.append(middle.astype(np.float32))
    return found


def train(x: Floats, y: Floats, weight: Floats, how: Boosting) -> Trees:
    """Trees whose sum is the logarithm of the odds; x is rows x features, y in 0 to 1."""
    thresholds = edges(x)
    bins = np.stack([np.searchsorted(edge, column) for edge, column in zip(thresholds, x.T, strict=True)]).astype(
        np.uint8
    )
    columns = np.ascontiguousarray(x.T, np.float32)
    weight = (weight / weight.mean()).astype(np.float32)
    mean = float((weight * y).sum() / weight.sum())
    base = float(np.log(mean / (1 - mean)))
    place = np.zeros(len(y), np.int32)
    grown, gain = [], np.zeros(x.shape[1])
    usable = np.array([feature for feature, edge in enumerate(thresholds) if len(edge)], np.int32)
    rng, out = np.random.default_rng(how.seed), np.full(len(y), base, np.float32)
    for _ in range(how.trees):
        p = 1 / (1 + np.exp(-out))
        gradient, curvature = ((p - y) * weight).astype(np.float32), (p * (1 - p) * weight).astype(np.float32)
        rows = np.flatnonzero(rng.random(len(y)) < how.rows).astype(np.int32)
        asked = np.sort(rng.choice(usable, max(1, int(how.features * len(usable))), replace=False))
        features, splits, leaves, gains = grow_tree(
            bins, rows, gradient, curvature, asked, how.depth, BINS, how.ridge, how.least
        )
        np.add.at(gain, features, gains)
        cut = [
            thresholds[f][b] if b < len(thresholds[f]) else np.float32(np.inf)
            for f, b in zip(features, splits, strict=True)
        ]
        tree = (features, np.array(cut, np.float32), (how.rate * leaves).astype(np.float32))
        add_trees(columns, len(y), tree[0][None], tree[1][None], tree[2][None], place, out)
        grown.append(tree)
    feature, threshold, leaf = (np.stack(parts) for parts in zip(*grown, strict=True))
    return Trees(base, feature, threshold, leaf, gain)
