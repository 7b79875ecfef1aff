"""Gradient-boosted oblivious trees: every split of a level asks the same question (Kohavi 1994; CatBoost, arXiv 1706.09516).

Such a tree is a few comparisons and one look-up, the same for each row, so that a processor answers for many rows at
once; and it has so few questions that it fits little data less closely than other trees.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, kernel

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]
#: the most questions that a tree asks
DEPTH = 6
#: odds of which the logarithm is beyond this are sure: the first member of a forest alone answers
SURE = 1.5
#: rows are answered for in multiples of this, where there is room: no rest of single rows
TOGETHER = 16


class Forest(NamedTuple):
    """Members of as many boosted trees each, one after the other, whose mean is the answer; see `Trees`."""

    base: float
    members: int
    feature: Integers
    threshold: Floats
    leaves: Floats


class Waiting(NamedTuple):
    """Rows that wait for answers until there are many: a tree is fetched once for all of them."""

    x: Floats  # features x columns: a column a row
    whose: Integers  # columns: where the answer of each goes
    total: Floats  # columns: room for sums of leaves
    place: Integers  # columns: room for their numbers


def waiting(features: int, columns: int) -> Waiting:
    """Room for as many rows."""
    x, total = np.zeros((features, columns), np.float32), np.zeros(columns, np.float32)
    return Waiting(x, np.zeros(columns, np.int32), total, np.zeros(columns, np.int32))


@entry
def answer_first(forest: Forest, asked: Waiting, rows: int, unsure: Waiting, waiting: int, odds: Floats) -> int:
    """The logarithm of the odds, as the first member has it, of the first `rows` columns of `asked` to `odds`.

    Rows of which it is not sure go to `unsure`, where `waiting` rows wait for the other members; how many wait there then.
    `unsure` has as many columns as `asked` at least, and if no room is left there its rows are answered for.
    """
    each = len(forest.feature) // forest.members
    base, total, whose, columns = np.float32(forest.base), asked.total, asked.whose, asked.place
    total[:] = 0
    add_trees(asked.x, rows, forest.feature[:each], forest.threshold[:each], forest.leaves[:each], asked.place, total)
    if waiting + rows > len(unsure.whose):
        answer_rest(forest, unsure, waiting, odds)
        waiting = np.int64(0)
    count = np.int64(0)
    for row in range(rows):
        odds[whose[row]] = base + total[row]
        if forest.members > 1 and abs(base + total[row]) < SURE:
            unsure.whose[waiting + count], unsure.total[waiting + count] = whose[row], total[row]
            columns[count] = row
            count += 1
    if count:
        for values in range(len(asked.x)):
            for k in range(count):
                unsure.x[values, waiting + k] = asked.x[values, np.uint32(columns[k])]
    return waiting + count


@entry
def answer_rest(forest: Forest, unsure: Waiting, rows: int, odds: Floats) -> None:
    """The same, as the mean of all members has it, of the first `rows` columns of `unsure`."""
    if rows == 0:
        return
    each, members, base = len(forest.feature) // forest.members, np.float32(forest.members), np.float32(forest.base)
    feature, threshold, leaves = forest.feature[each:], forest.threshold[each:], forest.leaves[each:]
    add_trees(unsure.x, rows, feature, threshold, leaves, unsure.place, unsure.total)
    for row in range(rows):
        odds[unsure.whose[row]] = base + unsure.total[row] / members


@inlined
def _asked(x: Floats, tree: int, level: int, feature: Integers, threshold: Floats) -> tuple[Floats, np.float32]:
    """The values that a level of a tree asks about, and what they must be above: never for a level that there is not."""
    if level < feature.shape[1]:
        return x[feature[tree, level]], threshold[tree, level]
    return x[0], np.float32(np.inf)


@entry
def add_trees(
    x: Floats, rows: int, feature: Integers, threshold: Floats, leaves: Floats, place: Integers, out: Floats
) -> None:
    """Add the answers of all trees for the first `rows` columns of `x` (features x rows) to `out`.

    `feature` and `threshold` are trees x depth, at most DEPTH; `leaves` is trees x 2**depth; bit d of a row's leaf says
    whether its feature is above threshold d. `place` and `out` have as many numbers as `x` has columns: those behind `rows`
    may change.
    """
    none = np.int32(0)
    rows = min((rows + TOGETHER - 1) // TOGETHER * TOGETHER, x.shape[1])
    for tree in range(feature.shape[0]):
        a, over_a = _asked(x, tree, 0, feature, threshold)
        b, over_b = _asked(x, tree, 1, feature, threshold)
        c, over_c = _asked(x, tree, 2, feature, threshold)
        d, over_d = _asked(x, tree, 3, feature, threshold)
        e, over_e = _asked(x, tree, 4, feature, threshold)
        f, over_f = _asked(x, tree, 5, feature, threshold)
        # all levels in one pass: a row's place is written once, many rows at a time
        for row in range(rows):
            place[row] = (
                (np.int32(1) if a[row] > over_a else none)
                | (np.int32(2) if b[row] > over_b else none)
                | (np.int32(4) if c[row] > over_c else none)
                | (np.int32(8) if d[row] > over_d else none)
                | (np.int32(16) if e[row] > over_e else none)
                | (np.int32(32) if f[row] > over_f else none)
            )
        of_tree = leaves[tree]
        for row in range(rows):
            out[row] += of_tree[np.uint32(place[row])]


@kernel
def _best_split(
    bins: npt.NDArray[np.uint8],
    rows: Integers,
    place: Integers,
    gradient: Floats,
    weight: Floats,
    candidates: Integers,
    leaves: int,
    count: int,
    ridge: float,
    least: float,
) -> tuple[int, int, float]:
    """The (feature, bin) by which splitting every leaf gains most: rows go right whose bin is above it."""
    g, h = np.empty((leaves, count)), np.empty((leaves, count))
    best, best_feature, best_bin = -1.0, 0, 0
    for feature in candidates:
        g[:] = 0
        h[:] = 0
        column = bins[feature]
        for row in rows:
            leaf, value = place[row], column[row]
            g[leaf, value] += gradient[row]
            h[leaf, value] += weight[row]
        gain = np.zeros(count)
        for leaf in range(leaves):
            all_g, all_h = g[leaf].sum(), h[leaf].sum()
            base = all_g * all_g / (all_h + ridge)
            left_g = left_h = 0.0
            for value in range(count - 1):
                left_g += g[leaf, value]
                left_h += h[leaf, value]
                right_g, right_h = all_g - left_g, all_h - left_h
                if left_h >= least and right_h >= least:
                    gain[value] += left_g * left_g / (left_h + ridge) + right_g * right_g / (right_h + ridge) - base
        for value in range(count - 1):
            if gain[value] > best:
                best, best_feature, best_bin = gain[value], feature, value
    return best_feature, best_bin, best


@kernel
def grow_tree(
    bins: npt.NDArray[np.uint8],
    rows: Integers,
    gradient: Floats,
    weight: Floats,
    candidates: Integers,
    depth: int,
    count: int,
    ridge: float,
    least: float,
) -> tuple[Integers, Integers, Floats, npt.NDArray[np.float64]]:
    """One tree for the Newton step of the `rows`: (features, bins, leaves, gain of each level).

    `bins` is features x rows of numbers below `count`; `gradient` and `weight` are the first and second derivatives of
    the loss; `ridge` is added to the weight of a leaf, `least` is the smallest weight of a side of a split.
    """
    place = np.zeros(bins.shape[1], np.int32)
    features, splits = np.zeros(depth, np.int32), np.zeros(depth, np.int32)
    gains = np.zeros(depth)
    for level in range(depth):
        feature, value, gain = _best_split(
            bins, rows, place, gradient, weight, candidates, 1 << level, count, ridge, least
        )
        features[level], splits[level], gains[level] = feature, value, gain
        column = bins[feature]
        for row in range(len(place)):
            if column[row] > value:
                place[row] |= 1 << level
    sums_g, sums_h = np.zeros(1 << depth), np.zeros(1 << depth)
    for row in rows:
        sums_g[place[row]] += gradient[row]
        sums_h[place[row]] += weight[row]
    leaves = np.zeros(1 << depth, np.float32)
    for leaf in range(1 << depth):
        leaves[leaf] = -sums_g[leaf] / (sums_h[leaf] + ridge)
    return features, splits, leaves, gains
