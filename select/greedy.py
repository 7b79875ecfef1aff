"""Greedy choices of documents that differ: k-centre, facility location, determinantal point processes, thinning.

Each puts its picks in order and tells what each gained, and what the documents that were not picked would gain then. Of
equals the first is taken. Gains never rise from one pick to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Matrix = npt.NDArray[Any]

# Candidates whose gains are made anew at once: the least, and the most where that was not enough.
LAZY, MOST_LAZY = 64, 1024
# Picks that are compared with many points at once.
WINDOW = 64
# Numbers of a factor in float64, beyond which it is float32.
LARGE = 1 << 24
# What sums of float32 may be off; rows that are compared with rows at once; the share of these pairs from which on comparing all
# of them whole costs less than each by itself (4 us, against 8 ns within a product of matrices, at 384 dimensions).
ROUNDING, TILE, RULED_IN = 1e-5, 512, 1 / 512
# Points that tell the directions, those that tell how many are enough, and the parts of all directions that are tried.
SAMPLE, FEW, SHARES = 4096, 1024, (16, 8, 6, 4, 2)
# A document adds no volume to a determinant if so little of it is left, as a share of the greatest.
NO_VOLUME = 1e-9


@dataclass(frozen=True)
class Greedy:
    """`order` (k,): the picks, the first first. `gains` (n,): of a pick when it was picked, of the others at the end."""

    order: Rows
    gains: Values


def k_center(points: Matrix, picks: int, start: int | None = None) -> Greedy:
    """Again and again the point farthest from its nearest pick (Gonzalez 1985): at most twice the best radius.

    (n, d) points; the first pick is `start`, or the point nearest to the mean. Gains are distances; `start` gains inf.
    Takes n x picks products of d numbers: lazily, so that most are of many points with many picks at once.
    """
    squares = np.einsum("ij,ij->i", points, points)
    if start is None:
        start = int(np.argmin(squares - 2 * (points @ points.mean(axis=0))))
    nearest, seen = np.full(len(points), np.inf), np.zeros(len(points), np.int64)
    order: list[int] = []

    def anew(rows: Rows) -> Values:
        """Distances of (m,) rows to their nearest picks, of which `seen` were looked at before."""
        for first in range(int(seen[rows].min()), len(order), WINDOW):
            window = np.array(order[first : first + WINDOW])
            own = rows[seen[rows] < first + len(window)]
            away = squares[own, None] + squares[window] - 2 * (points[own] @ points[window].T)
            nearest[own] = np.minimum(nearest[own], np.sqrt(np.maximum(away.min(axis=1), 0)))
        seen[rows] = len(order)
        return nearest[rows]

    bounds = np.full(len(points), np.finfo(np.float64).max)
    bounds[start] = np.inf
    return _lazy(bounds, picks, anew, order.append)


def facility_location(similar: Callable[[Rows], Matrix], count: int, picks: int) -> Greedy:
    """Picks that are similar to everything: greedy for F(S) = sum over i of max(0, max over j in S of sim(j, i)).

    `similar(rows)` -> (len(rows), r) similarities of candidates to the r documents that are summed over.
    """
    first = similar(np.zeros(1, np.int64))
    covered = np.zeros(first.shape[1], first.dtype)

    def anew(rows: Rows) -> Values:
        left = similar(rows) - covered
        gained: Values = np.maximum(left, 0, out=left).sum(axis=1, dtype=np.float64)
        return gained

    def taken(row: int) -> None:
        np.maximum(covered, similar(np.array([row]))[0], out=covered)

    return _lazy(_in_blocks(anew, np.arange(count)), picks, anew, taken)


def _lazy(bounds: Values, picks: int, anew: Callable[[Rows], Values], taken: Callable[[int], None]) -> Greedy:
    """The greatest gain again and again, where a pick can only lower the others' (Minoux 1978).

    `bounds` (n,) are gains before the first pick, `anew(rows)` those of some rows now; only those that could be the greatest
    are made anew. `taken(row)` is told each pick.
    """
    fresh, gains = np.ones(len(bounds), bool), np.zeros(len(bounds))
    order: list[int] = []
    picks, batch = min(picks, len(bounds)), LAZY
    while len(order) < picks:
        best = int(np.argmax(bounds))
        if not fresh[best]:
            # what was made anew says which of the others could be greater
            rows = np.flatnonzero(~fresh & (bounds >= bounds[fresh].max(initial=0)))
            if len(rows) > batch:
                rows = rows[np.argpartition(-bounds[rows], batch)[:batch]]
            bounds[rows] = np.minimum(bounds[rows], anew(rows))
            fresh[rows], batch = True, min(2 * batch, MOST_LAZY)
            continue
        order.append(best)
        gains[best] = bounds[best]
        bounds[best], fresh[:], batch = -np.inf, False, LAZY
        taken(best)
    rest = np.flatnonzero(bounds > -np.inf)
    gains[rest] = _in_blocks(anew, rest)
    return Greedy(np.array(order, np.int64), gains)


def _in_blocks(anew: Callable[[Rows], Values], rows: Rows) -> Values:
    parts = [anew(rows[start : start + MOST_LAZY]) for start in range(0, len(rows), MOST_LAZY)]
    return np.concatenate([np.zeros(0), *parts])


def determinantal(row: Callable[[int], Values], diagonal: Values, picks: int) -> Greedy:
    """Picks of the greatest volume: greedy maximum of log det L_S by an incremental Cholesky factor (Chen et al. 2018).

    `row(i)` -> (n,) row i of the kernel L, `diagonal` (n,). Gains are logarithms. Ends where nothing adds volume. Holds
    picks x n numbers.
    """
    count = len(diagonal)
    picks = min(picks, count)
    left = diagonal.astype(np.float64)
    least = NO_VOLUME * float(left.max(initial=0))
    factor = np.zeros((picks, count), np.float64 if picks * count <= LARGE else np.float32)
    order: list[int] = []
    gains = np.full(count, -np.inf)
    for k in range(picks):
        chosen = int(np.argmax(left))
        if left[chosen] <= least:
            break
        order.append(chosen)
        gains[chosen] = np.log(left[chosen])
        projected = factor[:k, chosen] @ factor[:k] if k else 0.0
        factor[k] = (row(chosen) - projected) / np.sqrt(left[chosen])
        left = left - factor[k].astype(np.float64) ** 2
        left[chosen] = -np.inf
    rest = np.setdiff1d(np.arange(count), order)
    gains[rest] = np.log(np.maximum(left[rest], np.finfo(np.float64).tiny))
    return Greedy(np.array(order, np.int64), gains)


def thinned(points: Matrix, order: Rows, most: float, block: int = TILE) -> Rows:
    """Those of `order` (k,) rows, in order, whose cosine with every one accepted before is at most `most` (as DEITA).

    (n, d) points of length 1. Exact. Pairs are ruled out by the bound of `shortened` rows, in tiles that a core's cache
    holds, and the few that are left are compared whole.
    """
    short = shortened(points, most) if len(order) > block else points
    kept, held = np.zeros(len(order), np.int64), np.zeros((len(order), short.shape[1]), short.dtype)
    count = 0
    for start in range(0, len(order), block):
        rows = order[start : start + block]
        mine = short[rows]
        for first in range(0, count, block):
            tile = slice(first, min(count, first + block))
            near = _near(points, rows, kept[tile], mine @ held[tile].T, most)
            if len(near):
                rows, mine = np.delete(rows, near), np.delete(mine, near, axis=0)
        part = points[rows]
        alike = part @ part.T > most
        taken = np.zeros(len(rows), bool)
        for i in range(len(rows)):
            taken[i] = not (alike[i] & taken).any()
        own = slice(count, count + int(taken.sum()))
        kept[own], held[own] = rows[taken], mine[taken]
        count = own.stop
    return kept[:count]


def _near(points: Matrix, rows: Rows, others: Rows, bounds: Matrix, most: float) -> Rows:
    """Which of `rows` (m,) have a cosine above `most` with one of `others` (k,): places. `bounds` (m, k) of the cosines."""
    likely = np.flatnonzero(bounds.max(axis=1, initial=-1) > most - ROUNDING)
    mine, theirs = np.nonzero(bounds[likely] > most - ROUNDING)
    if len(mine) > bounds.size * RULED_IN:
        found: Rows = likely[(points[rows[likely]] @ points[others].T).max(axis=1) > most]
        return found
    mine = likely[mine]
    similar = np.einsum("ij,ij->i", points[rows[mine]], points[others[theirs]])
    found = np.unique(mine[similar > most])
    return found


def shortened(points: Matrix, most: float) -> Matrix:
    """(n, d) points of length 1 -> (n, k + 1) rows whose products are at least those of the points (Cauchy-Schwarz).

    The coordinates along the k directions in which a sample is longest, and the length of what is left. Of some k that
    one is taken which leaves the least to do: the products themselves, and pairs of the sample that they do not rule out.
    The points themselves are returned where nothing is less than they.
    """
    sample = points[:: max(1, len(points) // SAMPLE)]
    directions = np.linalg.eigh(sample.T.astype(np.float64) @ sample)[1][:, ::-1].astype(points.dtype)
    few, width = sample[:: max(1, len(sample) // FEW)], points.shape[1]
    best, costs = points, float(width)
    for share in SHARES:
        taken = directions[:, : width // share]
        some = _led(few, taken)
        left = (some[::2] @ some[1::2].T > most - ROUNDING).mean()
        cost = taken.shape[1] + min(width, left * width / RULED_IN)
        if cost < costs:
            best, costs = taken, cost
    return points if best is points else _led(points, best)


def _led(points: Matrix, directions: Matrix) -> Matrix:
    lead = points @ directions
    left = np.einsum("ij,ij->i", points, points) - np.einsum("ij,ij->i", lead, lead)
    return np.concatenate([lead, np.sqrt(np.maximum(left, 0))[:, None]], axis=1)
