"""Data mixing laws: losses as a function of the mixture, fitted on a few small runs, and the mixture where they are least.

L_i(r) = c_i + k_i exp(sum_j t_ij r_j) for each evaluated domain i (Ye et al. 2024, arXiv 2403.16952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curate.errors import CurateError
from curate.select.weights.history import Floats
from curate.select.weights.weighting import normalised


@dataclass(frozen=True)
class MixingLaw:
    """The law of m evaluated domains over k trained ones: c (m,), k (m,) above 0, t (m, k)."""

    c: Floats
    k: Floats
    t: Floats

    def losses(self, mixtures: Floats) -> Floats:
        """(..., k) mixtures -> (..., m) losses."""
        made: Floats = self.c + self.k * np.exp(np.asarray(mixtures, np.float64) @ self.t.T)
        return made

    def best(self, importance: Floats | None = None, steps: int = 20_000) -> Floats:
        """The mixture with the least mean loss, each domain weighed by its importance.

        The mean is convex in the mixture, so that exponentiated gradient finds the one minimum. Its step halves whenever
        the loss would rise; it ends where no step lowers it.
        """
        weight = normalised(np.ones(len(self.c)) if importance is None else importance)
        mixture = np.full(self.t.shape[1], 1 / self.t.shape[1])
        held, rate = float(self.losses(mixture) @ weight), 1.0
        for _ in range(steps):
            slope = (weight * (self.losses(mixture) - self.c)) @ self.t
            moved = mixture * np.exp(-rate * (slope - slope.min()))
            moved = normalised(moved)
            loss = float(self.losses(moved) @ weight)
            if loss < held:
                mixture, held, rate = moved, loss, rate * 1.5
            else:
                rate /= 2
                if rate < 1e-12:
                    break
        return mixture


def fit_law(mixtures: Floats, losses: Floats) -> MixingLaw:
    """(n, k) mixtures and (n, m) losses of as many small runs -> the law with the least squares. Needs n of k + 2 or more.

    For a given c the law is linear in log(L - c): c is searched on a grid of distances below the least loss, then finer,
    and each candidate is fitted with weights (L - c)^2, which makes errors of the logarithm errors of the loss.
    """
    mixtures, losses = np.asarray(mixtures, np.float64), np.asarray(losses, np.float64)
    n, k = mixtures.shape
    if n < k + 2:
        raise CurateError(
            "mixing law", f"{n} runs for {k} domains", f"make at least {k + 2} runs of different mixtures"
        )
    if not (np.isfinite(losses).all() and losses.shape[0] == n):
        raise CurateError("mixing law", f"losses {losses.shape} for {n} runs, all of them finite numbers, are needed")
    rows = [_fit_one(mixtures, losses[:, i]) for i in range(losses.shape[1])]
    return MixingLaw(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]),
                     np.array([row[2] for row in rows]))  # fmt: skip


def _fit_one(mixtures: Floats, losses: Floats) -> tuple[float, float, Floats]:
    least, spread = float(losses.min()), max(float(np.ptp(losses)), 1e-9)
    # logarithms of least - c, over the spread
    grid = np.linspace(-6.0, 6.0, 49)
    for width in (0.25, 0.02, 0.0016):
        errors = [_given(mixtures, losses, least - spread * np.exp(x))[0] for x in grid]
        centre = grid[int(np.argmin(errors))]
        grid = centre + np.linspace(-width, width, 41)
    c = least - spread * float(np.exp(centre))
    _, k, t = _given(mixtures, losses, c)
    return c, k, t


def _given(mixtures: Floats, losses: Floats, c: float) -> tuple[float, float, Floats]:
    """(squared error, k, t) for a given c. Mixtures add up to 1, so t is known up to a constant: its mean is 0."""
    rest = losses - c
    found = np.linalg.lstsq(mixtures * rest[:, None], np.log(rest) * rest, rcond=None)[0]
    constant = float(found.mean())
    error = float(((np.exp(mixtures @ found) - rest) ** 2).sum())
    centred = np.asarray(found - constant, np.float64)
    return error, float(np.exp(constant)), centred
