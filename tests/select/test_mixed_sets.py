"""Mixed sets differ in their averages; the size search tries the same sizes again, and comes near the best."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curate.errors import MissingAsset
from curate.select.mixed_sets import draw_set, standardised
from curate.select.size_search import search_sizes


def test_sets_are_drawn_without_replacement_and_lean() -> None:
    rng = np.random.default_rng(0)
    indicators = np.column_stack([rng.normal(size=2000), rng.lognormal(size=2000)])
    indicators[::7, 1] = np.nan
    sources = ["a"] * 1500 + ["b"] * 500
    sets = [draw_set(i, 200, sources, indicators, tilt=1.0, seed=3) for i in range(30)]
    assert all(len(set(rows.tolist())) == 200 and (np.diff(rows) > 0).all() for rows in sets)
    again = draw_set(7, 200, sources, indicators, tilt=1.0, seed=3)
    assert again.tolist() == sets[7].tolist()
    # chance alone would let averages of 200 differ by 0.07 and shares by 0.03
    assert np.std([indicators[rows, 0].mean() for rows in sets]) > 0.5
    assert np.std([(rows < 1500).mean() for rows in sets]) > 0.15
    plain = [draw_set(i, 200, ["a"] * 2000, indicators, tilt=0.0, seed=3) for i in range(30)]
    assert np.std([indicators[rows, 0].mean() for rows in plain]) < 0.12


def test_an_indicator_without_values_or_spread_leans_nowhere() -> None:
    values = np.array([[1.0, np.nan, 2.0], [1.0, np.nan, np.nan], [1.0, np.nan, 4.0]])
    assert standardised(values).tolist() == [[0, 0, -1], [0, 0, 0], [0, 0, 1]]


def far(size: int) -> float:
    """The least at 2,500."""
    return (math.log(size) - math.log(2500)) ** 2


def test_a_grid_is_of_powers() -> None:
    tried: list[int] = []
    found = search_sizes(10, 1000, trials=3, loss=lambda size: tried.append(size) or float(size))
    assert found == {10: 10.0, 100: 100.0, 1000: 1000.0} and tried == [10, 100, 1000]
    assert list(search_sizes(5, 6, trials=8, loss=float)) == [5, 6]


def test_blendsearch_comes_near_and_tries_the_same_again() -> None:
    pytest.importorskip("flaml")
    pytest.importorskip("optuna")
    found = search_sizes(512, 10_000, trials=10, kind="blendsearch", loss=far, seed=1)
    assert len(found) == 10 and next(iter(found)) == 512 and min(found.values()) < 0.1
    assert search_sizes(512, 10_000, trials=10, kind="blendsearch", loss=far, seed=1) == found


def test_blendsearch_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingAsset, match="search: grid"):
        search_sizes(512, 10_000, trials=2, kind="blendsearch", loss=far)
