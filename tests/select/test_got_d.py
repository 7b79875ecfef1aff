"""Optimal transport against known answers and a slow oracle; what GOT-D chooses; targets in files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import curate, documents, manifest, pipeline, reused, run_ok, write_jsonl
from scipy.optimize import linprog
from scipy.special import logsumexp
from scipy.stats import spearmanr

from curate.errors import ConfigError, CurateError
from curate.select import transport
from curate.select.budget import Budget
from curate.select.got_d import GotD
from curate.select.pool import scored
from curate.select.transport import calibrated, solve

Array = np.ndarray


def line(*places: float) -> Array:
    return np.array(places, np.float64)[:, None]


def oracle(x: Array, y: Array, eps: float, tolerance: float) -> tuple[Array, Array, Array]:
    """Sinkhorn's iteration in the log domain as the books have it: f, g and the plan."""
    costs = ((x[:, None] - y[None]) ** 2).sum(-1)
    n, m = costs.shape
    f, g = np.zeros(n), np.zeros(m)
    for _ in range(100_000):
        f = -eps * logsumexp((g - costs) / eps - np.log(m), axis=1)
        g = -eps * logsumexp((f[:, None] - costs) / eps - np.log(n), axis=0)
        plan = np.exp((f[:, None] + g - costs) / eps) / (n * m)
        if np.abs(plan.sum(1) - 1 / n).sum() < tolerance:
            break
    return f, g, plan


def unit(points: Array) -> Array:
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_calibration_subtracts_the_mean_of_the_others() -> None:
    assert calibrated(np.array([1.0, 2, 6])).tolist() == [-3, -1.5, 4.5]
    assert calibrated(np.array([7.0])).tolist() == [0]


@pytest.mark.parametrize(("cats", "cat", "dog"), [(99, 0.009923, -0.982418), (9, 0.108859, -0.979727)])
def test_the_papers_dog_is_taken_before_the_cats(cats: int, cat: float, dog: float) -> None:
    pool = line(*[0] * cats, 1)
    solved = solve(pool, line(0, 1), tolerance=1e-6)
    values = calibrated(solved.of(pool))
    assert solved.eps == pytest.approx(0.025) and values[[0, -1]] == pytest.approx([cat, dog], abs=1e-5)


@pytest.mark.parametrize(
    ("tolerance", "wanted"), [(1e-6, [4.666, 0.666, -2.0, -3.333]), (1e-3, [4.515, 0.515, -1.849, -3.182])]
)
def test_four_points_on_a_line(tolerance: float, wanted: list[float]) -> None:
    solved = solve(line(0, 1, 2, 3), line(2, 3), tolerance=tolerance, iterations=20_000)
    assert calibrated(solved.of(line(0, 1, 2, 3))) == pytest.approx(wanted, abs=1e-2)
    assert solved.eps == pytest.approx(0.125) and solved.cost == pytest.approx(1.5, abs=2e-3)


@pytest.mark.parametrize("exact", [True, False])
def test_the_solution_is_the_oracles(exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exact:  # as of large problems: float32, several blocks
        monkeypatch.setattr(transport, "EXACT_COSTS", 0)
        monkeypatch.setattr(transport, "BLOCK_COSTS", 400)
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((60, 5)) + 0.5, rng.standard_normal((40, 5))
    tolerance, close = (1e-9, 1e-6) if exact else (1e-5, 1e-3)
    solved = solve(x, y, tolerance=tolerance)
    f, g, plan = oracle(x, y, solved.eps, 1e-9)
    assert np.allclose(solved.of(x) - solved.of(x).mean(), f - f.mean(), atol=close)
    assert np.allclose(solved.potentials - solved.potentials.mean(), g - g.mean(), atol=close)
    costs = ((x[:, None] - y[None]) ** 2).sum(-1)
    assert solved.eps == pytest.approx(0.05 * costs.mean()) and solved.cost == pytest.approx(
        (plan * costs).sum(), rel=1e-3
    )


def test_with_little_regularisation_the_cost_is_that_of_the_linear_program() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((8, 2)), rng.standard_normal((6, 2))
    costs = ((x[:, None] - y[None]) ** 2).sum(-1)
    rows, columns = np.kron(np.eye(8), np.ones(6)), np.kron(np.ones(8), np.eye(6))
    marginals = np.concatenate([np.full(8, 1 / 8), np.full(6, 1 / 6)])
    exact = linprog(costs.ravel(), A_eq=np.vstack([rows, columns]), b_eq=marginals).fun
    found = [solve(x, y, regularisation=r, tolerance=1e-4, iterations=20_000).cost for r in (0.2, 0.05, 0.01)]
    assert found[0] > found[1] > found[2] > exact and found[2] == pytest.approx(exact, rel=1e-2)


def test_a_sample_and_sweeps_rank_as_the_full_solution() -> None:
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((20, 32))
    pool = unit(centres[rng.integers(0, 20, 4000)] + 0.7 * rng.standard_normal((4000, 32)))
    target = unit(centres[rng.integers(0, 5, 600)] + 0.7 * rng.standard_normal((600, 32)))
    texts = pa.array(["x"] * 4000)

    def scores(**settings: int) -> Array:
        selector = GotD(**settings).aimed_at_points(target)  # type: ignore[arg-type]
        return scored(selector, texts, {"embed.vector": pool})["score"].to_numpy()

    full = scores(sample=4000)
    agreement = [spearmanr(full, scores(sample=1000, sweeps=sweeps)).statistic for sweeps in (0, 1, 3)]
    assert agreement[0] < agreement[1] < agreement[2] and agreement[2] > 0.99


def test_got_d_takes_what_the_pool_lacks_and_nearest_does_not() -> None:
    # the target is half of a kind that the pool is full of (a), half of one that is rare (b); c is noise
    rng = np.random.default_rng(11)
    a, b, c = np.eye(24)[:3] * 3
    near = lambda centre, n: unit(centre + 0.5 * rng.standard_normal((n, 24)))  # noqa: E731
    pool = np.concatenate([near(a, 1500), near(b, 60), near(c, 1440)])
    target = np.concatenate([near(a, 200), near(b, 200)])
    signals, texts = {"embed.vector": pool}, pa.array(["x"] * 3000)
    settings = {"sample": 3000, "budget": Budget(documents=60)}
    selector = GotD.model_validate(settings).aimed_at_points(target)
    chosen = np.flatnonzero(scored(selector, texts, signals)["chosen"])
    rare = np.mean((chosen >= 1500) & (chosen < 1560))
    nearest = np.argsort(-np.sort(pool @ target.T, axis=1)[:, -10:].mean(1))[:60]
    assert rare > 0.9 and np.mean((nearest >= 1500) & (nearest < 1560)) < 0.2
    away = GotD.model_validate({**settings, "contrast": True}).aimed_at_points(target)
    unwanted = np.flatnonzero(scored(away, texts, signals)["chosen"])
    assert np.mean(unwanted >= 1560) == 1


def test_a_target_of_one_document_makes_it_the_nearest() -> None:
    rng = np.random.default_rng(2)
    pool = unit(rng.standard_normal((50, 8)))
    found = scored(GotD().aimed_at_points(pool[7:8]), pa.array(["x"] * 50), {"embed.vector": pool})["rank"].to_numpy()
    assert found.argsort().tolist() == np.argsort(-pool @ pool[7]).tolist()


def test_documents_without_a_vector_are_never_chosen() -> None:
    pool = unit(np.random.default_rng(2).standard_normal((6, 4)))
    pool[1], pool[3], pool[4] = np.nan, 0, np.inf
    selector = GotD(budget=Budget(documents=100)).aimed_at_points(pool[:1])
    found = scored(selector, pa.array(["x"] * 6), {"embed.vector": pool}).to_pydict()
    assert [rank is None for rank in found["rank"]] == [False, True, False, True, True, False]
    assert [score is None for score in found["score"]] == [rank is None for rank in found["rank"]]
    assert found["chosen"] == [True, False, True, False, False, True]  # a budget above the pool takes all that can be


@pytest.mark.parametrize(
    ("pool", "target", "words"),
    [
        (np.ones((5, 4)), np.ones((1, 4)), "all 5 documents are the same"),
        (np.full((5, 4), np.nan), np.ones((1, 4)), "no document has a vector"),
        (np.eye(4), np.ones((2, 3)), "have 3 dimensions, those of the pool 4"),
        (np.eye(4), np.zeros((2, 4)), "no text of the target has a vector"),
        (np.arange(4.0), np.ones((2, 4)), "holds numbers, not vectors"),
    ],
)
def test_vectors_that_cannot_be_compared_are_an_error(pool: Array, target: Array, words: str) -> None:
    selector = GotD().aimed_at_points(target.astype(np.float32))
    with pytest.raises(CurateError, match=words):
        scored(selector, pa.array(["x"] * len(pool)), {"embed.vector": pool.astype(np.float32)})


def test_a_plan_that_does_not_converge_is_an_error() -> None:
    with pytest.raises(CurateError, match="after 5 iterations the plan misses") as caught:
        solve(line(0, 1, 2, 3), line(2, 3), iterations=5)
    assert "raise `iterations`" in caught.value.hint


def test_without_a_target_there_is_nothing_to_aim_at() -> None:
    with pytest.raises(ConfigError, match="has no target"):
        GotD().assets()


def test_a_pipeline_aims_at_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    sea = [{"id": f"sea{i}", "text": f"The ship sailed over the sea by wave and wind {i}"} for i in range(10)]
    write_jsonl(tmp_path / "in" / "a.jsonl", [*documents(1, 60), *sea])
    write_jsonl(tmp_path / "target.jsonl", [{"body": "a ship on the sea"}, {"body": "the wind and the wave"}])
    steps = "[{embed: {dimensions: 64}}, {got_d: {target: target.jsonl, target_text: body, budget: {documents: 10}}}]"
    file = pipeline(tmp_path, steps)
    run_ok(file, "--workers", 1)
    first = manifest(tmp_path / "out")["fingerprint"]

    def kept() -> set[str]:
        ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet")
        return set(ledger.filter(pl.col("fate") == "kept")["id"].to_list())

    assert kept() == {row["id"] for row in sea}
    # another target: nothing is read or embedded again
    write_jsonl(tmp_path / "target.jsonl", [{"body": "garden stone winter evening"}])
    run_ok(file, "--workers", 1)
    assert manifest(tmp_path / "out")["fingerprint"] != first and not kept() & {row["id"] for row in sea}
    assert reused(tmp_path / "out")["read+embed"] == 1


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("[embed, got_d]", "steps[1].got_d: has no target"),
        ("[embed, {got_d: {target: none.jsonl}}]", "none.jsonl"),
        ("[embed, {got_d: {target: in/a.jsonl, target_text: body}}]", "`target_text` says where"),
        ("[{got_d: {target: in/a.jsonl}}]", "no step up to here makes `embed.vector`"),
    ],
)
def test_a_missing_target_or_embedding_is_told_before_any_work(tmp_path: Path, steps: str, words: str) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", documents(1, 3))
    done = curate("check", pipeline(tmp_path, steps))
    assert done.returncode == 2 and words in done.stderr


def test_a_target_without_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": " "}) + "\n")
    selector = GotD(target=[str(tmp_path / "t.jsonl")])
    with pytest.raises(CurateError, match="has no text") as caught:
        selector.target_texts()
    assert "`target_text` is `text`" in caught.value.hint
    with pytest.raises(ConfigError, match="no column `body`"):
        selector.model_copy(update={"target_text": "body"}).target_texts()
