"""The recipes that end in a model, on real data, in a very shortened form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("faiss")

from tiny_llama import saved_llama

from curate.config import Overrides
from curate.files import read_json
from curate.job import run_file

PIPELINES = Path(__file__).parent.parent.parent / "pipelines"
SHORT = (
    "train.steps=2",
    "train.rows=2",
    "train.micro_rows=2",
    "train.context=64",
    "train.device=cpu",
    "train.log_every=1",
)
SHAPE = "{hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 2, intermediate_size: 16}"


def ran(name: str, out: Path, inputs: list[str], capsys: Any, *more: str, sample: str | None = None) -> dict[str, Any]:
    overrides = Overrides(output=str(out), inputs=tuple(inputs), workers=1, settings=(*SHORT, *more))
    run_file(str(PIPELINES / name), overrides, sample=sample, force=False, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_from_a_crawl_and_books_to_a_model(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = [f"crawl={shared_data}/corpus/debian_pages.warc.gz", f"prose={shared_data}/prose/standardebooks.jsonl.gz"]
    more = (
        "output.tokens.tokenizer.train.vocabulary=400", "output.tokens.held_out=20%", "train.evaluate.documents=2",
        f"train.model={{preset: 1m, config: {SHAPE}}}",
    )  # fmt: skip
    found = ran("pretrain_small.yaml", tmp_path / "out", inputs, capsys, *more, sample="160")
    assert found["train"]["step"] == 2 and set(found["train"]["held_out"]) >= {"prose"}
    assert 0 < found["documents"]["kept"] < 160
    assert (tmp_path / "out" / "train" / "model" / "tokenizer.json").exists()
    assert read_json(tmp_path / "out" / "tokenizer" / "training.json")["vocabulary"] == 400


def test_from_instructions_to_an_assistant(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved_llama(tmp_path / "llama")
    more = (
        f"output.tokens.tokenizer={tmp_path}/llama", "output.tokens.template=plain", "output.tokens.held_out=20%",
        f"train.model.from={tmp_path}/llama", "steps.instruct_mining.budget.documents=40", "train.evaluate.documents=8",
        "train.evaluate.every=2", "train.checkpoint.every=2", "train.context=512",
    )  # fmt: skip
    inputs = [f"{shared_data}/instructions/self_instruct_seed.jsonl.gz"]
    found = ran("sft_small.yaml", tmp_path / "out", inputs, capsys, *more)
    assert found["documents"]["kept"] == 40 and found["train"]["step"] == 2
    lines = (tmp_path / "out" / "train" / "metrics.jsonl").read_text().splitlines()
    held = [entry for line in lines if "held_out" in (entry := json.loads(line))]
    assert [entry["step"] for entry in held] == [0, 2] and held[0]["held_out"] != held[1]["held_out"]
    assert (tmp_path / "out" / "train" / "model" / "adapter_config.json").exists()
