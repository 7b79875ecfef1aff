"""Trackers hold what metrics.jsonl holds, also of a run that was stopped; the packages are the user's to install."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from token_sets import make_set, random_lengths  # noqa: E402
from training_runs import VOCABULARY, run, settings, stop_at  # noqa: E402

from curate.train.checks import setting_problems  # noqa: E402
from curate.train.trackers import NAMES, is_installed  # noqa: E402

#: (name of a figure, step, value)
Figures = set[tuple[str, int, float]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lengths = {"books": random_lengths(1, 4, mean=200), "web": random_lengths(2, 30, mean=40)}
    return make_set(tmp_path_factory.mktemp("trackers") / "set", lengths, vocabulary=VOCABULARY).folder


def test_a_package_that_is_missing_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # W&B leaves such a folder where it runs
    (tmp_path / "no_package").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_installed("no_package") and not is_installed("nowhere") and is_installed("json")
    names = ["tensorboard", "wandb", "trackio"]
    found = setting_problems(settings(tmp_path, tmp_path, trackers=names), lambda key: f"{key}", held_out=False)
    assert [(p.where, p.hint) for p in found] == [
        (f"('trackers', {i})", "pip install 'curate[trackers]'") for i in range(3) if not is_installed(names[i])
    ]


def stopped_and_resumed(data: Path, output: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Figures:
    """Train with a tracker, die after three steps, go on from the second; what metrics.jsonl has in the end."""
    chosen = settings(
        data, output, steps=4, checkpoint={"every": 2}, trackers=[name], evaluate={"data": str(data), "every": 2, "documents": 2}
    )  # fmt: skip
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            run(chosen)
    return {figure for entry in run(chosen) for figure in flat(entry, entry["step"])}


def flat(entry: dict[str, Any], step: int, prefix: str = "") -> Iterator[tuple[str, int, float]]:
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from flat(value, step, f"{prefix}{key}/")
        elif key != "step":
            # TensorBoard's precision
            yield prefix + key, step, float(np.float32(value))


def but_speed(found: Iterable[tuple[str, int, float]]) -> Figures:
    """Without the speed, which no run has again, and metrics() leaves out."""
    return {(name, step, float(np.float32(value))) for name, step, value in found if name != "tokens_per_second"}


def test_tensorboard(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    wanted = stopped_and_resumed(data, tmp_path, monkeypatch, "tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(name, event.step, event.value) for name in events.Tags()["scalars"] for event in events.Scalars(name)]
    # no step twice, though the third was written by both
    assert len(found) == len(set(found)) and but_speed(found) == wanted
    assert events.Tags()["tensors"] == ["settings/text_summary"]


def test_wandb_offline(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    wanted, found, names = stopped_and_resumed(data, tmp_path, monkeypatch, "wandb"), set(), []
    for path in sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb")):
        for written in records(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(written)
            names += [record.run.run_id] if record.HasField("run") else []
            values = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item
            }
            found |= {(key, values["_step"], value) for key, value in values.items() if not key.startswith("_")}
    # one run, which both parts are of
    assert names == [json.loads((tmp_path / NAMES).read_text())["run"]] * 2 and names[0].startswith("test-20")
    assert but_speed(found) == wanted


def records(data: bytes) -> Iterator[bytes]:
    """The records of a file of W&B: LevelDB's log format behind a header of seven bytes."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the end of one
            yield whole
            whole = b""


def test_trackio(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # read when trackio is imported
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio")
    wanted = stopped_and_resumed(data, tmp_path, monkeypatch, "trackio")
    with sqlite3.connect(tmp_path / "trackio" / "curate.db") as database:
        rows = database.execute("SELECT DISTINCT run_name, step, metrics FROM metrics").fetchall()
    assert {run for run, _, _ in rows} == {json.loads((tmp_path / NAMES).read_text())["run"]}
    assert but_speed(figure for _, step, values in rows for figure in flat(json.loads(values), step)) == wanted
