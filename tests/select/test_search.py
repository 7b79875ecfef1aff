"""`curate search`: the index is built once and follows the run; what it prints; what cannot be searched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from corpora import curate, documents, pipeline, run_ok, write_jsonl

from curate.select.search import passage

RARE = "The heron waits beside the reeds of the estuary. It eats fish and frogs."


@pytest.fixture(scope="module", params=["[embed]", "[normalize]"], ids=["embed", "no embed"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 61 documents, with and without a step that makes vectors."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", [*documents(1, 60), {"id": "heron", "text": RARE, "url": "https://h.org/"}])
    run_ok(pipeline(folder, request.param), "--workers", 1)
    return folder


def test_the_index_is_built_once_and_follows_the_run(run: Path) -> None:
    first = curate("search", run / "out", "a heron in the estuary", "--top", 3)
    assert first.returncode == 0 and "built the index: 55 of 55 points" in first.stderr, first.stderr
    lines = first.stdout.splitlines()
    assert lines[0].split()[2:] == ["heron", "web", "https://h.org/"] and lines[1].strip() == RARE and len(lines) == 6
    again = curate("search", run / "out", "a heron in the estuary", "--top", 3)
    assert again.stdout == first.stdout and again.stderr == ""
    write_jsonl(run / "in" / "b.jsonl", [{"id": "egret", "text": RARE.replace("heron", "egret")}])
    run_ok(run / "p.yaml", "--workers", 1)
    after = curate("search", run / "out", "egret estuary", "--json", "--top", 2)
    hits = [json.loads(line) for line in after.stdout.splitlines()]
    assert "added to the index: 1 of 56 points" in after.stderr, "documents of the first version are not added again"
    assert [hit["id"] for hit in hits] == ["egret", "heron"] and hits[0]["score"] > hits[1]["score"] > 0.2
    assert set(hits[0]) == {"id", "score", "source", "path", "url", "passage"}
    nothing = curate("search", run / "out", "...")
    assert nothing.returncode == 0 and nothing.stdout == "" and "nothing is near" in nothing.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((" ",), "is empty"),
        (("heron", "--by", "other"), "no step embed called `other`"),
        (("heron", "--kind", "tree"), "one of flat, hnsw, ivf, ivf_pq"),
    ],
)
def test_mistakes_are_told(run: Path, arguments: tuple[str, ...], said: str) -> None:
    done = curate("search", run / "out", *arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_run_that_kept_nothing_cannot_be_searched(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": "a", "text": "few words"}])
    run_ok(pipeline(tmp_path, "[quality]"), "--workers", 1)
    done = curate("search", tmp_path / "out", "words")
    assert done.returncode == 5 and "kept no document" in done.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("One.\n\nThe heron waits.", "One. The heron waits."),
        (
            "x" * 200 + ". " + "y" * 200 + ". A heron eats fish, and frogs.",
            "y" * 200 + ". A heron eats fish, and frogs.",
        ),
        ("no words of it " * 40, ("no words of it " * 17)[:239].rsplit(" ", 1)[0] + "…"),
    ],
)
def test_the_passage_nearest_to_the_query(text: str, shown: str) -> None:
    assert passage("a heron eats", text) == shown
