"""RegMix: many mixtures tried on a tiny model, a regression from mixture to loss, the best of simulated mixtures.

Liu et al. 2024 (arXiv 2407.01492, ICLR 2025) and released code.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np

from curate.errors import CurateError
from curate.select.weights.history import Floats
from curate.select.weights.weighting import normalised

_SEARCH = 1


class Regression(Protocol):
    """From mixtures to losses."""

    def predict(self, mixtures: Floats) -> Floats:
        """(n, k) mixtures -> (n,) losses."""
        ...


def sample_mixtures(
    prior: Floats,
    count: int,
    *,
    seed: int = 0,
    temperature: float = 0.5,
    strength: tuple[float, float] = (0.1, 5.0),
    most: float = 15.0,
    least: float = 2e-4,
    distinct: bool = True,
    stream: int = 0,
) -> Floats:
    """(count, k) mixtures from Dirichlet distributions around the prior^temperature (so in the released code).

    Strengths go from flat to narrow in equal ratios; a weight above `most` times the prior (so many epochs) rejects the
    mixture, one below `least` is 0; `distinct` leaves out what is there already. Raises CurateError if hardly any mixture is within the limits.
    """
    prior = normalised(prior)
    centre = normalised(prior**temperature)
    rng = np.random.default_rng([seed, stream])
    strengths = np.geomspace(*strength, 15)
    kept = np.zeros((0, len(prior)))
    for _ in range(100):
        scale = strengths[rng.integers(0, len(strengths), max(count, 64))]
        # a Dirichlet draw is gammas over their sum; of a tiny shape they may all be 0
        drawn = rng.standard_gamma(np.maximum(scale[:, None] * centre, 1e-3))
        drawn = drawn[drawn.sum(axis=1) > 0]
        drawn /= drawn.sum(axis=1, keepdims=True)
        drawn[drawn < least] = 0.0
        drawn /= drawn.sum(axis=1, keepdims=True)
        kept = np.concatenate([kept, drawn[(drawn <= most * prior).all(axis=1)]])
        if distinct:
            # those that are alike up to `least` are one run
            first = np.unique(np.rint(kept / least), axis=0, return_index=True)[1]
            kept = kept[np.sort(first)]
        if len(kept) >= count:
            return kept[:count]
    found = len(kept)
    hint = "raise `most`, or narrow the strength"
    raise CurateError("regmix", f"of {100 * max(count, 64):,} mixtures {found:,} are within {most:g} x the prior", hint)


def fit(mixtures: Floats, losses: Floats, *, method: Literal["auto", "lightgbm", "log_linear"] = "auto") -> Regression:
    """A regression from (n, k) mixtures to (n,) losses: LightGBM as in the paper, else log-linear.

    `auto` takes LightGBM where it is installed and there are 64 runs or more: trees need many.
    """
    mixtures, losses = np.asarray(mixtures, np.float64), np.asarray(losses, np.float64)
    if losses.shape != (len(mixtures),) or not np.isfinite(losses).all():
        raise CurateError(
            "regmix", f"losses {losses.shape} for {len(mixtures)} mixtures, all of them finite, are needed"
        )
    lightgbm = _lightgbm() if method != "log_linear" else None
    if method == "lightgbm" and lightgbm is None:
        raise CurateError("regmix", "the package `lightgbm` is not installed", 'pip install "curate[mixtures]"')
    if lightgbm is not None and (method == "lightgbm" or len(mixtures) >= 64):
        return _Trees(lightgbm, mixtures, losses)
    return _LogLinear(mixtures, losses)


def best_mixture(
    regression: Regression,
    prior: Floats,
    *,
    simulated: int = 100_000,
    averaged: int = 128,
    seed: int = 0,
    **limits: Any,
) -> Floats:
    """The mean of the `averaged` best of so many simulated mixtures, by predicted loss; `limits` as of `sample_mixtures`."""
    mixtures = sample_mixtures(prior, simulated, seed=seed, distinct=False, stream=_SEARCH, **limits)
    order = np.argsort(regression.predict(mixtures), kind="stable")
    return normalised(mixtures[order[:averaged]].mean(axis=0))


class _LogLinear:
    """log loss = a + b r, by ridge regression with a hair of a ridge: the weights of a mixture add up to 1."""

    def __init__(self, mixtures: Floats, losses: Floats) -> None:
        if not (losses > 0).all():
            raise CurateError("regmix", "a loss is not above 0, so it has no logarithm", "use losses in nats or bits")
        features = np.column_stack([np.ones(len(mixtures)), mixtures])
        ridge = 1e-9 * np.eye(features.shape[1])
        self._coefficients = np.linalg.solve(features.T @ features + ridge, features.T @ np.log(losses))

    def predict(self, mixtures: Floats) -> Floats:
        """exp of the linear form."""
        made: Floats = np.exp(self._coefficients[0] + np.asarray(mixtures) @ self._coefficients[1:])
        return made


def _lightgbm() -> Any:
    try:
        import lightgbm
    except (ImportError, OSError):  # OSError: the wheel without libgomp
        return None
    return lightgbm


class _Trees:
    """Gradient boosted trees with the paper's settings, stopped early on every fifth run."""

    def __init__(self, lightgbm: Any, mixtures: Floats, losses: Floats) -> None:
        held = np.arange(len(losses)) % 5 == 4
        settings = {"objective": "l2", "metric": "l2", "learning_rate": 0.01, "seed": 42, "verbosity": -1,
                    "num_threads": 1, "deterministic": True, "force_row_wise": True}  # fmt: skip
        training = lightgbm.Dataset(mixtures[~held], losses[~held])
        self._model = lightgbm.train(
            settings, training, 1000, valid_sets=[training.create_valid(mixtures[held], losses[held])],
            callbacks=[lightgbm.early_stopping(50, verbose=False)],
        )  # fmt: skip

    def predict(self, mixtures: Floats) -> Floats:
        """The sum of the trees."""
        made: Floats = self._model.predict(np.asarray(mixtures))
        return made
