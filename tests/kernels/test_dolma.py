"""The signals of Dolma's taggers equal a slow twin in plain Python, written from their definitions, for any text."""

from __future__ import annotations

import re
from collections import Counter
from statistics import median

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.dolma import COLUMNS, REQUIRED, dolma_signals
from curate.kernels.unicode import tables
from curate.kernels.word_set import hash_set, word_hash
from curate.text import buffers

NAUGHTY = ["bad", "é!"]


def over(count: float, total: float) -> float:
    return count / total if total else 0.0


def fold(text: str) -> str:
    return "".join(chr(tables().lower[ord(char)]) for char in text)


def repetitions(text: str, words: list[str], spans: list[tuple[int, int]]) -> tuple[int, int]:
    """(times, characters): every stretch of every period is tried."""
    times, longest = 0, 0
    for period in range(1, 14):
        for i in range(len(words)):
            end = i + period
            while end < len(words) and words[end] == words[end - period]:
                end += 1
            if (end - i) // period >= 3:
                times = max(times, (end - i) // period)
                longest = max(longest, spans[end - 1][1] - spans[i][0])
    return times, longest


def twin(text: str, *, empty_lines: bool) -> dict[str, float]:
    found: dict[str, float] = dict.fromkeys(COLUMNS, 0)
    if not text:
        return found
    words = text.split()
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    inside = sum(map(len, words))
    found["character_count"], found["word_count"] = len(text), len(words)
    found["median_word_length"] = median(map(len, words)) if words else 0
    found["symbol_to_word_ratio"] = over(sum("#" in word or "…" in word for word in words), len(words))
    letters = sum(any(map(str.isalpha, word)) for word in words)
    found["fraction_of_words_with_alpha_character"] = over(letters, len(words))
    found["required_word_count"] = sum(word in REQUIRED for word in words)
    found["naughty_words"] = sum(fold(word) in NAUGHTY for word in words)
    if words:
        found["max_repetition"], found["max_repetition_length"] = repetitions(text, words, spans)
    for n in range(2, 11):
        count = Counter(zip(*(words[i:] for i in range(n)), strict=False))
        size = {gram: len("".join(gram)) * times for gram, times in count.items()}
        if count and n <= 4:
            found[f"fraction_of_characters_in_most_common_{n}grams"] = size[count.most_common(1)[0][0]] / inside
        elif count:
            met = sum(size[gram] for gram, times in count.items() if times > 1)
            found[f"fraction_of_characters_in_duplicate_{n}grams"] = met / sum(size.values())
    lines = text.split("\n") if empty_lines else re.split("\n+", text)
    count_lines = Counter(lines)
    found["fraction_of_lines_starting_with_bullet_point"] = sum(x[:1] in ("*", "-") and x != "" for x in lines) / len(
        lines
    )
    found["fraction_of_lines_ending_with_ellipsis"] = sum(line.endswith("…") for line in lines) / len(lines)
    found["fraction_of_duplicate_lines"] = sum(c for c in count_lines.values() if c > 1) / len(lines)
    copied = sum(len(line) * c for line, c in count_lines.items() if c > 1)
    found["fraction_of_characters_in_duplicate_lines"] = copied / max(inside, 1)
    lines = text.split("\n")
    found["line_count"] = len(lines)
    found["lines_with_no_ending_punctuation"] = sum(not x.strip().endswith((".", "?", "!", '"')) for x in lines)
    found["lines_with_too_few_words"] = sum(len(line.split()) < 3 for line in lines)
    found["has_curly_brace"], found["has_lorem_ipsum"] = "{" in text, "lorem ipsum" in fold(text)
    found["has_javascript"] = "javascript" in fold(text)
    found["bytes_length"], found["stripped_length"] = len(text.encode()), len(text.strip())
    found["whitespace_tokens"] = len(re.split(r"\w+|[^\w\s]+", text))
    lengths = [len(line) for line in text.splitlines()]
    found["max_line_length"], found["avg_line_length"] = max(lengths), sum(lengths) / len(lengths)
    found["alnum_prop"] = sum(map(str.isalnum, text)) / len(text)
    found["alpha_token_prop"] = sum(map(str.isalpha, text)) / found["whitespace_tokens"]
    found["has_xml_template"] = "<?xml version=" in text[:100]
    return found


def signals_of(texts: list[str], *, empty_lines: bool = True) -> list[dict[str, float]]:
    naughty = hash_set(word_hash(word.encode()) for word in NAUGHTY)
    values = dolma_signals(*buffers(pa.array(texts, pa.string())), naughty=naughty, empty_lines=empty_lines)
    return [dict(zip(COLUMNS, row, strict=True)) for row in values.tolist()]


def check(texts: list[str]) -> None:
    for empty_lines in (True, False):
        for text, found in zip(texts, signals_of(texts, empty_lines=empty_lines), strict=True):
            assert found == pytest.approx(
                {k: float(v) for k, v in twin(text, empty_lines=empty_lines).items()}, rel=1e-15, abs=0
            )


@pytest.mark.parametrize(
    ("text", "signal", "value"),
    [
        ("one three seven", "median_word_length", 5),
        ("one three", "median_word_length", 4),
        ("x" * 300 + " " + "y" * 500, "median_word_length", 400),
        ("a b\nc\na b", "fraction_of_duplicate_lines", 2 / 3),
        ("a b\nc\na b", "fraction_of_characters_in_duplicate_lines", 6 / 5),
        ("ab cd ab cd", "fraction_of_characters_in_most_common_2grams", 1),
        ("a b c d e f a b c d e", "fraction_of_characters_in_duplicate_5grams", 2 / 7),
        ("so much spam spam spam spam", "max_repetition", 4),
        ("x a b a b a b a", "max_repetition_length", 13),
        ("a b a b", "max_repetition", 0),
        ("* a\n- b\n -", "fraction_of_lines_starting_with_bullet_point", 2 / 3),
        ("It is so.\nNo\n", "lines_with_too_few_words", 2),
        (" " * 87 + "<?xml version=", "has_xml_template", 0),
        (" " * 86 + "<?xml version=", "has_xml_template", 1),
    ],
)
def test_known_answers(text: str, signal: str, value: float) -> None:
    assert signals_of([text])[0][signal] == pytest.approx(value)


PIECES = ["the ", "be ", "And", "x.", "…", "\n", "\n\n", "\r\n", "\u2028", "- ", "* ", " ", "\u3000", "#", "É", "9", "!) ",
          "lorem ipsum", "JavaScript", "{", "ॐ।", "bad ", "É! ", "a b ", "c ", '"', "_", "y" * 300, "<?xml version="]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), max_size=3))
def test_texts_of_what_is_looked_for_equal_the_twin(texts: list[str]) -> None:
    check(texts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_any_texts_equal_the_twin(texts: list[str]) -> None:
    check(texts)
