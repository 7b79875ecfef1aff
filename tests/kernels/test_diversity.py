"""MTLD: known answers, and a slow twin on any words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.diversity import mtld


def diversity(texts: list[list[int]]) -> list[float]:
    first = np.cumsum([0, *map(len, texts)])
    return mtld(np.array([word for text in texts for word in text], np.uint64), first).tolist()


def slow(words: list[int]) -> float:
    sums = []
    for reading in (words, words[::-1]):
        factors, stretch = 0.0, list[int]()
        for word in reading:
            stretch.append(word)
            if len(set(stretch)) / len(stretch) < 0.72:
                factors, stretch = factors + 1, []
        if stretch:
            factors += (1 - len(set(stretch)) / len(stretch)) / 0.28
        sums.append(len(words) / factors if factors else float(len(words)))
    return sum(sums) / 2


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([1, 2, 3, 1, 1], 5),  # .6 at the fifth word; backwards .5 at the second, and three different ones are left
        ([1, 2, 1, 2], 4),  # 2 / 3 at the third, one left
        ([1, 2, 3, 4, 1], 5 / (0.2 / 0.28)),  # no stretch ends: the part that 0.8 is on the way to 0.72
        ([1, 2, 3], 3),
        ([7], 1),
    ],
)
def test_known_answers(words: list[int], wanted: float) -> None:
    assert diversity([words]) == [pytest.approx(wanted)]


def test_a_ratio_at_the_threshold_goes_on() -> None:
    # 18 different words of 25 are 0.72
    words = [*range(18), *range(7)]
    assert diversity([words])[0] == pytest.approx(25)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), max_size=60), max_size=6))
def test_as_the_slow_twin(texts: list[list[int]]) -> None:
    for found, words in zip(diversity(texts), texts, strict=True):
        assert math.isnan(found) if not words else found == pytest.approx(slow(words))
