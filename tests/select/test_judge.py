"""The step `judge`: the expectation over digits of the model's own logits, alone and in company."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_llama import saved_llama

from curate.documents import document_batch
from curate.errors import CurateError, MissingAsset
from curate.select.judge import Judge
from curate.steps.causal_model import loaded

PROMPT = "{question}|{answer}>"


def talk(*turns: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]


def judged(talks: list[Any], **settings: Any) -> list[dict[str, Any]]:
    rows = [{"row": i, "id": str(i), "text": "x", "messages": found} for i, found in enumerate(talks)]
    made = Judge(prompt=PROMPT, **settings).process(document_batch(rows))
    pairs = zip(made["judge"].to_pylist(), made["error"].to_pylist(), strict=True)
    return [{**row, "error": error} for row, error in pairs]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    saved_llama(folder)
    return folder


def test_the_mark_is_the_expectation_over_the_models_own_digits(tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    vocabulary = json.loads((tiny / "tokenizer.json").read_text())["model"]["vocab"]

    def mark(prompt: str, low: int, high: int) -> float:
        ids = [0, *(vocabulary[{" ": "Ġ", "\n": "Ċ"}.get(c, c)] for c in prompt)]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].double().numpy()
        likely = np.exp([logits[vocabulary[str(digit)]] for digit in range(low, high + 1)])
        return float(likely @ np.arange(low, high + 1) / likely.sum())

    template = tiny / "chat_template.jinja"
    template.write_text(
        "{% for m in messages %}<s>U {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}A {% endif %}"
    )
    loaded.cache_clear()
    (asked,) = judged([talk("why?", "so")], model=str(tiny), chat=True)
    template.unlink()
    loaded.cache_clear()
    assert asked["score"] == pytest.approx(mark("U why?|so>\nA ", 0, 5), rel=5e-4)
    talks = [talk("why?", "so"), talk("{answer}", "c", "and?", "the end")]
    for low, high in ((0, 5), (1, 6)):
        one, two = judged(talks, model=str(tiny), scale=(low, high))
        assert one["score"] == pytest.approx(mark("why?|so>", low, high), rel=5e-4) and one["turns"] == 1
        later = "User: {answer}\n\nAssistant: c\n\nUser: and?|the end>"
        marks = [mark("{answer}|c>", low, high), mark(later, low, high)]
        assert two["score"] == pytest.approx(np.mean(marks), rel=5e-4) and two["turns"] == 2
        assert two["marks"] == pytest.approx(marks, rel=5e-4) and one["marks"] == [one["score"]]


def test_a_conversation_is_marked_the_same_in_any_company(tiny: Path) -> None:
    rng = random.Random(3)
    talks = [talk(*("".join(rng.choices("abc de", k=rng.randint(1, 60))) + "x" for _ in range(2))) for _ in range(24)]
    together = judged(talks, model=str(tiny), window=128)
    assert together == [judged([one], model=str(tiny), window=128)[0] for one in talks]


def test_what_cannot_be_marked_is_told(tiny: Path) -> None:
    long, no_talk, sound = judged([talk("a", "b" * 80, "c", "d"), None, talk("a", "b")], model=str(tiny), window=64)
    assert long["score"] is None and long["marks"] is None and long["error"] is None and long["turns"] == 2
    assert no_talk["score"] is None and "chat: auto" in no_talk["error"]
    assert 0 <= sound["score"] <= 5 and sound["error"] is None
    for wrong in ({"prompt": "no slot"}, {"scale": (5, 1)}, {"scale": (1, 10)}, {"preset": "x"}):
        with pytest.raises(ValidationError):
            Judge.model_validate({"model": "m", **wrong})
    for model, hint in (("not/here", "hf download not/here"), ("/not/here", "name a folder")):
        with pytest.raises(MissingAsset, match=hint):
            Judge(model=model).assets()
    with pytest.raises(MissingAsset, match="judge: the model has no chat template"):
        Judge(model=str(tiny), chat=True).assets()
    with pytest.raises(CurateError, match="judge: the model has no chat template"):
        judged([talk("a", "b")], model=str(tiny), chat=True)


def test_the_cut_of_alpagasus_is_inclusive() -> None:
    assert Judge(model="m", preset="alpagasus").rule_table() == {"score": "judge.score >= 4.5"}


def test_a_batch_without_a_conversation(tiny: Path) -> None:
    (alone,) = judged([None], model=str(tiny))
    assert alone["turns"] == 0 and "chat: auto" in alone["error"] and judged([], model=str(tiny)) == []
