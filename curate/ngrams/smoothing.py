"""Interpolated modified Kneser-Ney (Chen and Goodman 1998, section 3), as in lmplz (Heafield et al. 2013).

Adjusted counts: the counts of n-grams of the highest order and of those that begin a line; for all others how many
different tokens stand before them. Each order has three discounts, for adjusted counts of 1, 2 and more. The lowest
order is interpolated with the uniform distribution over all tokens, unknown ones included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.kernels.ngrams import BEGIN, Ids
from curate.ngrams.counts import Counts, Grams

Probabilities = npt.NDArray[np.float64]
# What lmplz takes under --discount_fallback where counts of counts are missing: a tiny or an artificial corpus.
FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Smoothed:
    """The n-grams of one order that the model keeps: probability after their first n - 1 tokens, weight to back off."""

    prefix: Ids
    token: Ids
    probability: Probabilities
    backoff: Probabilities
    discounts: tuple[float, float, float]


def smooth(levels: Sequence[Grams], prune: Sequence[int]) -> list[Smoothed]:
    """Grams of orders 1 to N -> the model. N-grams of order n that occur at most `prune[n - 1]` times are left out.

    `prune` ascends, so that with an n-gram all its parts stay; `prune[0]` is 0. What is left out still counts in the
    totals of its context, and its share goes to the lower order.
    """
    adjusted = [_adjusted(levels, n) for n in range(len(levels))]
    keep = [grams.count > most for grams, most in zip(levels, prune, strict=True)]
    keep[0][:] = True
    numbers = [(np.cumsum(kept) - 1).astype(np.int32) for kept in keep]
    made: list[Smoothed] = []
    weights = [np.ones(int(kept.sum())) for kept in keep]
    for n, grams in enumerate(levels):
        discounts = discounts_of(adjusted[n][~_is_begin(n, len(grams))])
        discount = np.array((0.0, *discounts))[np.minimum(adjusted[n], 3)]
        taken = np.where(keep[n], np.minimum(discount, adjusted[n]), adjusted[n])
        if n == 0:
            total = int(adjusted[0].sum())
            vocabulary = len(grams) - 1  # the begin of a line is never predicted
            uniform = taken.sum() / total / vocabulary if total else 1 / vocabulary
            probability = (adjusted[0] - taken) / max(total, 1) + uniform
            probability[BEGIN] = 1.0
        else:
            below = len(levels[n - 1])
            total_of = np.bincount(grams.prefix, adjusted[n], below)
            weight = np.bincount(grams.prefix, taken, below) / np.maximum(total_of, 1)
            weight[total_of == 0] = 1.0
            weights[n - 1] = weight[keep[n - 1]]
            share = (adjusted[n] - taken)[keep[n]] / total_of[grams.prefix[keep[n]]]
            lower = made[n - 1].probability[numbers[n - 1][grams.suffix[keep[n]]]]
            probability = share + weight[grams.prefix[keep[n]]] * lower
        prefix = numbers[n - 1][grams.prefix[keep[n]]] if n else grams.prefix
        made.append(Smoothed(prefix, grams.token[keep[n]], probability, np.zeros(0), discounts))
    return [
        Smoothed(level.prefix, level.token, level.probability, weight, level.discounts)
        for level, weight in zip(made, weights, strict=True)
    ]


def _is_begin(n: int, count: int) -> npt.NDArray[np.bool_]:
    return (np.arange(count) == BEGIN) if n == 0 else np.zeros(count, np.bool_)


def _adjusted(levels: Sequence[Grams], n: int) -> Counts:
    """The adjusted counts of the n-grams of `levels[n]`; of the begin of a line alone, 0."""
    own = levels[n]
    if n == len(levels) - 1 and n > 0:
        return own.count
    if n == 0 and len(levels) == 1:
        counts = own.count.copy()
        counts[BEGIN] = 0
        return counts
    before = np.bincount(levels[n + 1].suffix, minlength=len(own))
    return before if n == 0 else np.where(own.begins, own.count, before)


def discounts_of(adjusted: Counts) -> tuple[float, float, float]:
    """The discounts of adjusted counts of 1, 2 and more, from how many n-grams have counts of 1 to 4."""
    ones, twos, threes, fours = (int((adjusted == k).sum()) for k in (1, 2, 3, 4))
    if not (ones and twos and threes):
        return FALLBACK
    y = ones / (ones + 2 * twos)
    found = (1 - 2 * y * twos / ones, 2 - 3 * y * threes / twos, 3 - 4 * y * fours / threes)
    return found if all(0 <= d <= k for k, d in enumerate(found, 1)) else FALLBACK
