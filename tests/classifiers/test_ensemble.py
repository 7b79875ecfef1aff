"""The step `ensemble`: buckets by quantile, the best of several scores, Nemotron-CC's levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from corpora import curate, manifest, pipeline, run_ok, write_jsonl

from curate.classifiers.ensemble import Ensemble, bucket_of
from curate.dedup.memory import resolve_here


def _found(scores: dict[str, list[float]]) -> list[dict[str, object]]:
    step = Ensemble(scores=list(scores))
    table = pa.table({"row": pa.array(range(len(next(iter(scores.values())))), pa.int32())})
    held = {name: [np.array(values, float)] for name, values in scores.items()}
    return resolve_here(step, [table], lambda _, rows: pa.nulls(len(rows), pa.string()), held)[0].to_pylist()


def test_published_example() -> None:
    # of 1,000 distinct scores those with a share of .04, .5, .949 and .95 below them, and the greatest
    values = np.random.default_rng(1).permutation(1000)
    found = bucket_of(values.astype(float))
    assert [found[values == rank][0] for rank in (40, 500, 949, 950, 999)] == [0, 10, 18, 19, 19]
    assert np.bincount(found).tolist() == [50] * 20


def test_the_best_bucket_decides_the_level() -> None:
    ranks = np.arange(200.0)
    scores = {"a.x": ranks.tolist(), "b.y": np.roll(ranks, 7).tolist(), "c.z": ranks[::-1].tolist()}
    for row, a, b, c in zip(_found(scores), *(bucket_of(np.array(s)) for s in scores.values()), strict=True):
        best = max(a, b, c)
        level = ["low"] * 7 + ["medium_low"] * 5 + ["medium"] * 6 + ["medium_high", "high"]
        assert row["buckets"] == [a, b, c] and (row["bucket"], row["level"]) == (best, level[best])
    assert max(7, 12, 3) == 12 and level[12] == "medium"


@pytest.mark.parametrize(
    ("scores", "buckets"),
    [
        ([], []),
        ([float("nan")], [-1]),
        ([5.0], [0]),
        ([1.0, 1.0, 1.0, 1.0], [0, 0, 0, 0]),
        ([2.0, float("nan"), 1.0, 2.0, 2.0], [5, -1, 0, 5, 5]),
        ([-float("inf"), float("inf")], [0, 10]),
    ],
)
def test_ties_gaps_and_few_documents(scores: list[float], buckets: list[int]) -> None:
    assert bucket_of(np.array(scores, float)).tolist() == buckets


def test_a_document_without_any_score_has_no_bucket() -> None:
    nan = float("nan")
    rows = _found({"a.x": [nan, 1.0, nan], "b.y": [nan, nan, 3.0]})
    assert rows[0] == {"row": 0, "bucket": None, "level": None, "buckets": [None, None]}
    assert rows[1]["buckets"] == [0, None] and rows[2]["level"] == "low"


def test_a_pipeline_keeps_the_best(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for part in range(2):
        rows = [{"id": f"{part}-{i}", "text": " ".join(["word"] * (2 * i + part + 1))} for i in range(20)]
        write_jsonl(tmp_path / "in" / f"{part}.jsonl", rows)
    ensemble = "{ensemble: {scores: [quality.word_count, quality.mean_word_length], bucket: {min: 18}}}"
    file = pipeline(tmp_path, f"[{{quality: {{preset: []}}}}, {ensemble}]")
    run_ok(file)
    assert manifest(tmp_path / "out")["documents"]["kept"] == 4
    assert "ensemble.bucket >= 18" in curate("explain", tmp_path / "out", "1-19").stdout
    file.write_text(file.read_text().replace("quality.mean_word_length", "quality.mean_length"))
    done = curate("check", file)
    assert done.returncode == 2 and "did you mean quality.mean_word_length" in done.stderr
