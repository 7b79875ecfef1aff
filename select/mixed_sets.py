"""Mixed sets of instructions for InstructMining's runs: sets whose averages differ, so that losses can be explained by them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def draw_set(number: int, size: int, sources: Sequence[str], indicators: Values, *, tilt: float, seed: int) -> Rows:
    """Ascending rows of set `number`: `size` of n documents, drawn without replacement.

    Random sets of a thousand are all alike on average. So each set has shares of its own for the sources (n,), uniform on
    the simplex (Dirichlet 1), and leans its own way along each of the indicators (n, k), NaN for none: the chance of a document is
    its source's share over the source's size, times exp(z b), z its standardised indicators and b normal with deviation `tilt`.
    A set depends on its number and the seed, not on how many there are.
    """
    rng = np.random.default_rng([seed, number])
    _, owners, sizes = np.unique(np.asarray(sources), return_inverse=True, return_counts=True)
    shares = rng.dirichlet(np.ones(len(sizes)))
    chances = np.log(shares / sizes)[owners] + standardised(indicators) @ (
        tilt * rng.standard_normal(indicators.shape[1])
    )
    # Gumbel's trick: the greatest of log chance + noise are a draw without replacement
    drawn: Rows = np.argsort(-(chances + rng.gumbel(size=len(owners))), kind="stable")[:size]
    return np.sort(drawn)


def standardised(indicators: Values) -> Values:
    """(n, k) -> (n, k) of mean 0 and deviation 1 by column; 0 where there is no value, or all are the same."""
    known = np.isfinite(indicators)
    count = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, indicators, 0).sum(axis=0) / count
    apart = np.where(known, indicators - means, 0)
    spread = np.sqrt((apart**2).sum(axis=0) / count)
    scaled: Values = apart / np.where(spread > 0, spread, 1)
    # one document of absurd length is no direction: four deviations are far enough
    return np.clip(scaled, -4, 4)
