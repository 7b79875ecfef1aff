"""Hashed features and the linear classifier over them against the rule as it reads."""

from __future__ import annotations

import math
import re
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.kernels.hashed_grams import MOST_LETTERS, MOST_WORDS
from curate.kernels.linear_text import Linear, features, load, probabilities, save
from curate.text import buffers

BITS, LEAST, MOST = 14, 2, 4
_DISGUISES = str.maketrans("@$!013457", "asioieast")


def _part(char: str) -> bool:
    return char == "_" or char.isalnum() or unicodedata.category(char)[0] == "M"


def _letter(char: str) -> bool:
    return char.isalpha() or unicodedata.category(char)[0] == "M"


def _words(text: str) -> list[str]:
    """The folded words; a user name is \\x01, a web address \\x02."""
    words, i = [], 0
    goes_on = lambda k: k < len(text) and _part(text[k])  # noqa: E731
    while i < len(text) and len(words) < MOST_WORDS:
        if text[i] == "@" and goes_on(i + 1):
            i += 1
            while goes_on(i):
                i += 1
            words.append("\x01")
        elif _part(text[i]) or (text[i] == "$" and goes_on(i + 1)):
            if re.match(r"https?://|www\.", text[i:], re.IGNORECASE | re.ASCII):
                while i < len(text) and not text[i].isspace():
                    i += 1
                words.append("\x02")
                continue
            raw, lettered = "", False
            while i < len(text):
                char = text[i]
                if char in "'\u2019":
                    if not goes_on(i + 1):
                        break
                    i += 1
                    continue
                twice = char != "!" and text[i + 1 : i + 2] == char
                if not _part(char) and not (char in "*@$!" and (goes_on(i + 1) or twice)):
                    break
                lettered = lettered or _letter(char)
                raw += char.lower()[0]
                i += 1
            raw = raw[:MOST_LETTERS]
            raw = raw.translate(_DISGUISES) if lettered else re.sub("[0-9]", "0", raw)
            words.append(re.sub(r"(.)\1\1+", r"\1", raw, flags=re.DOTALL))
        else:
            i += 1
    return words


def _hash(text: str, value: int = 2166136261) -> int:
    for char in text:
        value = ((value ^ ord(char)) * 16777619) & 0xFFFFFFFF
    return value


def _slot(value: int, kind: int) -> int:
    return (((value ^ kind) * 0x9E3779B1) & 0xFFFFFFFF) >> (32 - BITS)


def _features(text: str) -> list[int]:
    words = _words(text)
    joined = re.sub(r"[^a-z ]", "?", "".join(word if len(word) == 1 else " " for word in words))
    lone = [run[:MOST_LETTERS] for run in re.findall(r"[a-z]{3,}", joined)]
    found = []
    for word in [*words, *lone]:
        found.append(_slot(_hash(word), 0x1B873593))
        if word not in ("\x01", "\x02"):
            marked = f"<{word}>"
            found += [
                _slot(_hash(marked[i : i + n]), 0x85EBCA6B)
                for n in range(LEAST, MOST + 1)
                for i in range(len(marked) - n + 1)
            ]
    for before, after in zip(words, words[1:], strict=False):
        pair = ((_hash(before) * 16777619) & 0xFFFFFFFF) ^ _hash(after)
        found.append(_slot(pair, 0xCC9E2D51))
    return sorted(found)


_TEXTS = st.text(
    st.sampled_from("abF*@$!'\u2019013. _-\u00e9/:wht\U0001f600") | st.characters(exclude_categories=["Cs"]),
    max_size=60,
)


@settings(deadline=None)
@given(st.lists(_TEXTS, max_size=4))
@example(
    [
        "f u c k you, you sh1t!! @ann http://a.b c www.x WWW.",
        "don't $hit f**k f*ck* a@b 2nd 1234 fuuuuck b!tch a!! 1000",
        "x" * 99,
    ]
)
@example(["A B C d e f 1 g h", "i " * 300, "h ht https:/ https://"])
def test_same_features_as_the_rule(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    found, first = features(data, offsets[:-1], offsets[1:], bits=BITS, least=LEAST, most=MOST)
    for i, text in enumerate(texts):
        assert sorted(found[first[i] : first[i + 1]].tolist()) == _features(text)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(raw: bytes) -> None:
    data = np.frombuffer(b"x" + raw + b"x", np.uint8)
    edges = (np.array([1], np.int32), np.array([1 + len(raw)], np.int32))
    found, _ = features(data, *edges, bits=BITS, least=LEAST, most=MOST)
    assert (found < 1 << BITS).all()
    model = Linear(np.ones(1 << BITS, np.int8), 0.1, -1.0, LEAST, MOST)
    score, words = probabilities(data, *edges, model)
    assert 0 <= score[0] < 1 and (score[0] > 0) == (words[0] > 0) == (len(found) > 0)


def test_the_probability_is_the_formula(tmp_path: Path) -> None:
    model = Linear(np.random.default_rng(0).integers(-99, 99, 1 << BITS).astype(np.int8), 0.01, -0.25, LEAST, MOST)
    save(model, tmp_path / "model.npz")
    text = "Such a fine d\u00e9j\u00e0-vu, isn't it?"
    data, offsets = buffers(pa.array([text]))
    kept = load(tmp_path / "model.npz")
    score, words = probabilities(data, offsets[:-1], offsets[1:], kept)
    found = _features(text)
    logit = -0.25 + 0.01 * float(model.weights[found].astype(int).sum()) / len(found) ** 0.25
    assert score[0] == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-7)
    assert words[0] == 7 and kept.shift == model.shift == 32 - BITS
