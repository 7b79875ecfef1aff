"""Bad input: a bad record is quarantined and counted, the run goes on; nothing is lost in silence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from corpora import curate, documents, manifest, pipeline, run_ok, write_jsonl

ALLOW_ALL = "{path: out, quarantine_limit: 100%}"
PAGE = "<html><head><title>A page</title></head><body><article>{}</article></body></html>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "good.jsonl", documents(1, 20))
    return tmp_path


def quarantined(out: Path) -> dict[str, str]:
    """File name -> error of everything in quarantine."""
    ledger = pl.read_parquet(out / "ledger" / "*.parquet").filter(pl.col("fate") == "quarantined")
    return {Path(row["path"]).name: row["evidence"]["error"] for row in ledger.iter_rows(named=True)}


def test_broken_records_are_quarantined_and_counted(folder: Path) -> None:
    lines = [
        '{"id": "a", "text": "fine"}', '{"id": "b", "text": ', '{"id": "c", "text": null}', '{"id": "d"}',
        '{"id": "e", "text": ""}', '{"id": "a", "text": "the same id again"}', '{"id": "f", "text": 7}',
    ]  # fmt: skip
    raw = (
        "\n".join(lines).encode()
        + b'\n{"id": "g", "text": "bad \xff\xfe bytes"}\n{"id": "h", "text": "lone \\ud800 and \\u0000"}\n'
    )
    (folder / "in" / "lines.jsonl").write_bytes(raw)
    run_ok(pipeline(folder, "[normalize]", output=ALLOW_ALL))
    counts = manifest(folder / "out")["documents"]
    assert counts == {"in": 29, "made": 0, "kept": 25, "dropped": 0, "quarantined": 4}
    assert manifest(folder / "out")["replaced_characters"] >= 2
    offsets = pl.read_parquet(folder / "out" / "ledger" / "*.parquet").filter(pl.col("fate") == "quarantined")["offset"]
    expected = [sum(len(line) + 1 for line in lines[:i]) for i in (1, 2, 3, 6)]
    assert sorted(offsets.to_list()) == expected


def test_files_that_cannot_be_read_are_quarantined(folder: Path) -> None:
    (folder / "in" / "gone.jsonl").symlink_to(folder / "nowhere.jsonl")
    whole = gzip.compress("".join(json.dumps(d) + "\n" for d in documents(2, 50)).encode())
    (folder / "in" / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "in" / "noise.jsonl.gz").write_bytes(b"this is no gzip" * 9)
    (folder / "in" / "empty.jsonl").write_bytes(b"")
    (folder / "in" / "noise.parquet").write_bytes(b"PAR1 is how it begins" * 9)
    done = curate("run", pipeline(folder, "[normalize]", output=ALLOW_ALL), "--json")
    if done.returncode == 2:  # the head of a file tells already that it is broken: said before any work, by name
        assert "noise" in done.stderr and "Traceback" not in done.stderr
        for name in ("noise.parquet", "noise.jsonl.gz"):
            (folder / "in" / name).unlink(missing_ok=True)
        run_ok(folder / "p.yaml")
    errors = quarantined(folder / "out")
    assert {"gone.jsonl", "cut.jsonl.gz"} <= set(errors)
    assert "No such file" in errors["gone.jsonl"]
    assert manifest(folder / "out")["documents"]["in"] > 40


def test_hostile_pages_do_not_stop_a_run(folder: Path) -> None:
    pages = folder / "in"
    (pages / "huge.html").write_text(PAGE.format("word " * 20_000_000))
    (pages / "deep.html").write_text("<div>" * 10_000 + "the bottom" + "</div>" * 10_000)
    (pages / "nul.html").write_bytes(PAGE.format("nul \0 bytes and a long sentence of words.").encode())
    (pages / "latin.html").write_bytes(PAGE.format("caf\xe9 society and its many words").encode("latin-1"))
    (pages / "cut.html").write_text("<html><body><p>An unclosed <b>page <i>with <table><tr><td>words")
    run_ok(pipeline(folder, "[extract, normalize]", output=ALLOW_ALL))
    counts, errors = manifest(folder / "out")["documents"], quarantined(folder / "out")
    assert counts["in"] == 25 and "huge.html" in errors and set(errors) <= {"huge.html", "deep.html"}
    texts = {Path(t["path"]).name: t["text"] for t in _texts(folder / "out") if t["path"].endswith("html")}
    assert "café society" in texts["latin.html"] and "unclosed" in texts["cut.html"]


def _texts(out: Path) -> list[dict[str, str]]:
    done = curate("sql", out, "SELECT path, text FROM shards", "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_page_over_its_time_is_quarantined_and_the_run_goes_on(folder: Path) -> None:
    (folder / "in" / "slow.html").write_text("<table>" + "<tr><td><a href=x>cell of words</a>" * 150_000)
    (folder / "in" / "quick.html").write_text(PAGE.format("A quick page with a sentence of words."))
    path = pipeline(folder, "[{extract: {engine: resiliparse, timeout: 0.02, max_bytes: 100MB}}]", output=ALLOW_ALL)
    run_ok(path, "--workers", 1)
    errors = quarantined(folder / "out")
    assert set(errors) == {"slow.html"} and "time limit" in errors["slow.html"]
    assert manifest(folder / "out")["documents"]["kept"] == 21


def test_above_the_quarantine_limit_nothing_is_published(folder: Path) -> None:
    (folder / "in" / "bad.jsonl").write_text('{"id": "x", "text": "ok"}\n' + "broken\n" * 30)
    done = curate("run", pipeline(folder, "[normalize]"))
    assert done.returncode == 3 and "30 of 51 documents" in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "out" / "manifest.json").exists()


def test_a_run_that_keeps_nothing_is_published(folder: Path) -> None:
    run_ok(pipeline(folder, "[{quality: {word_count: {min: 1000000}}}]"))
    assert manifest(folder / "out")["documents"]["kept"] == 0 and manifest(folder / "out")["shards"] == []
    assert curate("sql", folder / "out", "SELECT count(*) AS n FROM shards", "--json").stdout == '{"n": 0}\n'


def test_an_input_of_empty_files_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b"")
    run_ok(pipeline(tmp_path, "[normalize, exact_dedup, minhash]"))
    assert manifest(tmp_path / "out")["documents"]["in"] == 0


def test_configuration_errors_exit_with_two_and_no_traceback(folder: Path) -> None:
    done = curate("run", pipeline(folder, "[normalise]"))
    assert done.returncode == 2 and "did you mean normalize?" in done.stderr and "Traceback" not in done.stderr
    for wrong in (["run"], ["run", "x", "--nonsense"], ["nonsense"], ["run", "none.yaml"]):
        done = curate(*wrong)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr


def test_pages_in_a_column_are_extracted(folder: Path) -> None:
    rows = [{"id": str(i), "page": PAGE.format(f"Page {i} with a sentence of many words.")} for i in range(3)]
    (folder / "in" / "good.jsonl").unlink()
    write_jsonl(folder / "in" / "pages.jsonl", rows)
    inputs = '[{name: web, path: "in/*", id: id, html: page}]'
    run_ok(pipeline(folder, "[extract]", inputs=inputs))
    assert [row["text"] for row in _texts(folder / "out")] == [
        f"Page {i} with a sentence of many words." for i in range(3)
    ]
    assert "begin the steps with `- extract`" in curate("check", pipeline(folder, "[normalize]", inputs=inputs)).stderr
