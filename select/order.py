"""From scores to an order: the first of the order are chosen first, so every budget takes a prefix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


def top_k(scores: Scores) -> Ranks:
    """(n,) scores -> (n,) ranks from 1, the greatest first, equals in their order; 0 for NaN: never chosen."""
    valid = np.flatnonzero(~np.isnan(scores))
    order = valid[np.argsort(-scores[valid], kind="stable")]
    ranks = np.zeros(len(scores), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def gumbel(scores: Scores, temperature: float, noise: Scores) -> Ranks:
    """Sampling without replacement with probability proportional to exp(score / temperature), as an order.

    Gumbel top-k (Vieira 2014; Kool et al. 2019): add standard Gumbel `noise` (n,) and sort. Temperature 0 is `top_k`.
    """
    return top_k(scores if temperature == 0 else scores / temperature + noise)


def quantile_band(scores: Scores, low: float, high: float) -> Ranks:
    """Those whose quantile is in [low, high], the nearest to the middle of the band first; 0 outside.

    The quantile of a document is (number of smaller scores + half of its equals) / n.
    """
    valid = np.flatnonzero(~np.isnan(scores))
    ordered = np.sort(scores[valid])
    # twice the quantile times n: whole numbers, so that equal distances are equal
    places = np.searchsorted(ordered, scores[valid], "left") + np.searchsorted(ordered, scores[valid], "right")
    inside = (places >= low * 2 * len(valid)) & (places <= high * 2 * len(valid))
    nearness = np.full(len(scores), np.nan)
    nearness[valid[inside]] = -np.abs(places[inside] - (low + high) * len(valid))
    return top_k(nearness)


def proportional(ranks: Ranks, groups: Ranks) -> Ranks:
    """(n,) ranks within groups (0: never chosen) -> ranks over all, of which every prefix has the groups' proportions.

    Of a group with m ranked documents the r-th stands at (r - 1/2) / m; of equals the first group comes first.
    """
    ranked = np.flatnonzero(ranks)
    sizes = np.bincount(groups[ranked], minlength=int(groups.max(initial=0)) + 1)
    places = (2 * ranks[ranked] - 1) / sizes[groups[ranked]]
    order = ranked[np.lexsort((groups[ranked], places))]
    joined = np.zeros(len(ranks), np.int64)
    joined[order] = np.arange(1, len(order) + 1)
    return joined


def gumbel_noise(keys: Keys, seed: int) -> Scores:
    """(n,) keys of documents -> standard Gumbel noise, a function of key and seed alone."""
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        # the splitmix64 finaliser
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    uniform = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / (1 << 53)
    noise: Scores = -np.log(-np.log(uniform))
    return noise
