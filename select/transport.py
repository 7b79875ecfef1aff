"""Entropic optimal transport between a sample of the pool and a target, and the potential of any further document.

Sinkhorn's iteration in the log domain (Peyré & Cuturi 2019, section 4.4), with the potentials absorbed into the kernel
(Schmitzer 2019) so that an iteration is two products of a matrix with a vector. Costs are squared Euclidean distances.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.errors import CurateError

Vectors = npt.NDArray[Any]  # float32, or float64 where there are few
Potential = npt.NDArray[np.float64]

# Up to so many costs everything is float64; beyond, potentials are float64, costs and kernel float32.
EXACT_COSTS = 1 << 22
# Costs of a block of rows: 16 MB of float32, which the caches hold in part.
BLOCK_COSTS = 1 << 22
# The kernel is made anew when a potential has moved by so many eps: float32 holds e**-87 to e**88.
DRIFT = 20.0


@dataclass(frozen=True)
class Transport:
    """What is known of the plan between documents and m targets, all documents of equal weight, and all targets.

    Attributes:
        potentials: (m,) float64, the potentials g of the targets.
        targets: (m, d), what documents are compared with.
        eps: the regularisation, in units of the cost.
        cost: sum of the plan times the costs, for the documents that it was solved for.
        iterations: how many it took.
        error: what the plan's rows lack (of `solve`) or its columns lacked before the sweep, as a share of all mass.
    """

    potentials: Potential
    targets: Vectors
    eps: float
    cost: float
    iterations: int
    error: float

    def of(self, vectors: Vectors) -> Potential:
        """(k, d) vectors -> (k,) float64: f_i = -eps log mean_j exp((g_j - C_ij) / eps), for documents seen or not."""
        return np.concatenate(
            [_softmin(costs, self.potentials, self.eps)[0] for _, costs in _blocks(vectors, self.targets)]
        )

    def swept(self, documents: Iterable[Vectors]) -> Transport:
        """One iteration over all documents, given in blocks of (k, d): a plan solved for a sample becomes theirs.

        Holds no more than a block of costs. Each document's mass is spread over the targets as its potential says; what
        the targets get too much or too little changes theirs.
        """
        received, count = np.zeros(len(self.targets)), 0
        for vectors in documents:
            for _, costs in _blocks(vectors, self.targets):
                _, mean = _softmin(costs, self.potentials, self.eps)
                received += (1 / mean).astype(costs.dtype) @ costs
                count += len(costs)
        share = received / count
        moved = self.potentials - self.eps * np.log(share)
        return replace(self, potentials=moved, error=float(np.abs(share - 1).mean()))


def solve(
    vectors: Vectors, targets: Vectors, *, regularisation: float = 0.05, tolerance: float = 1e-3, iterations: int = 2000
) -> Transport:
    """Transport between (n, d) vectors and (m, d) targets of equal weights, eps = `regularisation` x the mean cost.

    Stops when the rows of the plan miss their marginal by at most `tolerance` in sum. Holds n x m costs once.
    Raises CurateError where the mean cost is 0 or `iterations` do not suffice.
    """
    precise = len(vectors) * len(targets) <= EXACT_COSTS
    x, y = (np.asarray(v, np.float64 if precise else np.float32) for v in (vectors, targets))
    eps = regularisation * mean_cost(x, y)
    if not eps > 0:
        raise CurateError("got_d", "the vectors of pool and target are all the same: no document differs from another")
    f, g = _start(x, y, eps)
    done, error = 0, np.inf
    while error > tolerance:
        f, g, ran, error = _iterate(_kernel(x, y, f, g, eps), f, g, eps, tolerance, iterations - done)
        done += ran
        if done >= iterations and error > tolerance:
            what = f"after {done:,} iterations the plan misses its marginals by {error:.2g}, wanted {tolerance:g}"
            raise CurateError("got_d", what, "raise `iterations`, `tolerance` or `regularisation`")
    return Transport(g, y, eps, _cost(x, y, f, g, eps), done, float(error))


def calibrated(potentials: Potential) -> Potential:
    """(N,) potentials -> (N,): each less the mean of all others, the gradient of LAVA (Just et al. 2023).

    Potentials are defined up to a constant; this is not.
    """
    if len(potentials) < 2:
        return np.zeros(len(potentials))
    gradient: Potential = potentials - (potentials.sum() - potentials) / (len(potentials) - 1)
    return gradient


def mean_cost(x: Vectors, y: Vectors) -> float:
    """The mean of all squared distances, without making them; 0 where it is no more than rounding."""
    centre = y.mean(axis=0, dtype=np.float64)
    a, b = x - centre, y - centre
    squares = np.einsum("ij,ij->", a, a, dtype=np.float64) / len(x) + np.einsum(
        "ij,ij->", b, b, dtype=np.float64
    ) / len(y)
    mean = float(squares - 2 * (a.mean(axis=0, dtype=np.float64) @ b.mean(axis=0, dtype=np.float64)))
    scale = float(np.einsum("j,j->", centre, centre))
    return mean if mean > 1e-12 * scale else 0.0


def _costs(x: Vectors, y: Vectors) -> Vectors:
    costs: Vectors = x @ y.T
    costs *= -2
    costs += np.einsum("ij,ij->i", x, x)[:, None]
    costs += np.einsum("ij,ij->i", y, y)
    np.maximum(costs, 0, out=costs)
    return costs


def _blocks(x: Vectors, y: Vectors) -> Iterator[tuple[slice, Vectors]]:
    """Rows and their costs, block by block."""
    size = max(1, BLOCK_COSTS // len(y))
    for start in range(0, max(1, len(x)), size):
        part = slice(start, min(start + size, len(x)))
        yield part, _costs(x[part].astype(y.dtype, copy=False), y)


def _softmin(costs: Vectors, g: Potential, eps: float) -> tuple[Potential, Potential]:
    """Of each row -eps log mean_j exp((g_j - C_ij) / eps).

    Makes of `costs` the exponentials over the greatest of their row, whose means are the second result.
    """
    costs *= -1 / eps
    costs += (g / eps).astype(costs.dtype)
    most = costs.max(axis=1)
    costs -= most[:, None]
    np.exp(costs, out=costs)
    mean = costs.mean(axis=1, dtype=np.float64)
    return -eps * (most.astype(np.float64) + np.log(mean)), mean


def _start(x: Vectors, y: Vectors, eps: float) -> tuple[Potential, Potential]:
    """f for g = 0 and g for that f: so that every row and column of the kernel has an entry that is not tiny."""
    f = np.empty(len(x))
    most, total = np.full(len(y), -np.inf), np.zeros(len(y))
    for part, costs in _blocks(x, y):
        f[part] = _softmin(costs.copy(), np.zeros(len(y)), eps)[0]
        costs *= -1 / eps
        costs += (f[part] / eps).astype(costs.dtype)[:, None]
        high = np.maximum(most, costs.max(axis=0))
        costs -= high.astype(costs.dtype)
        np.exp(costs, out=costs)
        total = total * np.exp(most - high) + costs.sum(axis=0, dtype=np.float64)
        most = high
    return f, -eps * (most + np.log(total / len(x)))


def _kernel(x: Vectors, y: Vectors, f: Potential, g: Potential, eps: float) -> Vectors:
    """exp((f_i + g_j - C_ij) / eps), (n, m)."""
    kernel = np.empty((len(x), len(y)), y.dtype)
    for part, costs in _blocks(x, y):
        costs -= f[part].astype(costs.dtype)[:, None]
        costs -= g.astype(costs.dtype)
        costs *= -1 / eps
        np.exp(costs, out=kernel[part])
    return kernel


def _iterate(
    kernel: Vectors, f: Potential, g: Potential, eps: float, tolerance: float, most: int
) -> tuple[Potential, Potential, int, float]:
    """Iterate on a kernel until the marginals hold, the potentials have drifted, or `most` iterations are done."""
    u, v = np.ones(len(f)), np.ones(len(g))
    done, error = 0, np.inf
    while done < most:
        before, u = u, len(v) / (kernel @ v.astype(kernel.dtype)).astype(np.float64)
        error = float(np.abs(before / u - 1).mean()) if done else np.inf
        if error <= tolerance:
            u = before
            break
        v = len(u) / (u.astype(kernel.dtype) @ kernel).astype(np.float64)
        done += 1
        if max(np.abs(np.log(u)).max(), np.abs(np.log(v)).max()) > DRIFT:
            break
    return f + eps * np.log(u), g + eps * np.log(v), done, error


def _cost(x: Vectors, y: Vectors, f: Potential, g: Potential, eps: float) -> float:
    total = 0.0
    for part, costs in _blocks(x, y):
        plan = np.exp((f[part].astype(costs.dtype)[:, None] + g.astype(costs.dtype) - costs) / costs.dtype.type(eps))
        total += float(np.einsum("ij,ij->", plan, costs, dtype=np.float64))
    return total / (len(x) * len(y))
