"""The main job end to end: shards, ledger, resume, increments, changed rules, the same bytes whatever the workers."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from corpora import curate, documents, manifest, pipeline, published_bytes, reused, run_ok, write_jsonl

# quality, then a stage behind two global steps: a changed rule sends other rows to it
STEPS = "[normalize, {quality: {word_count: {min: 70}}}, exact_dedup, minhash, {quality: {as: late, word_count: {max: 400}}}]"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "in").mkdir()
    for i in range(4):  # each large enough to be a unit of its own
        write_jsonl(folder / "in" / f"{i}.jsonl", documents(i, 250, words=270))
    # in shards small enough to be several
    pipeline(folder, STEPS, output="{path: out, shard_bytes: 300kB}")
    return folder


@pytest.fixture(scope="module")
def done(corpus: Path) -> Path:
    """A finished run with one worker."""
    run_ok(corpus / "p.yaml", "--workers", 1)
    return corpus / "out"


def test_the_books_balance_and_the_ledger_has_every_document(done: Path) -> None:
    counts = manifest(done)["documents"]
    assert counts["in"] == 1000 and counts["made"] == 0
    assert counts["in"] == counts["kept"] + counts["dropped"] + counts["quarantined"]
    ledger = pl.read_parquet(done / "ledger" / "*.parquet")
    fates = dict(ledger["fate"].value_counts().iter_rows())
    assert ledger.height == 1000 and ledger.select("path", "offset").n_unique() == 1000
    assert fates == {"kept": counts["kept"], "dropped": counts["dropped"]}
    assert ledger.filter(pl.col("fate") == "dropped")["step"].null_count() == 0
    steps = {entry["name"]: entry for entry in manifest(done)["steps"]}
    assert (
        steps["exact_dedup"]["dropped"] > 50 and steps["minhash"]["dropped"] > 50 and steps["quality"]["dropped"] > 50
    )
    by_step = dict(ledger.filter(pl.col("fate") == "dropped")["step"].value_counts().iter_rows())
    assert by_step == {name: entry["dropped"] for name, entry in steps.items() if entry["dropped"]}


def test_shards_load_with_every_reader(done: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept, files = manifest(done)["documents"]["kept"], sorted(str(p) for p in (done / "shards").glob("*.arrow"))
    assert len(files) > 1
    texts = [t for file in files for t in pa.ipc.open_file(file).read_all()["text"].to_pylist()]
    assert len(texts) == kept
    assert pl.concat([pl.read_ipc(file) for file in files])["text"].to_list() == texts
    connection = duckdb.connect()
    connection.register("shards", ds.dataset(files, format="ipc"))
    assert connection.sql("SELECT count(*) FROM shards WHERE quality.word_count >= 70").fetchall() == [(kept,)]
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset("arrow", data_files=files, split="train", cache_dir=str(tmp_path))
    assert loaded["text"][:] == texts


def test_the_manifest_tells_the_truth_about_shards(done: Path) -> None:
    listed = manifest(done)["shards"]
    sums = published_bytes(done)
    for shard in listed:
        path = done / shard["path"]
        assert shard["sha256"] == sums[shard["path"]] and shard["bytes"] == path.stat().st_size <= 300_000
        assert shard["rows"] == pa.ipc.open_file(path).read_all().num_rows


def test_the_ledger_says_where_each_kept_document_stands(done: Path) -> None:
    ledger = pl.read_parquet(done / "ledger" / "*.parquet").filter(pl.col("fate") == "kept")
    for shard, rows in ledger.group_by("shard"):
        ids = pa.ipc.open_file(done / str(shard[0])).read_all()["id"].to_pylist()
        assert [ids[row] for row in rows["shard_row"]] == rows["id"].to_list()


def test_bytes_do_not_depend_on_workers(corpus: Path, done: Path) -> None:
    run_ok(corpus / "p.yaml", "--workers", 3, "--output", corpus / "out3")
    assert published_bytes(corpus / "out3") == published_bytes(done)


def test_a_second_run_computes_nothing_and_publishes_nothing(corpus: Path, done: Path) -> None:
    result = run_ok(corpus / "p.yaml", "--workers", 2)
    assert result["version"] == 1 and not result["fresh"]


@pytest.mark.parametrize("minimum", [30, 200])
def test_a_changed_threshold_computes_only_rows_that_are_new(corpus: Path, done: Path, minimum: int) -> None:
    setting = f"steps.quality.word_count.min={minimum}"
    out, fresh = corpus / f"changed{minimum}", corpus / f"fresh{minimum}"
    run_ok(corpus / "p.yaml", "--output", out)
    run_ok(corpus / "p.yaml", "--output", out, "--set", setting)
    stages = reused(out)
    units = manifest(out)["stages"][0]["units"]
    assert units == 4 and stages["read+normalize+quality"] == stages["exact_dedup"] == units
    run_ok(corpus / "p.yaml", "--output", fresh, "--set", setting)
    assert published_bytes(out) == published_bytes(fresh)
    assert manifest(out)["documents"] != manifest(done)["documents"]


def test_new_input_leaves_old_units_alone(corpus: Path, tmp_path: Path) -> None:
    for name in ("in", "grown"):
        (tmp_path / name).mkdir()
    for file in (corpus / "in").iterdir():
        (tmp_path / "in" / file.name).write_bytes(file.read_bytes())
    path = pipeline(tmp_path, STEPS)
    run_ok(path)
    before = manifest(tmp_path / "out")["stages"][0]["units"]
    write_jsonl(tmp_path / "in" / "zz.jsonl", documents(77, 1500))
    run_ok(path)
    after = manifest(tmp_path / "out")
    assert reused(tmp_path / "out")["read+normalize+quality"] == before < after["stages"][0]["units"]
    assert after["version"] == 2 and (tmp_path / "out" / "versions" / "000001" / "manifest.json").exists()
    run_ok(path, "--output", tmp_path / "fresh")
    assert published_bytes(tmp_path / "out") == published_bytes(tmp_path / "fresh")


def test_a_sample_is_a_part_of_the_input_and_repeatable(corpus: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        run_ok(corpus / "p.yaml", "--sample", "20%", "--output", tmp_path / out)
    counts = manifest(tmp_path / "a")["documents"]
    assert 120 < counts["in"] < 280
    assert published_bytes(tmp_path / "a") == published_bytes(tmp_path / "b")
    run_ok(corpus / "p.yaml", "--sample", "50", "--output", tmp_path / "c")
    assert manifest(tmp_path / "c")["documents"]["in"] == 50


def test_explain_shows_every_signal_and_the_evidence(corpus: Path, done: Path) -> None:
    ledger = pl.read_parquet(done / "ledger" / "*.parquet")
    near = ledger.filter(pl.col("step") == "minhash").row(0, named=True)
    shown = curate("explain", done, near["id"]).stdout
    assert "dropped by minhash" in shown and near["evidence"]["kept_id"] in shown and "shared" in shown
    assert "quality.word_count >= 70" in shown and f"at offset {near['offset']:,}" in shown
    kept = ledger.filter(pl.col("fate") == "kept").row(0, named=True)
    shown = curate("explain", corpus / "p.yaml", f"{kept['path']}:{kept['offset']}").stdout
    assert f"{kept['shard']}, row {kept['shard_row']}" in shown
    missing = curate("explain", done, "nobody")
    assert missing.returncode == 5 and "no document `nobody`" in missing.stderr


def test_sql_over_ledger_documents_and_shards(done: Path) -> None:
    counts = manifest(done)["documents"]
    query = "SELECT (SELECT count(*) FROM shards) s, (SELECT count(*) FROM documents WHERE text IS NOT NULL) d, count(*) l FROM ledger"
    shown = curate("sql", done, query, "--json")
    assert json.loads(shown.stdout) == {"s": counts["kept"], "d": counts["kept"], "l": counts["in"]}
    wrong = curate("sql", done, "SELEKT 1")
    assert wrong.returncode == 5 and "Traceback" not in wrong.stderr


def test_plan_and_check_and_report_speak(corpus: Path, done: Path) -> None:
    shown = curate("plan", corpus / "p.yaml").stdout
    assert "units in the store" in shown and "quality.word_count >= 70" in shown
    shown = curate("plan", corpus / "p.yaml", "--set", "steps.normalize.as=other", "--output", corpus / "unused").stdout
    assert (
        "nothing has run yet" in shown
        and "documents  about" in shown
        and not (corpus / "unused" / "manifest.json").exists()
    )
    assert "ok, 5 steps" in curate("check", corpus / "p.yaml").stdout
    assert "report.html" in curate("report", done).stdout


def test_the_ledger_is_plain_parquet_with_the_promised_columns(done: Path) -> None:
    names = pq.read_schema(next((done / "ledger").iterdir())).names
    assert {"id", "source", "path", "offset", "fate", "step", "rule", "evidence", "quality", "late"} <= set(names)


def test_force_takes_over_a_foreign_output_and_computes_anew(corpus: Path, done: Path, tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text((corpus / "p.yaml").read_text().replace("in/*", f"{corpus}/in/0*"))
    run_ok(tmp_path / "q.yaml", "--output", tmp_path / "out")
    other = (tmp_path / "q.yaml").read_text().replace("name: test", "name: other")
    (tmp_path / "q.yaml").write_text(other)
    refused = curate("run", tmp_path / "q.yaml", "--output", tmp_path / "out")
    assert refused.returncode == 2 and "belongs to another pipeline, `test`" in refused.stderr
    before = published_bytes(tmp_path / "out")
    run_ok(tmp_path / "q.yaml", "--output", tmp_path / "out", "--force")
    assert published_bytes(tmp_path / "out") == before
