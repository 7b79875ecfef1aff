"""Power laws: loss = a / x^b + c, fitted to a few measured points, with what leaving out any one of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.errors import CurateError

Floats = npt.NDArray[np.float64]
#: exponents that are tried, then tried more finely around the best
EXPONENTS = np.linspace(0.02, 3.0, 150)


@dataclass(frozen=True)
class PowerLaw:
    """loss = a / x^b + c, with a and c at least 0. `spread` has the least and greatest of each constant when one point is left
    out; empty with fewer than five points, where three constants fit the rest too well to tell."""

    a: float
    b: float
    c: float
    error: float
    spread: dict[str, tuple[float, float]]

    def at(self, x: float) -> float:
        """The loss at x."""
        return float(self.a / x**self.b + self.c)

    def needed(self, loss: float) -> float | None:
        """The x at which the loss is reached, if it is."""
        return float((self.a / (loss - self.c)) ** (1 / self.b)) if loss > self.c and self.a else None

    def formula(self) -> str:
        """For people."""
        return f"{self.a:.4g} / x^{self.b:.3f} + {self.c:.4f}"


def fit(x: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """The law with the least squared error: b by a grid, a and c by linear least squares. Raises CurateError."""
    if len(set(x)) < 3 or len(x) != len(losses) or min(x) <= 0:
        raise CurateError("power law", f"needs losses at three or more values above 0, got {len(set(x))}")
    points, values = np.asarray(x, np.float64), np.asarray(losses, np.float64)
    error, (a, b, c) = _best(points, values)
    spread: dict[str, tuple[float, float]] = {}
    if len(set(x)) >= 5:
        others = []
        for left_out in range(len(points)):
            kept = np.arange(len(points)) != left_out
            if len(set(points[kept])) >= 3:
                others.append(_best(points[kept], values[kept])[1])
        spread = {name: (min(found), max(found)) for name, found in zip("abc", zip(*others, strict=True), strict=True)}
    return PowerLaw(a, b, c, float(np.sqrt(error / len(points))), spread)


def _best(x: Floats, losses: Floats) -> tuple[float, tuple[float, float, float]]:
    grid: Any = EXPONENTS
    for _ in range(4):
        tried = [(_at(x, losses, b), b) for b in grid.tolist()]
        (error, a, c), b = min(tried, key=lambda entry: entry[0][0])
        step = float(grid[1] - grid[0])
        grid = np.linspace(max(b - step, 1e-3), b + step, 41)
    return error, (a, b, c)


def _at(x: Floats, losses: Floats, b: float) -> tuple[float, float, float]:
    """(squared error, a, c) with this exponent; neither constant is below 0."""
    powers = x**-b
    columns = np.stack([powers, np.ones(len(x))], axis=1)
    a, c = np.linalg.lstsq(columns, losses, rcond=None)[0].tolist()
    if a < 0:
        a, c = 0.0, float(losses.mean())
    elif c < 0:
        a, c = float(powers @ losses / (powers @ powers)), 0.0
    return float(((a * powers + c - losses) ** 2).sum()), a, c
