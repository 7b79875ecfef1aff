"""What is told after the last step: before and after of the same documents, and figures of the tests as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from corpora import write_jsonl
from tiny_llama import saved_llama
from training_runs import settings

from curate.files import read_json
from curate.train.after import compared, tell_evaluation
from curate.train.checks import setting_problems


def held(step: int, loss: float, tokens: int = 10) -> dict[str, Any]:
    return {"step": step, "held_out": {"web": {"loss": loss, "tokens": tokens}}}


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([held(0, 4.0), held(5, 3.0), held(9, 2.0)], "-50.0%"),
        ([held(5, 3.0), held(9, 2.0)], "nothing was evaluated before the first step"),
        ([{"step": 1, "loss": 2.0}], "nothing was evaluated"),
        ([held(0, 4.0), held(9, 2.0, tokens=11)], "other documents"),
    ],
)
def test_before_is_before_the_first_step(tmp_path: Path, entries: list[dict[str, Any]], told: str) -> None:
    lines = list(compared(write_jsonl(tmp_path / "metrics.jsonl", entries)))
    assert told in lines[-1] and len(lines) == (2 if "%" in told else 1)


def test_before_needs_documents_to_evaluate_on(tmp_path: Path) -> None:
    tests = write_jsonl(tmp_path / "a.jsonl", [{"query": "q", "choices": ["a", "b"], "gold": 0}])

    def told(**more: Any) -> list[str]:
        chosen = settings(tmp_path, tmp_path / "out", evaluate={"tasks": [str(tests)], **more})
        return [p.where for p in setting_problems(chosen, lambda key: ".".join(map(str, key)), held_out=False)]

    assert told(before=True) == ["evaluate.before"] and told() == told(before=True, data="held-out") == []


def test_tests_that_were_edited_are_scored_again(tmp_path: Path) -> None:
    saved_llama(tmp_path / "llama")
    (tmp_path / "model").symlink_to(tmp_path / "llama")
    chosen = settings(tmp_path, tmp_path, evaluate={"tasks": [str(tmp_path / "*.jsonl")]})

    def examples() -> dict[str, int]:
        tell_evaluation(chosen, tmp_path)
        found: Any = read_json(tmp_path / "evaluation.json")
        return {name: entry["examples"] for name, entry in found["tasks"].items()}

    record = {"query": "q", "choices": ["a", "b"], "gold": 0}
    write_jsonl(tmp_path / "a.jsonl", [record])
    assert examples() == {"a": 1}
    write_jsonl(tmp_path / "a.jsonl", [record, {**record, "gold": 1}])
    assert examples() == {"a": 2}
    write_jsonl(tmp_path / "b.jsonl", [record])
    assert examples() == {"a": 2, "b": 1}
    written = (tmp_path / "evaluation.json").stat().st_mtime_ns
    assert examples() == {"a": 2, "b": 1} and (tmp_path / "evaluation.json").stat().st_mtime_ns == written
