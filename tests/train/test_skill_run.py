"""Graphs learned by short runs: where each run goes, and what becomes of their losses."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from curate.select.weights.skill_graph import load_graph
from curate.train.settings import TrainSettings
from curate.train.skill_run import GraphSettings, learned_graph

#: a source is called as a user likes
SOURCES = ["Question Answering", "question/answering", "question_answering", "हिन्दी"]


def test_a_run_for_each_source_whatever_it_is_called(tmp_path: Path) -> None:
    settings = TrainSettings.model_validate(
        {
            "name": "t", "data": "tokens", "model": {"preset": "1m"}, "steps": 9, "output": str(tmp_path),
            "evaluate": {"data": "held-out"},
        }
    )  # fmt: skip
    seen: list[TrainSettings] = []

    def train(short: TrainSettings) -> dict[str, float]:
        seen.append(short)
        Path(short.output).mkdir(parents=True)
        alone = list(short.mixture["weights"])
        return {"a": 4.0 if not short.steps else 1.0 + SOURCES.index(alone[0]), "b": 9.0}

    path = learned_graph(settings, GraphSettings(steps=3), ["hash"], SOURCES, ["a"], train)
    assert load_graph(path).weights.ravel().tolist() == [3.0, 2.0, 1.0, 0.0]
    assert [run.steps for run in seen] == [0, 3, 3, 3, 3]
    folders = [Path(run.output) for run in seen]
    assert len(set(folders)) == 5 and {folder.parent for folder in folders} == {tmp_path / "graph"}
    assert learned_graph(settings, GraphSettings(steps=3), ["hash"], SOURCES, ["a"], train) == path and len(seen) == 5
