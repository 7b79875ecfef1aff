"""When to pre-train: mixture weights, densities, and the answer on planted and on real texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from corpora import curate, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import ive

from curate.errors import CurateError
from curate.select.feasibility import feasibility, log_norm, mixture_weights

Array = np.ndarray


def near(centre: Array, count: int, seed: int, spread: float = 0.25) -> Array:
    return (centre + spread * np.random.default_rng(seed).standard_normal((count, len(centre)))).astype(np.float32)


def test_the_constant_is_that_of_the_bessel_function() -> None:
    for dimensions in (16, 64, 200):
        kappa, nu = np.array([5.0, 50, 500, 5000]), dimensions / 2 - 1
        exact = nu * np.log(kappa) - (nu + 1) * np.log(2 * np.pi) - np.log(ive(nu, kappa)) - kappa
        assert log_norm(kappa, dimensions) == pytest.approx(exact, abs=1e-3)


@settings(deadline=None)
@given(st.integers(0, 100))
def test_weights_of_two_have_the_greatest_likelihood(seed: int) -> None:
    log = np.random.default_rng(seed).normal(0, 2, (40, 2)) - 300  # as small as densities are
    weights = mixture_weights(log, tolerance=1e-13)
    loss = lambda w: -np.log(w * np.exp(log[:, 0] + 300) + (1 - w) * np.exp(log[:, 1] + 300)).mean()  # noqa: E731
    best = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-9})
    assert weights.sum() == pytest.approx(1) and loss(weights[0]) == pytest.approx(best.fun, abs=1e-6)


def test_weights_are_the_shares_of_what_made_the_target() -> None:
    a, b, c, d = np.eye(24)[:4] * 2
    sources = {"a": near(a, 300, 1), "b": near(b, 300, 2), "c": near(c, 300, 3)}
    target = np.concatenate([near(a, 140, 4), near(b, 60, 5)])
    answer = feasibility(sources, target, clusters=2)
    assert answer.weights == pytest.approx({"a": 0.7, "b": 0.3, "c": 0}, abs=0.02)
    assert answer.natural == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, abs=0.02)
    assert answer.feasibility > 0.9 and abs(answer.gap) < 3
    far = feasibility(sources, near(d, 100, 6), clusters=2)
    assert far.feasibility < 0.05 and far.gap < -20
    half = feasibility(sources, np.concatenate([near(a, 50, 7), near(d, 50, 8)]), clusters=2)
    assert 0.4 < half.feasibility < 0.6


@pytest.mark.parametrize(
    ("sources", "target", "words"),
    [
        ({}, np.ones((1, 4)), "there is no source"),
        ({"a": np.ones((9, 4))}, np.ones((1, 4)), "source `a` has 9 vectors, at least 10"),
        ({"a": np.ones((20, 4))}, np.zeros((3, 4)), "the target has no vector"),
        ({"a": np.ones((20, 4))}, np.ones((3, 5)), "dimensions differ"),
    ],
)
def test_what_cannot_be_answered_is_an_error(sources: dict[str, Array], target: Array, words: str) -> None:
    with pytest.raises(CurateError, match=words):
        feasibility(sources, target)


def test_a_source_of_one_text_many_times_is_a_point() -> None:
    answer = feasibility(
        {"same": np.ones((40, 16)), "a": near(np.eye(16)[0] * 2, 100, 1)}, near(np.eye(16)[0] * 2, 30, 2)
    )
    assert answer.weights["a"] == pytest.approx(1) and np.isfinite(answer.scores).all()


def test_the_command_tells_what_could_make_the_target(tmp_path: Path) -> None:
    kinds = {"sea": "ship wave wind deck harbour sail", "land": "plough wheat barn hay cow field"}
    rng = np.random.default_rng(1)
    for name, words in {**kinds, "target": kinds["sea"]}.items():
        rows = [{"text": " ".join(rng.choice(words.split(), 12))} for _ in range(60)]
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    sources = [part for name in kinds for part in ("--source", f"{name}={tmp_path / name}.jsonl")]
    done = curate("feasibility", *sources, "--target", tmp_path / "target.jsonl", "--json")
    assert json.loads(done.stdout)["weights"]["sea"] > 0.95 and json.loads(done.stdout)["feasibility"] > 0.8
    wrong = curate("feasibility", "--source", "sea", "--target", tmp_path / "target.jsonl")
    assert wrong.returncode == 2 and "expected NAME=GLOB, got `sea`" in wrong.stderr
