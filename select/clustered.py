"""Documents cluster by cluster, more than memory holds: what SemDeDup and D4 compare within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curate.dedup.spill import LEAST_LIMIT, Spill
from curate.select.kmeans import Clusters, kmeans
from curate.select.points import Points

Members = npt.NDArray[Any]
Keep = Literal["hard", "easy", "random"]
Rows = npt.NDArray[np.int64]

# Documents of a cluster that are compared with all earlier ones at once.
BLOCK = 1024
# Spreads the numbers of clusters over all 64 bits.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def cluster_number(wanted: int, count: int) -> int:
    """How many clusters: as wanted, or for 0 the root of the number of documents."""
    return wanted or max(1, round(count**0.5))


def member_type(dimensions: int) -> np.dtype[Any]:
    """A document of a cluster: the cluster (`key`), `unit`, `row` (place in the unit), `near` (cosine to the centroid)."""
    return np.dtype([("key", "<u8"), ("unit", "<i4"), ("row", "<i4"), ("near", "<f4"), ("point", "<f4", (dimensions,))])


def clusters_of(units: Iterable[Points], number: int, seed: int) -> Clusters:
    """Spherical k-means over vectors of length 1."""
    return kmeans(units, number, seed=seed)


def members(
    clusters: Clusters, units: Iterable[tuple[Points, npt.NDArray[np.bool_]]], folder: Path, memory: int
) -> Iterator[Members]:
    """The documents of each cluster that has any, sorted by unit and row.

    `units` gives the valid vectors of each unit (k, d), and which rows (n,) they are of.
    """
    kind = member_type(clusters.centroids.shape[1])
    spill = Spill(kind, folder, max(LEAST_LIMIT, memory // 4))
    for unit, (points, valid) in enumerate(units):
        rows = np.flatnonzero(valid)
        for start in range(0, len(points), 1 << 14):
            part = slice(start, start + (1 << 14))
            labels, near = clusters.assign(points[part])
            made = np.empty(len(labels), kind)
            with np.errstate(over="ignore"):
                made["key"] = labels.astype(np.uint64) * _SPREAD
            made["unit"], made["row"], made["near"], made["point"] = unit, rows[part], near, points[part]
            spill.add(made)
    for held in spill.sets():
        held = held[np.lexsort((held["row"], held["unit"], held["key"]))]
        ends = np.flatnonzero(np.diff(held["key"], append=~held["key"][-1:]) != 0) + 1
        for start, stop in zip([0, *ends[:-1]], ends, strict=True):
            yield held[start:stop]


def ordered(found: Members, keep: Keep, seed: int) -> Rows:
    """The order of comparison of a cluster's members: farthest from the centroid first (`hard`), nearest, or random."""
    if keep == "random":
        from curate.select.order import gumbel_noise

        with np.errstate(over="ignore"):
            keys = found["unit"].astype(np.uint64) << np.uint64(32) | found["row"].astype(np.uint64)
        return np.argsort(gumbel_noise(keys, seed), kind="stable")
    return np.argsort(found["near"] if keep == "hard" else -found["near"], kind="stable")


def most_similar_before(points: Points) -> tuple[npt.NDArray[np.float32], Rows]:
    """(k, d) points of length 1, in order -> (k,) the greatest cosine with an earlier one, and which; 0 and -1 for none.

    SemDeDup's m_i: whether the earlier one is dropped itself does not matter.
    """
    most, which = np.zeros(len(points), np.float32), np.full(len(points), -1)
    for start in range(0, len(points), BLOCK):
        part = points[start : start + BLOCK]
        similar = part @ points[: start + len(part)].T
        # itself and those after it
        similar[:, start:][np.triu_indices(len(part))] = -2
        best = similar.argmax(axis=1)
        value = similar[np.arange(len(part)), best]
        known = value > -2
        most[start : start + len(part)] = np.where(known, value, 0)
        which[start : start + len(part)] = np.where(known, best, -1)
    return most, which


def kept_for(points: Points, threshold: float) -> tuple[Rows, npt.NDArray[np.float32]]:
    """(k, d) points of length 1, in order -> (k,) the most similar kept one before, if above `threshold`, and the cosine.

    A point is kept (-1) unless its cosine with a *kept* one before it is greater than `threshold`: no chains.
    """
    kept = np.zeros(0, np.int64)
    stands_for, cosine = np.full(len(points), -1), np.zeros(len(points), np.float32)
    for start in range(0, len(points), BLOCK):
        part = points[start : start + BLOCK]
        here = np.arange(start, start + len(part))
        if len(kept):
            similar = part @ points[kept].T
            best = similar.argmax(axis=1)
            value = similar[np.arange(len(part)), best]
            found = value > threshold
            stands_for[here[found]], cosine[here[found]] = kept[best[found]], value[found]
        inside = part @ part.T
        free = stands_for[here] < 0
        own = np.zeros(len(part), bool)
        for i in np.flatnonzero(free):
            candidates = np.where(own, inside[i], -2)
            best_own = int(candidates.argmax())
            if candidates[best_own] > threshold:
                stands_for[here[i]], cosine[here[i]] = here[best_own], candidates[best_own]
            else:
                own[i] = True
        kept = np.concatenate([kept, here[own]])
    return stands_for, cosine
