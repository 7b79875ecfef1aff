"""DEITA: the expectation over digits, and a greedy choice in which no two are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.step import signal_values
from curate.errors import CurateError
from curate.select.budget import Budget
from curate.select.deita import Deita, digit_expectation
from curate.select.pool import scored


def chosen(complexity: Any, quality: Any, points: Any, **options: Any) -> dict[str, list[Any]]:
    selector = Deita(complexity="c.score", quality="q.score", **options)
    signals = {"c.score": np.asarray(complexity, float), "q.score": np.asarray(quality, float)}  # (n,) or (n, turns)
    found: dict[str, list[Any]] = scored(
        selector, pa.array(["x"] * len(points)), {**signals, "embed.vector": np.asarray(points, np.float32)}
    ).to_pydict()
    return found


def test_the_expectation_over_digits_has_its_known_answers() -> None:
    # specs 2.2
    found = digit_expectation(np.array([[0.0, 0, 0, 1, 2, 1], [7.0] * 6, [0, 0, 0, 0, 0, 1e4]]))
    assert found == pytest.approx([4.431302, 3.5, 6], abs=1e-6)


def test_a_document_is_taken_if_none_taken_before_is_too_similar() -> None:
    points = [[1, 0], [0.95, np.sqrt(1 - 0.95**2)], [0.85, np.sqrt(1 - 0.85**2)], [0, 1]]
    found = chosen([2, 3, 1, 1], [3, 1, 2, 1], points, budget=Budget(documents=2))
    # products 6, 3, 2, 1; the second is too near to the first, the third near to the second alone
    assert found["score"] == [6, 3, 2, 1]
    assert found["rank"] == [1, None, 2, 3] and found["chosen"] == [True, False, True, False]
    exact = chosen([2, 1], [1, 1], [[1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]], most_similar=0.5)
    assert exact["rank"] == [1, 2]  # at most, not below
    assert chosen([2, 3, 1, 1], [3, 1, 2, 1], points, how="top_k")["rank"] == [1, 2, 3, 4]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.1, 0.99))
def test_the_choice_is_that_of_the_slow_loop(seed: int, most: float) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(30, 3)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    complexity, quality = rng.integers(1, 4, 30), rng.integers(1, 4, 30)
    taken: list[int] = []
    for i in np.argsort(-(complexity * quality), kind="stable"):
        near = max((float(points[i] @ points[j]) for j in taken), default=-1.0)
        if abs(near - most) < 1e-5:
            return  # rounding decides
        if near <= most:
            taken.append(int(i))
    ranks = chosen(complexity, quality, points, most_similar=most)["rank"]
    assert [i for _, i in sorted((r, i) for i, r in enumerate(ranks) if r)] == taken


def test_what_lacks_a_score_is_never_chosen_and_negative_ones_are_told() -> None:
    assert chosen([1, np.nan, 1], [1, 1, 2], np.eye(3))["rank"] == [2, None, 1]
    with pytest.raises(CurateError, match=r"c.score` is -1"):
        chosen([1, -1], [1, -1], np.eye(2))


def test_the_score_of_several_turns_is_the_sum_of_their_products() -> None:
    # as the signals of a unit are read: lists as long as a conversation has turns, null where it was not marked
    complexity = signal_values(pa.array([[2.0], [1, 3], None, [1, 1], []], pa.list_(pa.float32())))
    quality = signal_values(pa.array([[3.0], [2, 4], [9, 9, 9], [5, 0], []], pa.list_(pa.float32())))
    assert complexity.shape == (5, 2) and quality.shape == (5, 3)
    found = chosen(complexity, quality, np.eye(5))
    assert found["score"] == [6, 14, None, 5, None] and found["rank"] == [2, 1, None, 3, None]
    assert chosen(complexity, [1, 2, 1, np.nan, 1], np.eye(5))["score"] == [2, 8, None, None, None]
    with pytest.raises(CurateError, match=r"has 2 values of `c.score` and 1 of `q.score`"):
        chosen([[1, 2]], [[1, np.nan]], np.eye(1))
