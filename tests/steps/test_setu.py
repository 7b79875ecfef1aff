"""The step `setu`: the known answers, its bounds by language, a slow twin."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import document_batch
from curate.kernels.setu import COLUMNS, setu_signals
from curate.steps.setu import Setu
from curate.text import buffers


def signals(text: str) -> dict[str, float]:
    return dict(zip(COLUMNS, setu_signals(*buffers(pa.array([text], pa.string())))[0].tolist(), strict=True))


def test_repetition_of_words_and_characters() -> None:
    assert signals("a b c d e a b c d e f")["word_repetition"] == pytest.approx(2 / 7)
    # 13 ten-grams, 10 different, the top 3 are 6
    assert signals("abcdefghijabcdefghijab")["char_repetition"] == pytest.approx(6 / 13)


def test_joiners_and_vowel_signs_are_no_symbols() -> None:
    assert signals("क्‍ष नमस्ते می‌خواهم")["symbol_share"] == 0
    assert signals("क।") == {**dict.fromkeys(COLUMNS, 0.0), "line_count": 1, "words_per_line": 1, "symbol_share": 0.5}


@pytest.mark.parametrize(
    ("language", "rule", "sql"),
    [
        ("hi", "word_repetition", "setu.word_repetition < 0.5"),
        ("ta", "word_repetition", "setu.word_repetition < 0.4"),
        ("gu", "line_count", "setu.line_count > 3"),
        ("gu", "words_per_line", "setu.words_per_line > 4"),
        ("as", "other_script_share", "setu.other_script_share < 0.03"),
        ("brx", "other_script_share", "setu.other_script_share < 0.06"),
        ("as", "char_repetition", "setu.char_repetition < 0.1"),
        ("bn", "line_count", "setu.line_count > 4"),
    ],
)
def test_bounds_are_those_of_the_language_and_exclusive(language: str, rule: str, sql: str) -> None:
    assert Setu.model_validate({"language": language}).rule_table()[rule] == sql


def test_scripts_that_are_neither_latin_nor_indic_count() -> None:
    texts = ["नमस्ते hello привет", "ᱥᱟᱱᱛᱟᱲᱤ ꯃꯩꯇꯩ اردو"]
    batch = document_batch([{"row": i, "text": text, "lang": "hi"} for i, text in enumerate(texts)])
    found: list[dict[str, Any]] = Setu().process(batch)["setu"].to_pylist()
    assert found[0]["other_script_share"] == pytest.approx(6 / 17)
    assert found[1]["other_script_share"] == 0 and found[0]["lang"] == "hi"


def twin(text: str) -> dict[str, float]:
    lines = [line for line in text.split("\n") if line.strip()]
    words = text.split()
    symbols = [c for c in text if not (c.isspace() or c.isalnum() or c in "\u200c\u200d" or is_mark(c))]
    fives = Counter(tuple(words[i : i + 5]) for i in range(len(words) - 4))
    tens = Counter(text[i : i + 10] for i in range(len(text) - 9))
    top = sum(count for _, count in tens.most_common(math.isqrt(len(tens))))
    return {
        "line_count": len(lines),
        "words_per_line": len(words) / max(len(lines), 1),
        "symbol_share": len(symbols) / max(len(text), 1),
        "word_repetition": sum(c for c in fives.values() if c > 1) / max(fives.total(), 1),
        "char_repetition": top / max(tens.total(), 1),
    }


def is_mark(char: str) -> bool:
    """A combining mark of some script, as the kernel's table has it."""
    from curate.kernels.scripts import NO_SCRIPT, script_table

    return unicodedata.category(char)[0] == "M" and bool(script_table()[ord(char)] != NO_SCRIPT)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["अ", "क्‍", "a ", "b ", "\n", ". ", "क ख ग ", "x", "#", "é", " "]), max_size=60).map(
        "".join
    )
)
def test_texts_equal_the_twin(text: str) -> None:
    assert signals(text) == pytest.approx(twin(text), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_bytes_are_read_within_bounds(texts: list[bytes]) -> None:
    found = setu_signals(*buffers(pa.array(texts, pa.binary()).cast(pa.string(), safe=False)))
    assert found.shape == (len(texts), len(COLUMNS))
