"""Runs of a tiny model: their settings, their metrics, and how they die."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.train.loop import train
from curate.train.parallel import Parallel
from curate.train.settings import TrainSettings

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
}
VOCABULARY = 200


def settings(data: Path, output: Path, **more: Any) -> TrainSettings:
    given = {
        "name": "test", "seed": 3, "data": str(data), "model": {"preset": "1m", "config": TINY}, "context": 32, "rows": 8,
        "micro_rows": 4, "steps": 12, "mixture": {"kind": "static", "weights": {"books": 0.3, "web": 0.7}},
        "output": str(output), "log_every": 1, "device": "cpu", "checkpoint": {"every": 6},
    }  # fmt: skip
    return TrainSettings.model_validate({**given, **more})


def run(chosen: TrainSettings) -> list[dict[str, Any]]:
    Path(chosen.output).mkdir(parents=True, exist_ok=True)
    with Parallel(chosen) as parallel:
        train(chosen, parallel)
    return metrics(Path(chosen.output))


def metrics(output: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in entry.items() if k != "tokens_per_second"} for entry in found]


def losses_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of steps alone."""
    return [entry for entry in found if "loss" in entry]


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Die, as by kill -9, before step `step` of this process's count."""
    import curate.train.loop as loop

    original = loop.train_step

    def dying(run: Any, batch: Any) -> Any:
        if run.step == step:
            raise RuntimeError("killed")
        return original(run, batch)

    monkeypatch.setattr(loop, "train_step", dying)
