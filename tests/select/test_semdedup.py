"""Semantic dedup and D4: known answers, a slow twin, evidence in the ledger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import curate, documents, pipeline, run_ok, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.memory import dedup_texts
from curate.select.budget import Budget
from curate.select.clustered import clusters_of, kept_for, members, most_similar_before, ordered
from curate.select.pool import scored
from curate.select.semdedup import D4, SemDedup

Array = np.ndarray
THREE = np.array([[1, 0], [0.999, 0.0447], [0.6, 0.8]], np.float32)


def unit(points: Array) -> Array:
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def drops(step: SemDedup, units: list[Array]) -> list[tuple[int, int, int, int, float]]:
    texts = [pa.array(["x"] * len(unit)) for unit in units]
    found = dedup_texts(step, texts, signals={"embed.vector": units})
    rows = [(i, *row.values()) for i, table in enumerate(found) for row in table.to_pylist()]
    return [(i, row, kept_unit, kept_row, similarity) for i, row, kept_unit, kept_row, similarity in rows]


def test_three_vectors_in_one_cluster(tmp_path: Path) -> None:
    clusters = clusters_of([THREE], 1, 0)
    (found,) = members(clusters, [(THREE, np.ones(3, bool))], tmp_path, 1 << 20)
    assert 1 - found["near"] == pytest.approx([0.04897, 0.036101, 0.182104], abs=1e-4)
    assert ordered(found, "hard", 0).tolist() == [2, 0, 1] and ordered(found, "easy", 0).tolist() == [1, 0, 2]
    assert most_similar_before(THREE[[2, 0, 1]])[0] == pytest.approx([0, 0.6, 0.999], abs=1e-3)
    ((unit_, row, kept_unit, kept_row, cosine),) = drops(SemDedup(threshold=0.99, clusters=1), [THREE])
    assert (unit_, row, kept_unit, kept_row) == (0, 1, 0, 0) and cosine == pytest.approx(0.999, abs=1e-3)
    assert drops(SemDedup(threshold=0.9995, clusters=1), [THREE]) == []


@settings(deadline=None)
@given(st.integers(0, 40), st.floats(-0.2, 0.99))
def test_comparisons_are_those_of_the_twin(seed: int, threshold: float) -> None:
    pool = unit(np.random.default_rng(seed).standard_normal((25, 3)))
    cosines = pool @ pool.T
    most, which = most_similar_before(pool)
    keeper, near = kept_for(pool, threshold)
    kept: list[int] = []
    for i in range(25):
        assert most[i] == pytest.approx(cosines[i, :i].max() if i else 0, abs=1e-5)
        assert which[i] == -1 if not i else cosines[i, which[i]] == pytest.approx(most[i], abs=1e-5)
        if kept and cosines[i, kept].max() > threshold:
            assert keeper[i] in kept and near[i] == pytest.approx(cosines[i, kept].max(), abs=1e-5)
        else:
            assert keeper[i] == -1
            kept.append(i)


def test_a_chain_ends_only_where_it_is_asked_for() -> None:
    # three steps of 10 degrees: each near the one before, the last not near the first
    turned = np.radians([0, 10, 20, 30])
    chain = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)
    easy = SemDedup(threshold=0.98, clusters=1, keep="easy")  # 10 and 20 are nearest to the centroid
    assert {row[1]: row[3] for row in drops(easy, [chain])} == {2: 1, 0: 1} or len(drops(easy, [chain])) == 3
    published = drops(easy.model_copy(update={"chains": True}), [chain])
    assert len(published) == 3 and len({row[3] for row in published}) == 1
    assert min(row[4] for row in published) < 0.98  # the end of the chain is less similar than the threshold


def test_units_memory_and_documents_without_a_vector_change_nothing() -> None:
    rng = np.random.default_rng(1)
    base = unit(rng.standard_normal((150, 8)))
    pool = np.concatenate([base, base[:60] + 0.01 * rng.standard_normal((60, 8)).astype(np.float32)])
    pool[5], pool[6] = np.nan, 0
    whole = {row[1] for row in drops(SemDedup(clusters=4), [pool])}
    parts = {100 * i + row for i, row, *_ in drops(SemDedup(clusters=4), [pool[:100], pool[100:200], pool[200:]])}
    assert whole == parts and len(whole) >= 50 and not whole & {5, 6}
    texts = [pa.array(["x"] * len(pool))]
    tight = dedup_texts(SemDedup(clusters=4), texts, signals={"embed.vector": [pool]}, memory=1 << 14)
    assert set(tight[0]["row"].to_pylist()) == whole


def test_nothing_to_compare_drops_nothing() -> None:
    assert drops(SemDedup(), [np.full((3, 4), np.nan, np.float32)]) == []
    assert len(drops(SemDedup(), [np.ones((5, 4), np.float32)])) == 4


def test_the_ledger_names_the_kept_document(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = documents(1, 30)
    words = rows[0]["text"].split(" ")
    twin = {"id": "twin", "text": " ".join(words[len(words) // 2 :] + words[: len(words) // 2])}
    write_jsonl(tmp_path / "in" / "a.jsonl", [*rows, twin])
    run_ok(pipeline(tmp_path, "[embed, {semdedup: {threshold: 0.97, clusters: 2}}]"), "--workers", 1)
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet")
    fates = dict(zip(ledger["id"], ledger["step"], strict=True))
    assert "semdedup" in (fates["twin"], fates["1-0"])
    gone = "twin" if fates["twin"] else "1-0"
    told = curate("explain", tmp_path / "out", gone).stdout
    assert "dropped by semdedup: semantic_duplicate" in told and "(cosine of the vectors)" in told


def test_d4_drops_duplicates_then_the_typical() -> None:
    rng = np.random.default_rng(2)
    centres = np.eye(6)[:2] * 3
    spread = rng.uniform(0.05, 1.2, 60)
    base = unit(centres[np.arange(60) % 2] + spread[:, None] * rng.standard_normal((60, 6)))
    pool = np.concatenate([base, base[:20]])
    selector = D4(clusters=2, dedup_share=0.75, budget=Budget(share=0.5))
    found = scored(selector, pa.array(["x"] * 80), {"embed.vector": pool})
    score = found["score"].to_numpy()
    scored_rows = np.flatnonzero(~np.isnan(score))
    assert len(scored_rows) == 60 and len({int(i) % 60 for i in scored_rows}) == 60  # one of each pair of duplicates
    chosen = np.flatnonzero(found["chosen"])
    assert len(chosen) == 30 and spread[chosen % 60].mean() > spread[np.setdiff1d(scored_rows, chosen) % 60].mean()
