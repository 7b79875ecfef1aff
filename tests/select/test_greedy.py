"""Greedy choices against known answers and brute force; the selectors that make them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.dedup.memory import resolve_here
from curate.errors import CurateError
from curate.select.budget import Budget
from curate.select.by_signal import Choose
from curate.select.diverse import Diverse, Dpp, FacilityLocation, KCenter
from curate.select.greedy import TILE, determinantal, facility_location, k_center, shortened, thinned
from curate.select.pool import scored
from curate.select.selector import Selector

SIM = np.array([[1, 0.9, 0.1, 0.2], [0.9, 1, 0.1, 0.2], [0.1, 0.1, 1, 0.3], [0.2, 0.2, 0.3, 1]])
Array = np.ndarray


def points(seed: int, count: int, width: int = 6) -> Array:
    made = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_k_centre_on_four_points() -> None:
    found = k_center(np.array([[0.0, 0], [1, 0], [0, 4], [5, 0]]), 3, start=0)
    assert found.order.tolist() == [0, 3, 2] and found.gains.tolist() == [np.inf, 1, 4, 5]  # the radius is 1


def test_facility_location_on_four_documents() -> None:
    found = facility_location(lambda rows: SIM[rows], 4, 3)
    assert found.order.tolist() == [0, 2, 3]
    assert np.cumsum(found.gains[found.order]) == pytest.approx([2.2, 3.2, 3.9]) and found.gains[1] == pytest.approx(
        0.1
    )


def test_a_determinant_of_four_documents() -> None:
    found = determinantal(lambda i: SIM[i], np.ones(4), 2)
    assert found.order.tolist() == [0, 2] and found.gains[[0, 2]] == pytest.approx([0, -0.010050], abs=1e-6)


def test_lazy_choices_of_many_are_those_of_the_eager_loops() -> None:
    pool, picks = points(9, 700, 8).astype(np.float64), 100
    found = k_center(pool, picks, start=3)
    nearest = np.linalg.norm(pool - pool[3], axis=1)
    order, gains = [3], [np.inf]
    while len(order) < picks:
        order.append(int(np.argmax(nearest)))
        gains.append(nearest[order[-1]])
        nearest = np.minimum(nearest, np.linalg.norm(pool - pool[order[-1]], axis=1))
    assert found.order.tolist() == order and found.gains[order] == pytest.approx(gains)
    rest = np.setdiff1d(np.arange(700), order)
    assert found.gains[rest] == pytest.approx(nearest[rest])

    similar = pool @ pool[::3].T
    located = facility_location(lambda rows: similar[rows], 700, picks)
    covered, order = np.zeros(234), []
    for gained in located.gains[located.order]:
        eager = np.maximum(similar - covered, 0).sum(axis=1)
        order.append(int(np.argmax(eager)))
        assert gained == pytest.approx(eager.max())
        covered = np.maximum(covered, similar[order[-1]])
    assert located.order.tolist() == order
    rest = np.setdiff1d(np.arange(700), order)
    assert located.gains[rest] == pytest.approx(np.maximum(similar[rest] - covered, 0).sum(axis=1))


@given(st.integers(0, 50), st.integers(1, 30))
def test_lazy_facility_location_is_the_eager_one(seed: int, count: int) -> None:
    similar = np.maximum(points(seed, count) @ points(seed, count).T, 0).astype(np.float64)
    found = facility_location(lambda rows: similar[rows], count, count)
    covered, left = np.zeros(count), set(range(count))
    for chosen in found.order:
        gains = {i: np.maximum(similar[i] - covered, 0).sum() for i in left}
        assert gains[int(chosen)] == pytest.approx(max(gains.values()))
        covered = np.maximum(covered, similar[chosen])
        left.remove(int(chosen))


@settings(deadline=None)
@given(st.integers(0, 50))
def test_the_greedy_determinant_gains_what_it_says(seed: int) -> None:
    kernel = np.exp(-2 * (1 - points(seed, 12) @ points(seed, 12).T)).astype(np.float64)
    found = determinantal(lambda i: kernel[i], np.diag(kernel), 5)
    for k in range(1, 6):
        chosen = found.order[:k]
        volume = lambda rows: np.linalg.slogdet(kernel[np.ix_(rows, rows)])[1]  # noqa: E731
        assert found.gains[chosen].sum() == pytest.approx(volume(chosen), abs=1e-6)
        best = max(volume([*chosen[:-1], i]) for i in set(range(12)) - set(chosen[:-1].tolist()))
        assert volume(chosen) == pytest.approx(best, abs=1e-6)


def test_a_determinant_ends_where_nothing_adds_volume() -> None:
    pool = points(1, 30, 4).astype(np.float64)
    found = determinantal(lambda i: pool @ pool[i], (pool * pool).sum(axis=1), 10)
    assert len(found.order) == 4


@given(st.integers(0, 50))
def test_k_centre_is_at_most_twice_the_best(seed: int) -> None:
    pool = points(seed, 10).astype(np.float64)
    away = np.linalg.norm(pool[:, None] - pool[None], axis=2)
    best = min(away[:, list(chosen)].min(axis=1).max() for chosen in combinations(range(10), 3))
    assert away[:, k_center(pool, 3).order].min(axis=1).max() <= 2 * best + 1e-9


@settings(deadline=None)
@given(st.integers(0, 50), st.floats(-0.5, 1), st.integers(1, 7))
def test_thinning_accepts_what_is_unlike_all_accepted(seed: int, most: float, block: int) -> None:
    pool, order = points(seed, 20, 3), np.random.default_rng(seed).permutation(20)[:15]
    accepted: list[int] = []
    for i in order:
        if not accepted or (pool[accepted] @ pool[i]).max() <= most:
            accepted.append(int(i))
    assert thinned(pool, order, most, block).tolist() == accepted


def spread(seed: int) -> Array:
    """Points that few directions tell apart, and near-duplicates of them."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((1100, 48)) * np.linspace(3, 0.5, 48)
    return np.concatenate([made, made[:400] + rng.uniform(0, 1.5, (400, 1)) * rng.standard_normal((400, 48))])


def gathered(seed: int) -> Array:
    """Points in few heaps, most of whose pairs are about as near as the limit."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((6, 48))[rng.integers(0, 6, 1400)] + 0.33 * rng.standard_normal((1400, 48))


@pytest.mark.parametrize(("made", "width"), [(spread, 25), (gathered, 48)])
def test_thinning_many_is_the_slow_loop(made: Callable[[int], Array], width: int) -> None:
    pool = made(1).astype(np.float32)
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    similar, order = (
        pool.astype(np.float64) @ pool.T.astype(np.float64),
        np.random.default_rng(2).permutation(len(pool)),
    )
    # a limit by which rounding decides nothing
    close = np.sort(similar[np.abs(similar - 0.9) < 1e-3])
    most = float(close[:-1][np.argmax(np.diff(close))] + np.diff(close).max() / 2)
    accepted: list[int] = []
    for i in order:
        if not (similar[i, accepted] > most).any():
            accepted.append(int(i))
    assert 150 < len(accepted) < len(pool) - 150
    short = shortened(pool, most)
    assert short.shape[1] == width and (short @ short.T >= similar - 1e-5).all()
    for block in (100, TILE):
        assert thinned(pool, order, most, block).tolist() == accepted


SELECTORS = [
    KCenter(picks=5),
    FacilityLocation(picks=5, ground=100),
    FacilityLocation(picks=5, ground=30),
    Dpp(picks=5),
]


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: s.kind)
def test_each_group_gets_a_document_before_one_gets_two(selector: Diverse) -> None:
    rng = np.random.default_rng(4)
    pool = np.repeat(np.eye(5), 8, axis=0) * 4 + 0.2 * rng.standard_normal((40, 5))
    pool[0] = np.nan
    chosen = selector.model_copy(update={"budget": Budget(documents=5)})
    found = scored(chosen, pa.array(["x"] * 40), {"embed.vector": pool.astype(np.float32)})
    assert sorted(np.flatnonzero(found["chosen"]) // 8) == [0, 1, 2, 3, 4]
    ranks, scores = found["rank"].to_pylist(), found["score"].to_pylist()
    assert ranks[0] is None and sorted(r for r in ranks if r) == list(range(1, 40))
    inside = sorted(range(1, 40), key=lambda i: ranks[i])
    assert [scores[i] for i in inside] == sorted((scores[i] for i in inside), reverse=True)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: s.kind)
def test_duplicates_are_the_last_choice(selector: Diverse) -> None:
    pool = np.concatenate([points(3, 4)] * 3)
    found = scored(selector, pa.array(["x"] * 12), {"embed.vector": pool})["rank"].to_numpy()
    assert sorted(np.argsort(found)[:4] % 4) == [0, 1, 2, 3]


def test_quality_decides_between_equals() -> None:
    pool = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    quality = np.array([0.0, 1, 1, 0, 0, 1])
    selector = Dpp(quality="x.q", budget=Budget(documents=3))
    found = scored(selector, pa.array(["x"] * 6), {"embed.vector": pool, "x.q": quality})
    assert found["chosen"].to_pylist() == [False, True, True, False, False, True]
    with pytest.raises(CurateError, match="1 documents have no `x.q`"):
        scored(selector, pa.array(["x"] * 6), {"embed.vector": pool, "x.q": np.array([0, 1, 1, 0, 0, np.nan])})


def test_picks_have_an_order_of_their_own() -> None:
    with pytest.raises(ValidationError, match="`how: gumbel` has no meaning"):
        KCenter(how="gumbel")


def test_all_vectors_the_same_are_an_error() -> None:
    with pytest.raises(CurateError, match="all 3 documents are the same"):
        scored(KCenter(), pa.array(["x"] * 3), {"embed.vector": np.ones((3, 2), np.float32)})


@pytest.mark.parametrize("selector", [KCenter(), Choose(by="x.y", how="greedy_diverse")], ids=["picks", "thinned"])
def test_vectors_that_memory_cannot_hold_are_an_error(selector: Selector) -> None:
    table = pa.table(
        {"row": pa.array(range(40), pa.int32()), "key": pa.array(range(40), pa.uint64()), "size": [1] * 40}
    )
    signals = {"embed.vector": [points(1, 40)], "x.y": [np.ones(40)]}
    with pytest.raises(CurateError, match="40 vectors of 6 dimensions do not fit"):
        resolve_here(selector, [table], lambda _, rows: pa.array(["x"] * len(rows)), signals, memory=900)
