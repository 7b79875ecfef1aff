"""Hashed n-grams against a slow twin and NLTK, weights by hand, and what DSIR chooses."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import regex
from corpora import curate, documents, pipeline, run_ok, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import CurateError
from curate.kernels.sha256 import remainder
from curate.select.budget import Budget
from curate.select.dsir import Dsir, Words, features, kinds, log_ratio, weigh
from curate.select.pool import scored

PIECES = st.sampled_from(
    ["the", "The ", "cat", "ΑΣ", "ΣΑΣ ", "ς.", "İ", "I", "ǅ", "नमस्ते ", "दुनिया।", "Ⱥ", "\u212a", "\x1c", "\x85", "\u3000",
     "e\u0301", "😀!", "?!", "--", "\u200d", "\u0345Σ", "x" * 60, "\n", "1½", "_a"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join))


def bucket(text: str, buckets: int = 10_000) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % buckets


def twin(text: str, ngrams: int, words: str) -> list[int]:
    tokens = {"re": re, "regex": regex}[words].findall(r"\w+|[^\w\s]+", text.lower())
    grams = [" ".join(tokens[i : i + n + 1]) for i in range(len(tokens)) for n in range(min(ngrams, len(tokens) - i))]
    return [bucket(gram) for gram in grams]


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 2**32 - 1))
def test_the_remainder_is_that_of_sha256(message: bytes, divisor: int) -> None:
    data = np.frombuffer(b"--" + message + b"---", np.uint8)
    found = remainder(data, 2, 2 + len(message), divisor, np.empty(72, np.uint32))
    assert found == int(hashlib.sha256(message).hexdigest(), 16) % divisor


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("the cat", [8288, 143, 2366]), ("Training  DATA", [6164, 402, 1943]), ("", []), (" \n", []), (None, [])],
)
def test_buckets_are_those_of_the_reference(text: str | None, wanted: list[int]) -> None:
    assert features(pa.array([text], pa.string())).to_pylist() == [wanted]


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(1, 4), st.sampled_from(["re", "regex"]))
def test_features_are_those_of_the_twin(texts: list[str], ngrams: int, words: Words) -> None:
    array = pa.array(["", *texts], pa.string())
    assert features(array.slice(1), ngrams, words=words).to_pylist() == [twin(text, ngrams, words) for text in texts]


def test_tokens_are_nltks() -> None:
    from nltk.tokenize import WordPunctTokenizer

    every = "".join(f"a{chr(code)}b {chr(code)} " for code in range(0x20000) if not 0xD800 <= code < 0xE000).lower()
    mine = kinds("regex")
    for token in WordPunctTokenizer().tokenize(every):
        assert len({int(mine[ord(char)]) for char in token}) == 1 and mine[ord(token[0])] != 0
    spaces = {chr(code) for code in np.flatnonzero(mine[:0x20000] == 0)}
    assert "".join(WordPunctTokenizer().tokenize(every)) == "".join(char for char in every if char not in spaces)


def test_weights_by_hand() -> None:
    ratio = log_ratio(np.array([3, 1, 0]), np.array([1, 1, 2]))
    assert ratio == pytest.approx([1.098612, 0, -17.727534], abs=1e-6)
    found = pa.array([[0, 0], [0, 1], [1, 2], []], pa.list_(pa.uint16()))
    assert weigh(found, ratio) == pytest.approx([2.197225, 1.098612, -17.727534, 0], abs=1e-6)
    smooth = log_ratio(np.array([3, 1, 0]), np.array([1, 1, 2]), smoothing=1)
    assert smooth == pytest.approx(np.log([4 / 7, 2 / 7, 1 / 7]) - np.log([0.25, 0.25, 0.5]), abs=1e-6)


@pytest.mark.parametrize(("tokens", "long"), [(99, False), (100, True)])
def test_short_texts_have_no_opinion(tokens: int, long: bool) -> None:
    found = features(pa.array([" ".join(["a"] * tokens)]))
    assert len(found[0]) == 2 * tokens - 1 and np.isfinite(weigh(found, np.zeros(10_000), 2, 100))[0] == long


def mixed(count: int) -> tuple[list[str], pa.Array]:
    rng = np.random.default_rng(1)
    sea, land = (
        "ship sail wave wind harbour deck anchor tide".split(),
        "field plough wheat barn cow fence hay mill".split(),
    )
    texts = [" ".join(rng.choice(sea if i % 4 == 0 else land, 120)) for i in range(count)]
    return texts, pa.array(["the ship and the wave", "wind, tide and anchor"])


def test_it_takes_the_targets_kind() -> None:
    texts, target = mixed(80)
    best = Dsir(how="top_k", budget=Budget(documents=20)).aimed_at(target)
    assert np.flatnonzero(scored(best, pa.array(texts))["chosen"]).tolist() == list(range(0, 80, 4))


def test_sampling_follows_the_weights() -> None:
    # two buckets' worth of difference: with temperature 1 the first of two is drawn with probability w / (1 + w)
    texts, target = pa.array(["a b", "a c"]), pa.array(["a b a b a c"])
    selector = Dsir(min_tokens=0).aimed_at(target)
    scores = scored(selector, texts)["score"].to_numpy()
    wanted = 1 / (1 + np.exp(scores[1] - scores[0]))
    firsts = Counter(
        int(scored(selector.model_copy(update={"seed": seed}), texts)["rank"].to_numpy().argmin())
        for seed in range(400)
    )
    assert wanted > 0.7 and firsts[0] / 400 == pytest.approx(wanted, abs=0.08)


def test_a_target_without_tokens_is_an_error() -> None:
    with pytest.raises(CurateError, match="the target  has no text"):
        scored(Dsir().aimed_at(pa.array([" ", None])), pa.array(["a b c"]))


def test_a_pool_without_a_long_enough_text_is_an_error_not_an_empty_choice() -> None:
    with pytest.raises(CurateError, match="none of 2 documents has a score(.|\n)*lower `min_tokens`"):
        scored(Dsir().aimed_at(pa.array(["a b c"])), pa.array(["a b c", None]))


def test_a_pipeline_resamples_towards_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    texts, target = mixed(40)
    rows = [{"id": f"{i}", "text": text} for i, text in enumerate(texts)]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows[:20])
    write_jsonl(tmp_path / "in" / "b.jsonl", [*rows[20:], *documents(1, 2, words=20)])
    write_jsonl(tmp_path / "sea.jsonl", [{"text": text} for text in target.to_pylist()])
    run_ok(pipeline(tmp_path, "[{dsir: {target: [sea.jsonl], how: top_k, budget: {share: 25%}}}]"), "--workers", 1)
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet")
    assert set(ledger.filter(pl.col("fate") == "kept")["id"]) == {str(i) for i in range(0, 40, 4)}
    short = ledger.filter(pl.col("id").str.starts_with("1-"))
    assert short["dsir"].struct.field("score").null_count() == short.height == 2


def test_a_plan_is_made_where_the_sample_has_no_score(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": str(i), "text": f"short {i}"} for i in range(3)])
    planned = curate("plan", pipeline(tmp_path, "[{dsir: {target: in/a.jsonl, budget: {share: 50%}}}]"))
    assert planned.returncode == 0 and "3 kept" in planned.stdout
