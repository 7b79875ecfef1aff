"""Quality signals equal a slow twin in plain Python, for any text."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.entropy import natural_logarithm
from curate.kernels.quality import COLUMNS, quality_signals
from curate.kernels.unicode import SYMBOL_RANGES, TERMINAL_RANGES, _members
from curate.kernels.words import split_words
from curate.text import buffers

STOP = ["the", "be", "to", "of", "and", "that", "have", "with"]
TERMINAL = {chr(code) for code in _members(TERMINAL_RANGES)}
SYMBOL = {chr(code) for code in _members(SYMBOL_RANGES)} | TERMINAL
POLICY = ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"]


def lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def over(count: float, total: float) -> float:
    return count / total if total else 0.0


def sentences(line: list[str], gaps: list[str]) -> int:
    count, ended = bool(line), False
    for word, gap in zip(line, gaps, strict=True):
        punctuation = all(unicodedata.category(char)[0] == "P" for char in word)
        if ended and (gap not in ("", " ") or not punctuation) and not (gap in ("", " ") and word in TERMINAL):
            count, ended = count + 1, False
        ended = ended or word in TERMINAL
    return int(count)


def twin(text: str, words: list[str], spans: list[tuple[int, int]]) -> dict[str, float]:
    """The definitions of the specification; `spans` of the words in characters."""
    n = len(text)
    found = dict.fromkeys(COLUMNS, 0.0)
    found["char_count"] = n
    found["digit_share"] = over(sum(char.isdigit() for char in text), n)
    found["upper_share"] = over(sum(char.isupper() for char in text), n)
    found["space_share"] = over(sum(char.isspace() for char in text), n)
    symbols = (char for char in text if not (char.isalnum() or char.isspace() or unicodedata.category(char)[0] == "M"))
    found["symbol_share"] = over(sum(char not in "\u200c\u200d" for char in symbols), n)
    lines = [line for line in text.split("\n") if line.strip()]
    copies = [line for place, line in enumerate(lines) if line in lines[:place]]
    found["line_count"] = len(lines)
    found["line_punct_frac"] = over(sum(line[-1] in TERMINAL for line in lines), len(lines))
    found["short_line_frac"] = over(sum(len(line) <= 30 for line in lines), len(lines))
    found["char_dup_frac"] = over(sum(map(len, copies)), len(text.replace("\n", ""))) if lines else 0.0
    lines = text.splitlines()
    found["bullet_line_frac"] = over(
        sum(line.lstrip()[:1] in ("•", "-") and line.strip() != "" for line in lines), len(lines)
    )
    found["ellipsis_line_frac"] = over(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines))
    place = 0
    for line in text.splitlines(keepends=True):
        own = [k for k, (start, _) in enumerate(spans) if place <= start < place + len(line)]
        gaps = [text[spans[k - 1][1] : spans[k][0]] if k != own[0] else "" for k in own]
        found["sentence_count"] += sentences([words[k] for k in own], gaps)
        place += len(line)
    found["lorem_ipsum"] = sum("lorem ipsum" in lower(line) for line in lines)
    found["curly_bracket"] = sum("{" in line for line in lines)
    found["javascript_lines"] = sum("javascript" in lower(line) for line in lines)
    found["policy_lines"] = sum(any(phrase in lower(line) for phrase in POLICY) for line in lines)
    real = [word for word in words if any(char not in SYMBOL for char in word)]
    found["token_count"], found["word_count"] = len(words), len(real)
    found["mean_word_length"] = over(sum(map(len, real)), len(real))
    found["alpha_word_frac"] = over(sum(any(char.isalpha() for char in word) for word in words), len(words))
    capitals = [any(c.isupper() for c in word) and not any(c.islower() for c in word) for word in words]
    found["caps_word_frac"] = over(sum(capitals), len(words))
    found["stop_word_count"] = len(set(words) & set(STOP))
    found["stop_word_total"] = sum(word in STOP for word in words)
    counts = Counter("".join(char.lower()[0] for char in word) for word in real)
    found["unique_word_frac"] = over(len(counts), len(real))
    found["unigram_entropy"] = -sum(c / len(real) * math.log(c / len(real)) for c in counts.values())
    found["hash_ratio"] = over(text.count("#"), len(words))
    found["ellipsis_ratio"] = over(text.count("...") + text.count("…"), len(words))
    found["newline_ratio"] = over(text.count("\n"), len(words))
    return found


def check(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    words = split_words(data, offsets)
    raw = bytes(data)
    signals = quality_signals(data, offsets, words, {"": STOP})
    for place, text in enumerate(texts):
        own = range(words.first[place], words.first[place + 1])
        pieces = [raw[words.start[w] : words.stop[w]].decode() for w in own]
        base = offsets[place]
        spans = [tuple(len(raw[base:end].decode()) for end in (words.start[w], words.stop[w])) for w in own]
        expected = twin(text, pieces, spans)
        found = dict(zip(COLUMNS, signals[place].tolist(), strict=True))
        assert math.isclose(found.pop("unigram_entropy"), expected.pop("unigram_entropy"), abs_tol=1e-12)
        assert found == expected


@pytest.mark.parametrize(
    ("text", "signal", "value"),
    [
        ("a a b c", "unigram_entropy", 1.0397207708399179),
        ("a a b c", "unique_word_frac", 0.75),
        ("One. Two! Three?", "sentence_count", 3),
        ("One...\nTwo.", "sentence_count", 2),
        ("We use cookies and\nJavaScript {\nLOREM IPSUM", "policy_lines", 1),
        ("We use cookies and\nJavaScript {\nLOREM IPSUM", "javascript_lines", 1),
        ("We use cookies and\nJavaScript {\nLOREM IPSUM", "lorem_ipsum", 1),
        ("We use cookies and\nJavaScript {\nLOREM IPSUM", "curly_bracket", 1),
        ("- a\n  • b\nc", "bullet_line_frac", 2 / 3),
        ("a ... \nb…\r\nc", "ellipsis_line_frac", 2 / 3),
        ("...... …", "ellipsis_ratio", 3 / 2),
        ("a\na\n\na", "char_dup_frac", 2 / 3),
        ("x" * 30 + "\n" + "x" * 31 + "\n", "short_line_frac", 0.5),
        ("वह घर है।\nठीक", "line_punct_frac", 0.5),
    ],
)
def test_known_answers(text: str, signal: str, value: float) -> None:
    data, offsets = buffers(pa.array([text]))
    signals = quality_signals(data, offsets, split_words(data, offsets), {"": STOP})
    assert signals[0, COLUMNS.index(signal)] == pytest.approx(value, abs=1e-15)


PIECES = ["the ", "And", "x.", "...", "…", "\n", "\r\n", "\u2028", "- ", "• ", " ", "\u3000", "#", "É", "9", "!) ",
          "lorem ipsum", "JavaScript", "use cookies", "{", "terms of use", "privacy policy", "ॐ।"]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), max_size=4))
def test_texts_of_what_is_looked_for_equal_the_twin(texts: list[str]) -> None:
    check(texts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_any_texts_equal_the_twin(texts: list[str]) -> None:
    check(texts)


def test_the_own_logarithm_is_the_natural_one() -> None:
    for n in [*range(1, 300), 10**6, 2**31 - 1]:
        assert math.isclose(natural_logarithm(n), math.log(n), rel_tol=1e-15, abs_tol=1e-15)
