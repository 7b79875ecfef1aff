"""The step `ifd`: both ratios by known answers and by the model's own probabilities, alone and in company."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from corpora import curate, pipeline, run_ok, write_jsonl
from pydantic import ValidationError
from tiny_llama import saved_llama

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.select.ifd import Ifd, ratios

PROMPT = "Q {question}\nA "


def talk(*turns: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]


def scored(talks: list[Any], **settings: Any) -> list[dict[str, Any]]:
    rows = [{"row": i, "id": str(i), "text": "x", "messages": found} for i, found in enumerate(talks)]
    made = Ifd(prompt=PROMPT, **settings).process(document_batch(rows))
    return [{**row, "error": error} for row, error in zip(made["ifd"].to_pylist(), made["error"].to_pylist(), strict=True)]  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["start", "no start"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    saved_llama(folder, request.param)
    return folder


def test_both_definitions_have_their_known_answers() -> None:
    # specs 2.2: losses of the answer's tokens [1, 2, 3] behind the instruction, [2, 2, 4] without
    losses, perplexities = ratios(np.array([np.mean([1, 2, 3])]), np.array([np.mean([2, 2, 4])]))
    assert losses[0] == pytest.approx(0.75) and perplexities[0] == pytest.approx(0.513417, abs=1e-6)
    # the order of two pairs is not the same; above 1 they are together
    losses, perplexities = ratios(np.array([1.0, 6, 2.1, 0, 1]), np.array([2.0, 9, 2, 0, 0]))
    assert losses[0] < losses[1] and perplexities[0] > perplexities[1]
    assert losses[2] > 1 and perplexities[2] > 1 and losses[3] == 1 and np.isfinite(losses[4])


def test_the_losses_are_those_of_the_models_own_probabilities(tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    config = json.loads((tiny / "tokenizer_config.json").read_text())
    begin = [0] if config.get("bos_token") else []
    vocabulary = json.loads((tiny / "tokenizer.json").read_text())["model"]["vocab"]

    def nats(before: str, answer: str) -> tuple[float, int]:
        ids = [[vocabulary[{" ": "Ġ", "\n": "Ċ"}.get(c, c)] for c in text] for text in (before, answer)]
        whole, size = [*begin, *ids[0], *ids[1]], len(ids[1]) - 1 + len(begin)
        with torch.no_grad():
            logs = model(torch.tensor([whole])).logits[0].log_softmax(-1)
        return -sum(float(logs[i - 1, whole[i]]) for i in range(len(whole) - size, len(whole))), size

    talks = [talk("why?", "so it is"), talk("a b", "c", "and then?", "the end")]
    asked = [[("why?", "so it is")], [("a b", "c"), ("User: a b\n\nAssistant: c\n\nUser: and then?", "the end")]]
    for row, pairs in zip(scored(talks, model=str(tiny)), asked, strict=True):
        given, alone = (
            [nats(PROMPT.replace("{question}", q) * behind, a) for q, a in pairs if len(a) > 1 or begin]
            for behind in (1, 0)
        )
        count = sum(size for _, size in given)
        means = [sum(lost for lost, _ in part) / count for part in (given, alone)]
        assert row["tokens"] == count and row["whole"] is True
        assert row["prompt_tokens"] == sum(len(PROMPT) - 10 + len(q) for q, _ in pairs)
        assert [row["loss_given"], row["loss_alone"]] == pytest.approx(means, rel=5e-4)
        assert row["loss_ratio"] == pytest.approx(means[0] / means[1], rel=5e-4)
        assert row["ppl_ratio"] == pytest.approx(math.exp(means[0] - means[1]), rel=2e-3)


def test_a_pair_scores_the_same_in_any_company(tiny: Path) -> None:
    rng = random.Random(3)
    talks = [talk(*("".join(rng.choices("abc de", k=rng.randint(1, 90))) + "x" for _ in range(2))) for _ in range(24)]
    together = scored(talks, model=str(tiny), window=128)
    assert together == [scored([one], model=str(tiny), window=128)[0] for one in talks]
    assert together == scored(talks[::-1], model=str(tiny), window=128)[::-1]


def test_what_cannot_be_scored_is_told(tiny: Path) -> None:
    talks = [talk("a", "b" * 80), talk("a" * 80, "bb"), None, talk("a", "bb")]
    cut, full, no_talk, sound = scored(talks, model=str(tiny), window=64)
    assert cut["whole"] is False and 0 < cut["tokens"] < 64 - cut["prompt_tokens"] + 1
    assert full["loss_ratio"] is None and full["tokens"] == 0 and full["whole"] is False
    assert "chat: auto" in no_talk["error"] and no_talk["loss_ratio"] is None
    assert sound["error"] is None and sound["loss_ratio"] > 0
    with pytest.raises(ValidationError, match="once"):
        Ifd(prompt="no slot")
    with pytest.raises(MissingAsset):
        Ifd(model="not/here").assets()


def test_a_pipeline_drops_what_misleads_and_chooses_the_hardest(tmp_path: Path) -> None:
    saved_llama(tmp_path / "llama")
    rng = random.Random(5)
    rows = [{"id": str(i), "instruction": "ab" * rng.randint(1, 9), "output": "".join(rng.choices("abc", k=12))} for i in range(30)]  # fmt: skip
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    steps = '[{ifd: {model: llama, prompt: "{question}"}}, {choose: {by: ifd.loss_ratio, budget: {documents: 5}}}]'
    file = pipeline(tmp_path, steps, inputs="[{name: a, path: in, chat: auto, id: id}]")
    run_ok(file, "--workers", 1)
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").unnest("ifd")
    aligned = ledger.filter(pl.col("loss_ratio") <= 1)
    assert 5 < aligned.height < 30
    assert set(ledger.filter(pl.col("rule").list.contains("loss_ratio"))["id"]) == set(ledger["id"]) - set(
        aligned["id"]
    )
    hardest = aligned.sort("loss_ratio", descending=True)["id"][:5]
    assert set(ledger.filter(pl.col("fate") == "kept")["id"]) == set(hardest)
    shown = curate("explain", tmp_path / "out", hardest[0]).stdout
    assert "loss_ratio" in shown


def test_a_batch_without_a_conversation(tiny: Path) -> None:
    (alone,) = scored([None], model=str(tiny))
    assert alone["tokens"] == 0 and "chat: auto" in alone["error"] and scored([], model=str(tiny)) == []
