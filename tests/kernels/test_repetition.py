"""Repetition signals equal a slow twin in plain Python, for any text and any words."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.repetition import COLUMNS, repetition_signals
from curate.kernels.words import split_words
from curate.text import buffers


def twin(text: str, words: list[str]) -> dict[str, float]:
    """The definitions of the specification, word for word."""
    found = dict.fromkeys(COLUMNS, 0.0)
    if not text:
        return found
    found["char_count"] = len(text)
    for name, parts in (("line", re.split("\n+", text)), ("para", re.split("\n{2,}", text.strip()))):
        copies = [part for place, part in enumerate(parts) if part in parts[:place]]
        found[f"dup_{name}_frac"] = len(copies) / len(parts)
        found[f"dup_{name}_char_frac"] = sum(map(len, copies)) / len(text)
    for n in range(2, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        if n <= 4 and grams:
            gram, count = Counter(grams).most_common(1)[0]
            found[f"top_{n}gram_char_frac"] = len(" ".join(gram)) * count / len(text)
        if n >= 5:
            seen, characters, i = set(), 0, 0
            while i < len(grams):
                if grams[i] in seen:
                    characters += len("".join(grams[i]))
                    i += n
                else:
                    seen.add(grams[i])
                    i += 1
            found[f"dup_{n}gram_char_frac"] = characters / len(text)
    return found


def check(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    words = split_words(data, offsets)
    raw = bytes(data)
    signals = repetition_signals(data, offsets, words)
    for place, text in enumerate(texts):
        own = range(words.first[place], words.first[place + 1])
        pieces = [raw[words.start[w] : words.stop[w]].decode() for w in own]
        assert dict(zip(COLUMNS, signals[place].tolist(), strict=True)) == twin(text, pieces)


@pytest.mark.parametrize(
    ("text", "signal", "value"),
    [
        ("a b\nc d\na b\na b", "dup_line_frac", 0.5),
        ("one two three four five six one two three four five seven", "dup_5gram_char_frac", 19 / 57),
        ("one two three four five six one two three four five seven", "top_2gram_char_frac", 14 / 57),
        ("\na\n", "dup_line_frac", 1 / 3),
        ("é\n\né\n\né", "dup_para_frac", 2 / 3),
        ("é\n\né\n\né", "dup_para_char_frac", 2 / 7),
        ("one two three", "top_2gram_char_frac", 7 / 13),
    ],
)
def test_known_answers(text: str, signal: str, value: float) -> None:
    data, offsets = buffers(pa.array([text]))
    signals = repetition_signals(data, offsets, split_words(data, offsets))
    assert signals[0, COLUMNS.index(signal)] == value


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "cé", " ", "\n", "\n\n", "\n\n\n", "\u2003"]), max_size=60).map("".join)
    )
)
def test_repetitive_texts_equal_the_twin(texts: list[str]) -> None:
    check(texts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a ", "b ", "c\n"]), max_size=400).map("".join), max_size=3))
def test_long_repetitive_texts_equal_the_twin(texts: list[str]) -> None:
    check(texts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_any_texts_equal_the_twin(texts: list[str]) -> None:
    check(texts)


def test_a_slice_of_a_column_is_like_a_column() -> None:
    column = pa.array(["x x x x", "a b\n\na b", "one"])
    data, offsets = buffers(column.slice(1))
    signals = repetition_signals(data, offsets, split_words(data, offsets))
    data, offsets = buffers(pa.array(["a b\n\na b", "one"]))
    assert np.array_equal(signals, repetition_signals(data, offsets, split_words(data, offsets)))
