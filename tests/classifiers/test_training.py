"""Training: the same bytes whatever the order of files, honest held-out figures, mistakes told in words."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import WORDS, curate, write_jsonl

from curate.classifiers.recipe import Recipe, gather
from curate.classifiers.training import train_classifier
from curate.errors import ConfigError


def _texts(seed: int, count: int, words: list[str]) -> list[dict[str, str]]:
    rng = random.Random(seed)
    return [{"text": " ".join(rng.choices(words, k=30)) + f" {seed}{i}"} for i in range(count)]


GOOD, BAD = WORDS[:40] + ["science"] * 6, WORDS[:40] + ["casino"] * 6


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "good.jsonl", _texts(1, 150, GOOD))
    write_jsonl(tmp_path / "bad.jsonl", _texts(2, 150, BAD))
    return tmp_path


def _recipe(**settings: object) -> Recipe:
    classes = {"good": [{"path": "good*.jsonl"}], "bad": [{"path": "bad.jsonl"}]}
    training = {"dim": 8, "epochs": 20}
    return Recipe.model_validate({"output": "m.bin", "classes": classes, "training": training} | settings)


def test_the_command_trains_and_reports(corpus: Path) -> None:
    model = corpus / "models" / "m.bin"
    arguments = ["--positive", corpus / "good.jsonl", "--negative", corpus / "bad.jsonl", "--output", model]
    done = curate("train-classifier", *arguments)
    assert done.returncode == 0, done.stderr
    assert "precision" in done.stdout and str(model) in done.stdout
    report = json.loads((corpus / "models" / "m.bin.json").read_text())
    found = report["held_out"]["positive"]
    assert found["auc"] > 0.95 and found["positives"] + found["negatives"] == sum(report["held_out_lines"].values())
    assert sum(report["lines"].values()) + sum(report["held_out_lines"].values()) == 300
    first = model.read_bytes()
    curate("train-classifier", *arguments)
    assert model.read_bytes() == first and report["model_bytes"] == len(first)


def test_the_order_of_files_and_rows_changes_nothing(corpus: Path) -> None:
    before = train_classifier(_recipe(), corpus, corpus / "a.bin")
    rows = (corpus / "good.jsonl").read_text().splitlines(keepends=True)
    (corpus / "good.jsonl").write_text("".join(rows[:50]))
    (corpus / "good-2.jsonl").write_text("".join(rows[:49:-1]))
    after = train_classifier(_recipe(), corpus, corpus / "b.bin")
    assert (corpus / "a.bin").read_bytes() == (corpus / "b.bin").read_bytes() and before == after
    other = train_classifier(_recipe(seed=1), corpus, corpus / "c.bin")
    assert other["model_sha256"] != before["model_sha256"]


def test_repeated_and_contradictory_texts_do_not_leak(corpus: Path) -> None:
    write_jsonl(corpus / "good.jsonl", [{"text": "same text"}] * 5 + [{"text": "in both"}] + _texts(1, 60, GOOD))
    write_jsonl(corpus / "bad.jsonl", [{"text": "in\nboth"}, {"text": ""}, {"other": 1}] + _texts(2, 60, BAD))
    gathered = gather(_recipe(), corpus)
    lines = gathered.train + gathered.held_out
    assert len(lines) == len(set(lines)) == 121 and ("good", "same text") in lines
    assert gathered.skipped == {"repeated": 4, "in_two_classes": 2, "unreadable": 1}


def test_a_limit_takes_the_same_sample_of_more(corpus: Path) -> None:
    few, more = (gather(_recipe(limit=limit), corpus) for limit in (20, 60))
    assert len(few.train + few.held_out) == 40
    assert set(few.train) <= set(more.train) and set(few.held_out) <= set(more.held_out)


def test_rows_by_sql_and_sentences_by_marks(tmp_path: Path) -> None:
    rows = [
        {"body": "Fine here. You fool! Bye.", "toxic": True, "marks": [15, 16]},
        {"body": "All is well.", "toxic": False, "marks": []},
    ]
    write_jsonl(tmp_path / "a.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for path in ("a.jsonl", "a.parquet"):
        source = {"path": path, "text": "body", "split": "sentences", "spans": "marks"}
        classes = {
            "toxic": [source],
            "clean": [source | {"marked": False, "where": "toxic"}],
            "rest": [{"path": path, "text": "body", "where": "NOT toxic"}],
        }
        gathered = gather(Recipe.model_validate({"output": "m", "classes": classes, "held_out": 0.5}), tmp_path)
        assert sorted(gathered.train + gathered.held_out) == [
            ("clean", "Bye."), ("clean", "Fine here."), ("rest", "All is well."), ("toxic", "You fool!")
        ]  # fmt: skip


def test_a_compressed_model_is_small(corpus: Path) -> None:
    training = {"dim": 8, "epochs": 20, "quantize": 300}
    report = train_classifier(_recipe(training=training), corpus, corpus / "m.ftz")
    assert report["model_bytes"] < 20_000 and report["held_out"]["good"]["auc"] > 0.9
    assert train_classifier(_recipe(training=training), corpus, corpus / "n.ftz") == report


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": {"a": [{"path": "good.jsonl"}], "b": [{"path": "none*"}]}}, "none\\*` matches no file"),
        (
            {"classes": {"a": [{"path": "good.jsonl", "text": "body"}], "b": [{"path": "bad.jsonl"}]}},
            "columns found: `text`",
        ),
        ({"classes": {"a": [{"path": "good.jsonl", "where": "x >"}], "b": [{"path": "bad.jsonl"}]}}, "Parser Error"),
        ({"classes": {"a": [{"path": "page.html"}], "b": [{"path": "bad.jsonl"}]}}, "is a file of pages"),
        ({"classes": {"a": [{"path": "empty.jsonl"}], "b": [{"path": "bad.jsonl"}]}}, "classes.a: no text to train on"),
        ({"training": {"quantize": 300}}, "has the wrong suffix"),
    ],
)
def test_mistakes_are_told(corpus: Path, settings: dict[str, object], message: str) -> None:
    (corpus / "page.html").write_text("<p>x")
    (corpus / "empty.jsonl").write_text("")
    with pytest.raises(ConfigError) as caught:
        train_classifier(_recipe(**settings), corpus, corpus / "m.bin")
    assert re.search(message, str(caught.value)), str(caught.value)


def test_a_recipe_is_checked_like_a_pipeline(corpus: Path) -> None:
    recipe = corpus / "r.yaml"
    recipe.write_text("output: m.bin\nclasses:\n  good: [{path: good.jsonl, splt: x}]\n  bad: [{path: bad.jsonl}]\n")
    done = curate("train-classifier", recipe)
    assert done.returncode == 2 and "r.yaml:3:" in done.stderr and "unknown key" in done.stderr
    recipe.write_text(recipe.read_text().replace(", splt: x", ""))
    done = curate("train-classifier", recipe, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["labels"] == ["good", "bad"]
    assert (corpus / "m.bin").exists()
