"""`curate gc`: what no version is made of goes, what one is made of stays, and serves the next run."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpora import curate, documents, manifest, pipeline, published_bytes, write_jsonl

from curate.config import Overrides
from curate.errors import CurateError
from curate.garbage import Freed, collect
from curate.job import run_file

STEPS = "[{quality: {word_count: {min: 70}}}, exact_dedup, {quality: {as: late, word_count: {max: 400}}}]"


def run(path: Path, *settings: str, sample: str | None = None) -> None:
    """A run in this process."""
    run_file(str(path), Overrides(workers=1, settings=settings), sample=sample, force=False, as_json=True)


def test_only_what_a_version_is_made_of_stays_and_the_next_run_finds_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", documents(1, 60))
    path, out = pipeline(tmp_path, STEPS), tmp_path / "out"
    run(path, sample="10")
    run(path, "steps.quality.word_count.min=30")
    loose = published_bytes(out)
    run(path)
    strict = published_bytes(out)
    assert collect(out, versions=None, dry=False) == Freed(0, 0, 0)
    foretold = collect(out, versions=1, dry=True)
    assert foretold == collect(out, versions=1, dry=False)
    assert foretold.versions == 2 and foretold.results > 5 and foretold.bytes > 10_000
    assert [p.name for p in sorted((out / "versions").iterdir())] == ["000003"] and published_bytes(out) == strict
    run(path)
    assert manifest(out)["version"] == 3
    run(path, "steps.quality.word_count.min=30")
    assert published_bytes(out) == loose and manifest(out)["stages"][0]["reused"] == 1


def test_a_version_that_does_not_say_what_it_is_made_of_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "out" / ".store").mkdir(parents=True)
    (tmp_path / "out" / "versions" / "000001").mkdir(parents=True)
    with pytest.raises(CurateError, match="000001: does not say what it is made of: `store.json` is missing"):
        collect(tmp_path / "out", versions=None, dry=False)
    refused = curate("gc", tmp_path)
    assert refused.returncode == 5 and "is no output folder of a pipeline" in refused.stderr
