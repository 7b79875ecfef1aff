"""The signals of RedPajama-V2 equal a slow twin in plain Python, written from their definitions, for any text."""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.redpajama import COLUMNS, Lines, phrases, redpajama_signals
from curate.kernels.word_set import hash_set, word_hash
from curate.text import buffers

STOP = {"the", "a", "é", "_", "to"}
FLAGGED = ["bad", "very bad", "very bad word", "ёлка"]
BULLETS = "•‣▶◀◦■□▪▫–"
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalized(text: str) -> str:
    return unicodedata.normalize("NFD", re.sub(r"\s+", " ", text.translate(PUNCTUATION).lower().strip()))


def over(count: float, total: float) -> float:
    return count / total if total else 0.0


def twin(text: str) -> dict[str, float]:
    """The signals of a document."""
    found: dict[str, float] = dict.fromkeys(COLUMNS, 0.0)
    content = normalized(text)
    words, raw = content.split(), re.findall(r"\w+|[^\w\s]+", text)
    lines = re.findall(r"[^\n]*\n|[^\n]+$", text)
    characters = sum(map(len, words))
    found["length"], found["nlines"] = len(text), len(lines)
    found["curly_bracket"] = over(text.count("{") + text.count("}"), len(text))
    found["symbol_to_word_ratio"] = over(sum(text.count(mark) for mark in ("#", "...", "…")), len(raw))
    found["num_sentences"] = len(re.findall(r"\b[^.!?]+[.!?]*", text))
    found["frac_all_caps_words"] = over(sum(map(str.isupper, raw)), len(raw))
    letters = sum(re.search("[a-zA-Z]", word) is not None for word in raw)
    found["frac_no_alph_words"] = 1.0 - letters / len(raw) if raw else 0.0
    found["stop_word_fraction"] = over(sum(word in STOP for word in raw), len(raw))
    found["word_count"] = len(words)
    found["mean_word_length"] = over(characters, len(words))
    found["frac_unique_words"] = over(len(set(words)), len(words))
    found["unigram_entropy"] = -sum(c / len(words) * math.log(c / len(words)) for c in Counter(words).values())
    found["lorem_ipsum"] = over(content.count("lorem ipsum"), len(content))
    for n in (1, 2, 3):
        found["ldnoobw_words"] += sum(" ".join(words[i : i + n]) in FLAGGED for i in range(len(words) - n + 1))
    for n in range(2, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        count = Counter(grams)
        if n <= 4 and grams:
            gram, times = count.most_common(1)[0]
            found[f"frac_chars_top_{n}gram"] = len("".join(gram)) * times / characters if times > 1 else 0.0
        if n >= 5:
            covered = {i + k for i, gram in enumerate(grams) if count[gram] > 1 for k in range(n)}
            found[f"frac_chars_dupe_{n}grams"] = over(sum(len(words[k]) for k in covered), characters)
    found["frac_lines_end_with_ellipsis"] = over(sum(x.rstrip().endswith(("...", "…")) for x in lines), len(lines))
    per_line = line_twin(text)
    found["terminal_lines"] = sum(per_line["ending_with_terminal_punctution_mark"])
    found["bullet_lines"] = sum(per_line["start_with_bulletpoint"])
    found["javascript"] = sum(per_line["javascript_counts"])
    return found


def line_twin(text: str) -> dict[str, list[Any]]:
    """The signals of its lines."""
    lines = re.findall(r"[^\n]*\n|[^\n]+$", text)
    normal = [normalized(line) for line in lines]
    return {
        "end": list(np.cumsum([len(line) for line in lines], dtype=int)),
        "num_words": [len(line.split()) for line in normal],
        "javascript_counts": [line.split().count("javascript") for line in normal],
        "ending_with_terminal_punctution_mark": [x.rstrip().endswith((".", "!", "?", "”")) for x in lines],
        "start_with_bulletpoint": [x.lstrip().startswith(tuple(BULLETS)) for x in lines],
        "numerical_chars_fraction": [np.float32(over(sum(map(str.isnumeric, x)), len(x))) for x in normal],
        "uppercase_letter_fraction": [np.float32(over(sum(map(str.isupper, x)), len(x))) for x in lines],
    }


def signals_of(texts: list[str]) -> tuple[list[dict[str, float]], Lines]:
    data, offsets = buffers(pa.array(texts, pa.string()))
    stop = hash_set(word_hash(word.encode()) for word in STOP)
    values, lines = redpajama_signals(data, offsets, stop_words=stop, flagged=phrases(FLAGGED), per_line=True)
    return [dict(zip(COLUMNS, row, strict=True)) for row in values.tolist()], lines


def check(texts: list[str]) -> None:
    found, lines = signals_of(texts)
    for place, text in enumerate(texts):
        expected = twin(text)
        assert math.isclose(found[place].pop("unigram_entropy"), expected.pop("unigram_entropy"), abs_tol=1e-12)
        assert found[place] == pytest.approx(expected, rel=1e-15, abs=0)
        own = slice(lines.first[place], lines.first[place + 1])
        for name, values in line_twin(text).items():
            assert getattr(lines, name)[own].tolist() == values, name


@pytest.mark.parametrize(
    ("text", "signal", "value"),
    [
        ("a a b c", "unigram_entropy", 1.0397207708399179),
        ("a a b c", "frac_unique_words", 0.75),
        ("One. Two! Three?.. (4) !?", "num_sentences", 4),
        ("It's: JavaScript, a javascript.", "javascript", 2),
        ("LOREM Ipsum, lorem", "lorem_ipsum", 1 / 17),
        ("ab ab ab ab", "frac_chars_top_2gram", 12 / 8),
        ("a b c d e. A B C D E!", "frac_chars_dupe_5grams", 1),
        ("The end of the day", "stop_word_fraction", 1 / 5),
        ("A Bad, very bad word", "ldnoobw_words", 4),
        ("{}\n", "curly_bracket", 2 / 3),
        ("USA, US$ 12", "frac_all_caps_words", 2 / 5),
        ("café CAFE\u0301", "frac_unique_words", 0.5),
        ("café", "mean_word_length", 5),
        ("ΟΔΟΣ οδος", "frac_unique_words", 0.5),
    ],
)
def test_known_answers(text: str, signal: str, value: float) -> None:
    assert signals_of([text])[0][0][signal] == pytest.approx(value, abs=1e-15)


PIECES = ["the ", "And", "x.", "...", "…", "\n", "\r\n", "\u2028", "- ", "• ", "– ", " ", "\u3000", "#", "É", "9", "!) ",
          "lorem ipsum", "JavaScript", " javascript ", "{", "ॐ।", "Ⓐ", "ǅ", "ς", "Σ", "ΑΣ", "İ", "\u0301", "\u0323",
          "e\u0301\u0323", "한", "very bad word ", "bad ", "a b c d e f g h i j k ", "½", "٣", "\u00ad", "'", "_", "”", "?"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), max_size=4))
def test_texts_of_what_is_looked_for_equal_the_twin(texts: list[str]) -> None:
    check(texts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_any_texts_equal_the_twin(texts: list[str]) -> None:
    check(texts)


def test_every_character_has_its_normal_form() -> None:
    chars = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    check([" ".join(f"a{char}\u0301b" for char in chars[i : i + 9000]) for i in range(0, 0x30000, 9000)])
