"""What every selector does with odd pools and targets: an error that says what to do, or what its documentation promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("faiss")
pytest.importorskip("threadpoolctl")

from curate.dedup.memory import resolve_here
from curate.documents import document_batch, set_column
from curate.errors import CurateError
from curate.select.budget import Budget
from curate.select.by_signal import Choose, LongestK, RandomK
from curate.select.deita import Deita
from curate.select.diverse import Dpp, FacilityLocation, KCenter
from curate.select.dsir import Dsir
from curate.select.got_d import GotD
from curate.select.instruct_mining import InstructMining
from curate.select.knn_target import KnnTarget
from curate.select.look import Look
from curate.select.pool import scored
from curate.select.selector import Selector
from curate.select.semdedup import D4, SemDedup

Make = Callable[..., Any]
TARGET = np.eye(8, dtype=np.float32)[:3]
WORDS = ("rivers run to the sea", "the sea is deep and cold", "a house on the hill", "cats sleep all day")


def aimed(kind: type[Any], **more: Any) -> Make:
    def make(target: Any = TARGET, **settings: Any) -> Selector:
        made: Selector = kind(**more, **settings).aimed_at_points(target)
        return made

    return make


def plain(kind: type[Any], **more: Any) -> Make:
    return lambda target=None, **settings: kind(**more, **settings)


#: those that compare vectors, and all
TARGETED: dict[str, Make] = {"got_d": aimed(GotD), "knn_target": aimed(KnnTarget)}
COMPARING: dict[str, Make] = {
    **TARGETED,
    "k_center": plain(KCenter),
    "facility_location": plain(FacilityLocation),
    "dpp": plain(Dpp),
    "d4": plain(D4),
    "look": plain(Look, label="x.label"),
}
ALL: dict[str, Make] = {
    **COMPARING,
    "choose": plain(Choose, by="x.quality"),
    "choose, diverse": plain(Choose, by="x.quality", how="greedy_diverse"),
    "longest_k": plain(LongestK),
    "random_k": plain(RandomK),
    "dsir": lambda target=None, **settings: Dsir(min_tokens=0, **settings).aimed_at(pa.array(WORDS[:1])),
    "deita": plain(Deita, complexity="x.quality", quality="x.quality"),
    "instruct_mining": plain(InstructMining, coefficients={"knn": -1.0}),
}
Every = pytest.mark.parametrize("name", ALL)


def pool(count: int = 12, width: int = 8) -> np.ndarray:
    made = np.random.default_rng(1).standard_normal((count, width)).astype(np.float32)
    made[:, 0] += 2
    return made


def run(selector: Selector, points: np.ndarray) -> Any:
    count = len(points)
    signals = {"embed.vector": points, "x.quality": np.linspace(0.1, 1, count), "x.label": np.arange(count) % 2 * 1.0}
    return scored(selector, pa.array([f"{WORDS[i % 4]} {i}" for i in range(count)]), signals)


@Every
def test_a_budget_above_the_pool_takes_all_that_has_a_score(name: str) -> None:
    found = run(ALL[name](budget=Budget(documents=10_000)), pool())
    ranked = found["rank"].is_valid()
    assert found["chosen"].to_pylist() == ranked.to_pylist() and sum(found["chosen"].to_pylist()) >= 3
    assert run(ALL[name](budget=Budget(documents=0)), pool())["chosen"].to_pylist() == [False] * 12


@pytest.mark.parametrize("name", COMPARING)
@pytest.mark.parametrize("nothing", [0.0, float("nan"), float("inf")])
def test_a_vector_that_is_no_point_is_never_chosen(name: str, nothing: float) -> None:
    points = pool()
    points[[2, 5]] = nothing
    found = run(COMPARING[name](budget=Budget(documents=10_000)), points)
    ranks = found["rank"].to_pylist()
    assert ranks[2] is None and ranks[5] is None and not any(found["chosen"].to_pylist()[i] for i in (2, 5))
    assert all(rank is None or rank >= 1 for rank in ranks)


@pytest.mark.parametrize("name", COMPARING)
def test_a_pool_that_cannot_be_compared_is_an_error_that_names_the_vectors(name: str) -> None:
    with pytest.raises(CurateError, match="embed.vector"):
        run(COMPARING[name](), np.zeros((6, 8), np.float32))
    with pytest.raises(CurateError, match="the vectors of all 6 documents are the same"):
        run(COMPARING[name](), np.repeat(pool(1), 6, axis=0))


@pytest.mark.parametrize("name", TARGETED)
def test_a_target_of_one_document_of_other_dimensions_or_of_nothing(name: str) -> None:
    points = pool()
    found = run(TARGETED[name](points[4:5]), points)
    assert found["rank"].to_pylist()[4] == 1
    with pytest.raises(CurateError, match="have 5 dimensions, those of the pool 8"):
        run(TARGETED[name](np.ones((2, 5), np.float32)), points)
    with pytest.raises(CurateError, match="no text of the target has a vector"):
        run(TARGETED[name](np.full((2, 8), np.nan, np.float32)), points)


READING: dict[str, Make] = {
    **COMPARING,
    **{name: ALL[name] for name in ("choose, diverse", "deita", "instruct_mining")},
    "semdedup": plain(SemDedup),
}


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([pool(6), pool(6, 5)], "`embed.vector` holds vectors of 8 dimensions and of 5"),
        ([np.ones(6), np.ones(6)], "`embed.vector` holds numbers, not vectors"),
    ],
)
def test_vectors_of_other_dimensions_or_none_are_an_error_of_the_step(name: str, vectors: Any, said: str) -> None:
    step = READING[name]()
    texts = [pa.array(WORDS[i % 4] for i in range(6))] * 2
    signals = {"embed.vector": vectors, "x.quality": [np.ones(6)] * 2, "x.label": [np.arange(6) % 2 * 1.0] * 2}
    batch = set_column(document_batch([{"row": i, "id": str(i)} for i in range(6)]), "text", texts[0])
    tables = [pa.table({"row": batch["row"], **dict(step.collect(batch))})] * 2
    with pytest.raises(CurateError, match=said) as error:
        resolve_here(step, tables, lambda unit, rows: texts[unit].take(pa.array(rows)), signals)
    assert str(error.value).startswith(f"{step.name}: ")


@Every
def test_copies_have_the_scores_of_their_originals_or_come_last(name: str) -> None:
    points = np.concatenate([pool(8), pool(8)[:4]])
    found = run(ALL[name](), points)
    scores, ranks = found["score"].to_pylist(), [rank or 99 for rank in found["rank"].to_pylist()]
    if name in (*TARGETED,):
        assert scores[8:] == pytest.approx(scores[:4], abs=1e-6)
    if name in ("k_center", "facility_location", "dpp", "d4"):
        # of a document and its copy one is worth as little as nothing
        for original in range(4):
            assert max(ranks[original], ranks[8 + original]) > 8


@pytest.mark.parametrize("name", ["k_center", "facility_location", "dpp", "d4", "choose", "random_k", "longest_k"])
def test_a_pool_of_one_document_is_chosen(name: str) -> None:
    assert run(ALL[name](budget=Budget(documents=1)), pool(1))["chosen"].to_pylist() == [True]


def test_clusters_above_the_points_leave_none_empty() -> None:
    found = run(D4(clusters=500, budget=Budget(documents=5)), pool(6))
    assert sum(found["chosen"].to_pylist()) <= 5 and found["rank"].null_count < 6
