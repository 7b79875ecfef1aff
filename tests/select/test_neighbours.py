"""Nearest to a target, and agreement with neighbours, against brute force."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import documents, pipeline, run_ok, write_jsonl
from pydantic import ValidationError

from curate.errors import CurateError, MissingAsset
from curate.select.budget import Budget
from curate.select.by_signal import Choose
from curate.select.got_d import GotD
from curate.select.knn_target import KnnTarget
from curate.select.look import Look, agreements
from curate.select.pool import scored
from curate.select.semdedup import SemDedup
from curate.steps.step import Step

Array = np.ndarray
NAN = float("nan")


def unit(seed: int, count: int, width: int = 6) -> Array:
    made = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize(("k", "used"), [(1, 1), (3, 3), (10, 7)])
def test_the_score_is_the_mean_cosine_to_the_nearest(k: int, used: int) -> None:
    pool, target = unit(1, 30) * 5, unit(2, 7)
    pool[3] = NAN
    found = scored(KnnTarget(k=k).aimed_at_points(target), pa.array(["x"] * 30), {"embed.vector": pool})[
        "score"
    ].to_numpy()
    cosines = np.sort(np.nan_to_num(pool / 5) @ target.T, axis=1)[:, -used:].mean(axis=1)
    assert np.isnan(found[3]) and np.delete(found, 3) == pytest.approx(np.delete(cosines, 3), abs=1e-5)


def test_duplicates_of_a_good_document_are_all_chosen() -> None:
    pool = np.concatenate([unit(1, 20), unit(2, 1), unit(2, 1)])
    selector = KnnTarget(k=1, budget=Budget(documents=2)).aimed_at_points(unit(2, 1))
    assert np.flatnonzero(scored(selector, pa.array(["x"] * 22), {"embed.vector": pool})["chosen"]).tolist() == [20, 21]


def test_dimensions_must_agree() -> None:
    with pytest.raises(CurateError, match="have 5 dimensions, those of the pool 6"):
        scored(KnnTarget().aimed_at_points(unit(1, 3, 5)), pa.array(["x"] * 3), {"embed.vector": unit(1, 3)})


def test_agreement_by_hand() -> None:
    labels = np.array([0, 0, 1, -1])
    found = np.array([[0, 1, 2], [0, 1, 3], [3, 0, -1], [0, 1, 2]])
    # itself left out; only two others; one without a label does not count; no label, no score
    assert agreements(found, np.arange(4), labels, 2) == pytest.approx([0.5, 1, 0, NAN], nan_ok=True)


def test_wrong_labels_disagree_with_their_neighbours() -> None:
    rng = np.random.default_rng(3)
    truth = np.arange(200) % 4
    pool = (np.eye(4)[truth] * 3 + 0.4 * rng.standard_normal((200, 4))).astype(np.float32)
    labels = truth.astype(np.float64)
    wrong = rng.choice(200, 20, replace=False)
    labels[wrong] = (labels[wrong] + 1) % 4
    labels[7], pool[8] = NAN, 0
    found = scored(Look(label="x.y", k=8), pa.array(["x"] * 200), {"embed.vector": pool, "x.y": labels})
    score = found["score"].to_numpy()
    assert np.isnan(score[[7, 8]]).all() and np.isfinite(np.delete(score, [7, 8])).all()
    known = np.setdiff1d(wrong, [7, 8])
    assert np.nanmax(score[known]) < 0.4 and np.nanmin(np.delete(score, [*wrong, 7, 8])) > 0.5


def test_a_label_is_a_column_or_a_signal(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="a label is one of source, lang, path, or a signal"):
        Look(label="kind")
    for name, words in (("sea", "ship wave wind deck"), ("land", "plough wheat barn hay")):
        (tmp_path / name).mkdir()
        rows = [{"id": f"{name}{i}", "text": f"{words} {i}"} for i in range(8)]
        rows += [{"id": f"{name}odd", "text": "ship wave wind deck plough"}] if name == "land" else []
        write_jsonl(tmp_path / name / "a.jsonl", rows)
    inputs = '[{name: sea, path: "sea/*", id: id}, {name: land, path: "land/*", id: id}]'
    file = pipeline(tmp_path, "[embed, {look: {k: 4, rules: ['look.score >= 0.5']}}]", inputs=inputs)
    run_ok(file, "--workers", 1)
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet")
    assert ledger.filter(pl.col("fate") == "dropped")["id"].to_list() == ["landodd"]


def test_a_file_of_documents_is_its_own_target(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = documents(2, 30)
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    write_jsonl(tmp_path / "one.jsonl", [rows[4]])
    steps = "[{embed: {dtype: int8}}, {knn_target: {target: one.jsonl, k: 1, budget: {documents: 1}}}]"
    run_ok(pipeline(tmp_path, steps), "--workers", 1)
    kept = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").filter(pl.col("fate") == "kept")
    assert kept["id"].to_list() == ["2-4"] and kept["knn_target"].struct.field("score")[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "step",
    [KnnTarget().aimed_at_points(unit(1, 2)), Look(), SemDedup(), GotD(), Choose(by="x.y", how="greedy_diverse")],
)
def test_a_missing_package_is_told_before_any_work(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "faiss" else found(name))
    with pytest.raises(MissingAsset, match="needs the package faiss") as caught:
        step.assets()
    assert caught.value.hint == "pip install 'curate[select]'"
