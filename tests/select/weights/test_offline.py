"""Mixtures found before training: mixing laws, RegMix, Chameleon."""

from __future__ import annotations

import numpy as np
import pytest

from curate.errors import CurateError
from curate.select.weights.chameleon import chameleon, leverage
from curate.select.weights.history import Floats
from curate.select.weights.mixing_laws import MixingLaw, fit_law
from curate.select.weights.regmix import best_mixture, fit, sample_mixtures


def test_a_mixing_law_as_in_the_specification() -> None:
    law = MixingLaw(np.array([1.5]), np.array([1.0]), np.array([[-2, 0.5]]))
    found = law.losses(np.array([[0.5, 0.5], [1, 0], [0.2, 0.8]]))[:, 0]
    np.testing.assert_allclose(found, [1.972367, 1.635335, 2.5], atol=1e-6)


PLANTED = MixingLaw(
    np.array([1.5, 2.0]), np.array([1.0, 0.7]), np.array([[-2.0, 0.5, 0.1], [0.4, -1.5, -0.2]])
)  # fmt: skip


def test_a_planted_law_and_its_best_mixture_are_found() -> None:
    mixtures = np.random.default_rng(0).dirichlet(np.ones(3), 24)
    law = fit_law(mixtures, PLANTED.losses(mixtures))
    other = np.random.default_rng(1).dirichlet(np.ones(3), 50)
    np.testing.assert_allclose(law.losses(other), PLANTED.losses(other), atol=2e-3)
    best, want = law.best(), PLANTED.best()
    grid = np.array([[a, b, 100 - a - b] for a in range(101) for b in range(101 - a)]) / 100
    means = PLANTED.losses(grid).mean(axis=1)
    assert PLANTED.losses(want).mean() <= means.min() + 1e-9
    assert PLANTED.losses(best).mean() <= means.min() + 1e-3
    assert abs(want.sum() - 1) < 1e-12 and (want >= 0).all()


def test_noise_in_the_losses_moves_the_law_a_little() -> None:
    rng = np.random.default_rng(2)
    mixtures = rng.dirichlet(np.ones(3), 40)
    noisy = PLANTED.losses(mixtures) * (1 + 0.003 * rng.standard_normal((40, 2)))
    law = fit_law(mixtures, noisy)
    assert PLANTED.losses(law.best()).mean() < PLANTED.losses(np.full(3, 1 / 3)).mean() - 0.01
    assert PLANTED.losses(law.best()).mean() < PLANTED.losses(PLANTED.best()).mean() + 0.01


def test_too_few_runs_and_bad_losses_are_told() -> None:
    with pytest.raises(CurateError, match="make at least 5 runs"):
        fit_law(np.eye(3), np.ones((3, 1)))
    with pytest.raises(CurateError, match="finite"):
        fit_law(np.ones((6, 3)) / 3, np.full((6, 1), np.nan))


def test_sampled_mixtures_keep_the_limits_and_are_the_seeds() -> None:
    prior = np.array([0.7, 0.2, 0.08, 0.02])
    mixtures = sample_mixtures(prior, 2000, seed=3)
    assert mixtures.shape == (2000, 4) and np.allclose(mixtures.sum(axis=1), 1)
    assert (mixtures <= 15 * prior + 1e-12).all() and ((mixtures == 0) | (mixtures > 1.9e-4)).all()
    assert mixtures.std(axis=0).min() > 0.01 and len(np.unique(mixtures, axis=0)) == 2000
    assert (sample_mixtures(prior, 2000, seed=3) == mixtures).all()
    assert (sample_mixtures(prior, 2000, seed=4) != mixtures).any()
    with pytest.raises(CurateError, match="within 0.5 x the prior"):
        sample_mixtures(prior, 100, most=0.5)


@pytest.mark.parametrize("method", ["log_linear", "lightgbm"])
def test_regmix_finds_a_better_mixture_than_the_prior(method: str) -> None:
    if method == "lightgbm":
        try:
            import lightgbm  # noqa: F401
        except (ImportError, OSError):
            pytest.skip("needs lightgbm")
    prior = np.array([0.5, 0.3, 0.2])
    truth = lambda r: 1.5 + np.exp(-2 * r[:, 0] + 0.5 * r[:, 1] - 1.0 * r[:, 2])  # noqa: E731
    mixtures = sample_mixtures(prior, 256, seed=0)
    regression = fit(mixtures, truth(mixtures), method=method)  # type: ignore[arg-type]
    best = best_mixture(regression, prior, simulated=5000)
    assert abs(best.sum() - 1) < 1e-12
    assert truth(best[None])[0] < truth(prior[None])[0] - 0.1
    assert truth(best[None])[0] < np.quantile(truth(mixtures), 0.05) + 0.02
    assert (best_mixture(regression, prior, simulated=5000) == best).all()


def test_bad_regressions_are_told() -> None:
    with pytest.raises(CurateError, match="finite"):
        fit(np.ones((4, 2)) / 2, np.array([1, 2, 3, np.inf]))
    with pytest.raises(CurateError, match="not above 0"):
        fit(np.ones((4, 2)) / 2, np.array([1.0, 2, 3, 0]), method="log_linear")


X = np.array([[1, 0], [0.9, 0.1], [0, 1]])


@pytest.mark.parametrize(
    ("ridge", "scores"), [(1, [0.063819, 0.033755, 0.190401]), (10, [0.008615, 0.004556, 0.025701])]
)
def test_leverage_as_in_the_specification(ridge: float, scores: list[float]) -> None:
    np.testing.assert_allclose(leverage(X, ridge), scores, atol=1e-6)


def test_chameleon_as_in_the_specification() -> None:
    np.testing.assert_allclose(chameleon(X, purpose="finetune"), [0.094353, 0.055984, 0.849664], atol=1e-6)
    np.testing.assert_allclose(chameleon(X), [0.264356, 0.590560, 0.145084], atol=1e-6)


@pytest.mark.parametrize("embeddings", [np.ones((4, 3)), np.zeros((2, 2)), np.ones((1, 5))])
def test_domains_that_are_all_alike_get_equal_weights(embeddings: Floats) -> None:
    np.testing.assert_allclose(chameleon(embeddings), 1 / len(embeddings))


def test_a_domain_in_the_very_middle_does_not_overflow() -> None:
    weights = chameleon(np.array([[1.0, 0], [0, 0], [-1, 0]]))
    np.testing.assert_allclose(weights, [0, 1, 0], atol=1e-9)
