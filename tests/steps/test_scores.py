"""The step `scores`: numbers of the records become signals, what is none is told, and selectors choose by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from corpora import curate, run_ok, write_jsonl
from pydantic import ValidationError

from curate.documents import document_batch
from curate.steps.scores import Scores


def read(*held: str | None, **settings: Any) -> tuple[list[Any], list[Any]]:
    batch = document_batch([{"row": i, "id": str(i), "text": "x", "metadata": one} for i, one in enumerate(held)])
    made = Scores(**settings).process(batch)
    return made["scores"].to_pylist(), made["error"].to_pylist()


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ('{"a": 1}', 1), ('{"a": -0.5}', -0.5), ('{"a": "4.5"}', 4.5), ('{"a": true}', 1), ('{"a": null}', None),
        ('{"a": NaN}', None), ('{"b": 1}', None), (None, None), ("{}", None), ('{"a": 1e3}', 1000),
    ],
)  # fmt: skip
def test_what_spells_a_number_is_one_and_nothing_is_null(held: str | None, found: float | None) -> None:
    assert read(held, keys=["a"]) == ([{"a": found}], [None])


@pytest.mark.parametrize("value", ['"good"', "[1]", "{}", "Infinity", '""', "1" + "0" * 400])
def test_what_is_no_number_quarantines_the_document(value: str) -> None:
    rows, errors = read(f'{{"a": {value}}}', '{"a": 2}', keys=["a"])
    assert rows == [{"a": None}, {"a": 2}] and errors[1] is None
    assert errors[0].startswith("scores: `a` is ") and errors[0].endswith("not a number")


def test_keys_inside_objects_and_names_of_ones_own() -> None:
    held = '{"meta": {"edu": 3, "toxic": {"p": 0.1}}, "Edu Score": 2, "x.y": 7}'
    (row,), _ = read(held, keys=["meta.edu", "meta.toxic.p", "x.y", "meta.edu.no"])
    assert row == {"edu": 3, "p": 0.1, "y": 7, "no": None}
    assert read(held, keys={"edu": "Edu Score"})[0] == [{"edu": 2}]
    for keys in (["Edu Score"], ["a.x", "b.x"], [], {"null": "a"}, 3):
        with pytest.raises(ValidationError):
            Scores(keys=keys)


def test_a_pipeline_chooses_by_a_score_that_its_records_bring(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": str(i), "text": f"text number {i}", "rm": {"reward": i % 7, "bad": i == 3}} for i in range(20)]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    steps = "[{scores: {keys: [rm.reward, rm.bad], rules: ['scores.bad < 1']}}, {choose: {by: scores.reward, budget: {documents: 3}}}]"
    file = tmp_path / "p.yaml"
    text = f"name: p\ninputs:\n  - {{name: a, path: in/a.jsonl}}\nsteps: {steps}\noutput: {{path: out}}\n"
    file.write_text(text)
    said = curate("check", file)
    assert said.returncode == 2 and "no input keeps `rm.reward`" in said.stderr + said.stdout
    assert "write `metadata: [rm]` of the input" in said.stderr + said.stdout
    file.write_text(text.replace("in/a.jsonl}", "in/a.jsonl, metadata: [rm]}"))
    run_ok(file, "--workers", 1)
    kept = pl.read_ipc(tmp_path / "out" / "shards" / "*.arrow")
    assert kept["scores"].struct.field("reward").to_list() == [5, 6, 6] and kept["id"].to_list() == ["5", "6", "13"]
