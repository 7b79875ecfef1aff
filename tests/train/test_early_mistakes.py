"""Mistakes of a training that are told before any work, with their place: of the settings, and of the files that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from token_sets import make_set

from curate.errors import Problem
from curate.train.checks import data_problems, early_problems, setting_problems
from curate.train.settings import TrainSettings
from curate.yaml_source import Path as Key


def settings(**more: Any) -> TrainSettings:
    return TrainSettings.model_validate(
        {"name": "t", "data": "run", "model": {"preset": "1m"}, "steps": 1, "output": "o", **more}
    )


def told(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.where, problem.what) for problem in problems]


def where(key: Key) -> str:
    return ".".join(map(str, key))


def test_what_a_training_names_must_be_there_before_the_pipeline_runs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    gone = str(tmp_path / "gone")
    chosen = settings(
        model={"from": gone}, loss={"kind": "distill", "teachers": [gone]}, ewc={"data": gone, "weight": 1},
        evaluate={"data": gone},
    )  # fmt: skip
    found = early_problems(chosen, where, held_out=False)
    assert [place for place, _ in told(found)] == ["model.from", "loss.teachers.0", "evaluate.data", "ewc.data"]
    assert all("gone" in str(problem) for problem in found)
    assert not early_problems(settings(evaluate={"data": str(_held_out(tmp_path))}), where, held_out=False)


def _held_out(folder: Path) -> Path:
    return make_set(folder / "held", {"web": [5, 6]}, vocabulary=50).folder


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"query": "a", "choices": ["b"], "gold": 1}', "record 1: gold is 1, there are 1 candidates"),
        ('{"query": "a", "choices": ["b"], "gold": 0}\nnone', "cannot be read: line 2 is not JSON"),
        ('{"text": "a"}', "no example has `choices` and `gold`"),
    ],
)
def test_test_sets_that_cannot_be_read_are_told(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    chosen = settings(evaluate={"tasks": [str(tmp_path / "a.jsonl")]})
    ((place, found),) = told(setting_problems(chosen, where, held_out=False))
    assert place == "evaluate.tasks" and what in found
    (tmp_path / "a.jsonl").write_text(json.dumps({"query": "a", "choices": ["b", "c"], "gold": 1}))
    assert not setting_problems(chosen, where, held_out=False)


def test_a_kind_that_is_a_list_is_unknown(tmp_path: Path) -> None:
    chosen = settings(
        mixture={"kind": ["static"]}, loss={"kind": ["dft"]}, train_only={"kind": {}}, data=str(_held_out(tmp_path))
    )
    assert told(setting_problems(chosen, where, held_out=False)) == [
        ("mixture.kind", "unknown kind `['static']`"), ("loss.kind", "unknown kind `['dft']`"), ("train_only.kind", "unknown kind `{}`"),
    ]  # fmt: skip
    assert not data_problems(chosen, where)


@pytest.mark.parametrize(("fill", "allowed"), [("random", True), (49, True), (50, False), (-1, False)])
def test_a_hole_is_a_token_of_the_data(tmp_path: Path, fill: Any, allowed: bool) -> None:
    chosen = settings(loss={"kind": "masked_thought", "fill": fill}, data=str(_held_out(tmp_path)))
    problems = told(data_problems(chosen, where))
    assert (not problems) == allowed and all(
        problem == ("loss.fill", f"{fill} is no token: the data's tokenizer has 50") for problem in problems
    )
