"""Skills as clusters: planted subjects found and numbered by size, whatever the units, down to the sources of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import manifest, pipeline, run_ok, write_jsonl
from tokenizers_small import saved_tokenizer

from curate.dedup.memory import resolve_here
from curate.errors import CurateError
from curate.select.clusters import ClusterStep
from curate.train.tokenising import TokenizeSettings, tokenize

SIZES = (40, 25, 15)
SUBJECTS = ("ship wave wind deck sail", "plough wheat barn hay field", "proof lemma theorem axiom set")


def found(step: ClusterStep, units: list[np.ndarray]) -> pa.Table:
    tables = [pa.table({"row": pa.array(range(len(unit)), pa.int32())}) for unit in units]
    return pa.concat_tables(resolve_here(step, tables, lambda _, rows: pa.nulls(0), {"embed.vector": units}))


def planted(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(SIZES)), SIZES))
    points = np.eye(8)[truth] * 2 + 0.2 * rng.standard_normal((len(truth), 8))
    return points.astype(np.float32), truth


@pytest.mark.parametrize("seed", [0, 3])
def test_planted_subjects_are_numbered_by_their_size(seed: int) -> None:
    points, truth = planted()
    points[4] = np.nan
    made = found(ClusterStep(number=3, seed=seed), [points])
    assert np.array_equal(np.delete(made["cluster"].to_numpy(), 4), np.delete(truth, 4))
    assert made["skill"].to_pylist() == [None if i == 4 else f"c{label}" for i, label in enumerate(truth)]
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    centroid = directions[truth == 1].mean(axis=0)
    near = directions[truth == 1] @ (centroid / np.linalg.norm(centroid))
    assert made["nearness"].to_numpy()[truth == 1] == pytest.approx(near, abs=1e-3)
    assert [i for i, row in enumerate(made.to_pylist()) if row["nearness"] is None] == [4]


def test_units_change_nothing_and_the_seed_does() -> None:
    points = np.random.default_rng(2).standard_normal((900, 6)).astype(np.float32)
    whole = found(ClusterStep(number=12), [points]).drop_columns("row")
    parts = found(ClusterStep(number=12), [points[:1], points[1:1], points[1:500], points[500:]]).drop_columns("row")
    assert whole.equals(parts) and whole["skill"][0].as_py().startswith("c") and len(whole["skill"][0].as_py()) == 3
    sizes = np.bincount(whole["cluster"].to_numpy())
    assert len(sizes) == 12 and (np.diff(sizes) <= 0).all()
    assert not found(ClusterStep(number=12, seed=1), [points]).drop_columns("row").equals(whole)


def test_odd_pools() -> None:
    same = found(ClusterStep(number=5), [np.ones((4, 3), np.float32)])
    assert same["cluster"].to_pylist() == [0, 0, 0, 0]
    assert found(ClusterStep(), [np.zeros((0, 3), np.float32)]).num_rows == 0
    with pytest.raises(CurateError, match=r"no document has a vector in `embed\.vector`"):
        found(ClusterStep(), [np.full((2, 3), np.nan, np.float32)])
    with pytest.raises(CurateError, match="vectors of 3 dimensions and of 4"):
        found(ClusterStep(), [np.ones((2, 3), np.float32), np.ones((2, 4), np.float32)])


def test_clusters_of_a_run_are_the_sources_of_its_tokens(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for subject, (words, size) in enumerate(zip(SUBJECTS, SIZES, strict=True)):
        made = [" ".join(rng.permutation(words.split())) + f" {i}" for i in range(size)]
        rows += [{"id": f"{subject}-{i}", "text": text} for i, text in enumerate(made)]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    (tmp_path / "in").mkdir()
    for name, part in (("a", rows[:30]), ("b", rows[30:])):
        write_jsonl(tmp_path / "in" / f"{name}.jsonl", part)
    file = pipeline(tmp_path, "[embed, {clusters: {number: 3}}]")
    run_ok(file, "--workers", 1)
    assert manifest(tmp_path / "out")["documents"]["kept"] == len(rows)
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").unnest("clusters")
    assert (ledger["id"].str.slice(0, 1).cast(pl.Int32) == ledger["cluster"]).all()
    tokens = tokenize(
        [str(tmp_path / "out")],
        tmp_path / "tokens",
        TokenizeSettings(str(saved_tokenizer(tmp_path / "tok")), by="clusters.skill"),
        workers=1,
        note=lambda line: None,
    )
    assert set(tokens.sources) == {"c0", "c1", "c2"}
