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


@pytest.mark.parametrize("kind", ["dft", "asft"])
def test_dft_is_not_for_plain_text(tmp_path: Path, kind: str) -> None:
    """It would raise the loss of what is new."""
    texts, chats = (
        str(make_set(tmp_path / str(share), {"web": [5, 6]}, answers=share, vocabulary=50).folder) for share in (0, 0.5)
    )
    ((place, what),) = told(data_problems(settings(loss=kind, data=[chats, texts]), where))
    assert place == "loss" and what.startswith(f"`{kind}` cannot teach what the model gives no probability")
    assert not data_problems(settings(loss=kind, data=chats), where)
    assert not data_problems(settings(loss={"kind": kind, "p_floor": 0.1}, data=texts), where)


def _tokenizer(folder: Path, words: list[str]) -> Path:
    from tokenizers import Tokenizer, models

    folder.mkdir(parents=True)
    Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="a")).save(
        str(folder / "tokenizer.json")
    )
    return folder


def test_data_of_another_tokenizer_than_the_models_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    words = [f"w{i}" for i in range(49)]
    held = make_set(tmp_path / "set", {"web": [5, 6]}, vocabulary=50)
    _tokenizer(held.folder / "tokenizer", ["a", *words])
    names = {"same": ["a", *words], "fewer": ["a", *words[:9]], "other": ["a", *words[::-1]]}
    starts = {name: _tokenizer(tmp_path / name, of) for name, of in names.items()}
    told_of = {
        name: told(data_problems(settings(data=str(held.folder), model={"from": str(start)}), where))
        for name, start in starts.items()
    }
    assert told_of["same"] == told_of["fewer"] == []
    ((place, what),) = told_of["other"]
    assert place == "data" and "has other tokens for 48 of its 50 ids: " in what


def test_an_output_folder_is_no_training_file(tmp_path: Path) -> None:
    from curate.errors import ConfigError
    from curate.train.start import read_training

    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ConfigError, match="does not keep its file"):
        read_training(str(tmp_path), output=None, settings=())
    with pytest.raises(ConfigError, match="no pipeline has written to"):
        read_training(str(tmp_path / "checkpoints"), output=None, settings=())


def test_the_model_of_a_run_is_named(tmp_path: Path) -> None:
    from curate.train.checks import start_problems

    pytest.importorskip("torch")
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "config.json").write_text("{}")
    (problem,) = start_problems(settings(model={"from": str(tmp_path / "run")}), where)
    assert problem.where == "model.from" and problem.hint == f"name its model, {tmp_path}/run/model"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "name: x\nstepps: 3\ndata: nowhere\nmodel: {preset: 2m, attentoin: sdpa}\nrows: 6\nmicro_rows: 4\nloss: {kind: dftt}\n"
            "evaluate: {datta: x}\noutput: out\ntrackers: [wandbb]\newc: {data: 3}\n",
            ["model.attentoin", "steps", "evaluate.datta", "ewc.weight", "ewc.data", "trackers[0]", "stepps", "model.preset",
             "micro_rows", "loss.kind", "data"],
        ),
        ("name: x\nmodel: {preset: 2m}\n", ["data", "steps", "output", "model.preset"]),
        ("name: x\nmodel: {}\ndata: []\nsteps: 2\noutput: o\n", ["model", "data"]),
    ],
)  # fmt: skip
def test_what_is_no_setting_hides_no_other_mistake(tmp_path: Path, text: str, expected: list[str]) -> None:
    pytest.importorskip("torch")
    from curate.errors import ConfigError
    from curate.train.start import read_training, refuse_mistakes

    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        refuse_mistakes(*read_training(str(tmp_path / "t.yaml"), output=None, settings=()))
    # what may come of a mistake that is told, such as an evaluation on nothing, is not
    assert sorted(problem.where.rpartition(" ")[2] for problem in caught.value.problems) == sorted(expected)
