"""InstructMining's refit from end to end: a planted fault is found, a fit that was stopped goes on, what cannot be is told."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("faiss")

from corpora import WORDS, curate, write_jsonl
from tiny_llama import saved_llama

from curate.errors import ConfigError
from curate.select.fit_rule import fit_table
from curate.train.mining import mine, mine_file
from curate.train.mining_settings import MiningSettings

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TINY = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
    "intermediate_size": 32,
}  # fmt: skip


def talks(count: int, seed: int, *, spoiled: bool = False) -> list[dict[str, str]]:
    """Questions with answers in words; spoiled, in random letters."""
    rng = random.Random(seed)
    made = []
    for i in range(count):
        words = [rng.choice(WORDS) for _ in range(rng.randint(6, 14))]
        if spoiled:
            words = ["".join(rng.choice(LETTERS) for _ in word) for word in words]
        made.append({"instruction": f"Write of {rng.choice(WORDS)} {seed} {i}", "output": " ".join(words)})
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mining")
    saved_llama(made / "llama")
    held = talks(20, 3)
    write_jsonl(made / "held.jsonl", held)
    write_jsonl(made / "sound.jsonl", [*talks(80, 1), held[0]])
    write_jsonl(made / "spoiled.jsonl", talks(80, 2, spoiled=True))
    return made


def settings(folder: Path, output: Path, **more: Any) -> MiningSettings:
    given: dict[str, Any] = {
        "name": "test", "seed": 5, "pool": [f"{n}={folder / n}.jsonl" for n in ("sound", "spoiled")],
        "heldout": str(folder / "held.jsonl"), "model": {"preset": "1m", "config": TINY}, "tokenizer": str(folder / "llama"),
        "context": 64, "rows": 4, "micro_rows": 4, "epochs": 2, "optimizer": {"lr": 2e-2}, "device": "cpu",
        "sets": {"count": 8, "size": 24}, "most_p": 0.1, "output": str(output),
    }  # fmt: skip
    return MiningSettings.model_validate({**given, **more})


def test_a_planted_fault_is_found_and_a_stopped_fit_goes_on_to_the_same_bytes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {
        "sets": {"count": 9, "size": [16, 24]},
        "size": {"least": 16, "most": 64, "trials": 2, "controls": 1},
        "steps": 20,
    }
    lines: list[str] = []
    _, facts = mine(settings(folder, tmp_path / "whole", **more), lines.append)
    assert "1 held out" in lines[0] and all(" 20 steps" in line for line in lines[1:]) and facts["fit"]["r2"] > 0.5
    # words of random letters are like no others: the farther apart a set, the worse
    assert facts["rule"]["knn"] > 0 and facts["loss"] < min(facts["random"])
    given = settings(folder, tmp_path / "cut", **more).model_dump(mode="json", by_alias=True, exclude_unset=True)
    (tmp_path / "mine.yaml").write_text(json.dumps(given))
    _stop_in_the_middle(monkeypatch, run=3, step=4)
    with pytest.raises(RuntimeError, match="killed"):
        mine_file(str(tmp_path / "mine.yaml"), output=None, settings=[], as_json=False)
    monkeypatch.undo()
    capsys.readouterr()
    mine_file(str(tmp_path / "mine.yaml"), output=None, settings=[], as_json=False)
    told = capsys.readouterr()
    assert told.err.count("was there") == 3 and "set 9/9: 16 conversations" in told.err
    for name in ("runs.jsonl", "sizes.jsonl", "report.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    left = {path.name for path in (tmp_path / "cut" / "runs").glob("*/*")}
    assert left == {"receipt.json", "log.txt"}
    fit_table(str(tmp_path / "cut" / "runs.jsonl"), most_p=0.1, as_json=False)
    again = capsys.readouterr().out
    assert "log_size" in again and again.splitlines()[-1].removesuffix("}") in told.out


def _stop_in_the_middle(monkeypatch: pytest.MonkeyPatch, *, run: int, step: int) -> None:
    """Die, as by kill -9, in a step of a run; checkpoints are kept before."""
    import curate.train.loop as loop
    import curate.train.short_runs as short_runs

    original: Callable[..., Any] = loop.train_step
    begun = [0]

    def dying(state: Any, batch: Any) -> Any:
        begun[0] += state.step == 0
        if begun[0] == run + 1 and state.step == step:
            raise RuntimeError("killed")
        return original(state, batch)

    monkeypatch.setattr(short_runs, "CHECKPOINT", 2)
    monkeypatch.setattr(loop, "train_step", dying)


def test_a_recipe_with_a_mistake_is_told(folder: Path, tmp_path: Path) -> None:
    given = settings(folder, tmp_path).model_dump(mode="json", by_alias=True, exclude_unset=True)
    (tmp_path / "mine.yaml").write_text(json.dumps({**given, "sets": {"count": 5}}))
    done = curate("instruct-mine", "fit", tmp_path / "mine.yaml")
    assert done.returncode == 2 and "5 sets are too few" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sets": {"count": 8, "size": 100}}, "more than half of the pool of 160"),
        ({"size": {"least": 8, "most": 500}}, "the pool has 160"),
        ({"indicators": {"reward": "rm.score"}}, "no conversation has a number in `rm.score`"),
        ({"pool": "nowhere/*.jsonl"}, "nowhere"),
    ],
)
def test_what_cannot_be_is_told_before_any_training(
    folder: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        mine(settings(folder, tmp_path, **change), lambda _: None)
    assert not (tmp_path / "runs").exists()
