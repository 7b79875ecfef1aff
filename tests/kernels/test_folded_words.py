"""Folded words against a slow twin, on any text and any bytes."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unspaced import pieces as pieces_of
from unspaced import ranges

from curate.kernels.folded_words import FoldedWords, folded_words
from curate.kernels.segments import SPELLED_RANGES
from curate.text import buffers

APOSTROPHES = "’‘ʼ＇"
UNSPACED = (
    "CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "IDEOGRAPHIC ITERATION", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA",
    "BOPOMOFO",
)  # fmt: skip
pieces = st.sampled_from(
    ["a", "B", "é", "e\u0301", "ﬁ", "Ａ", "ß", "'", "’", ".", ",", "1", "20", " ", "\n", "-", "_", "中", "文", "が", "か\u3099",
     "ไ", "ม่", "ประเทศไทย", "ខ្មែរ", "ๆ", "हि", "न्दी", "\u200b", "\u00ad", "½", "…", "İ", "Σ", "ς", "ʼ", "한", "𝐀", "🙂", "ｦ", "ｶ", "々", "豈"]
)  # fmt: skip
texts = st.lists(st.lists(pieces, max_size=20).map("".join) | st.text(max_size=30), max_size=5)


def folded(values: list[str]) -> FoldedWords:
    return folded_words(*buffers(pa.array(values, pa.string())))


def form(char: str) -> str | None:
    """What stands for a character: "" parts words, None is nothing."""
    if char in APOSTROPHES and char != "'":
        return None
    hidden = (
        char in "\u034f\u180b\u180c\u180d\u180f" or "\ufe00" <= char <= "\ufe0f" or "\U000e0000" <= char < "\U000e01f0"
    )
    if hidden or unicodedata.category(char) in ("Me", "Cf", "Lm") or unicodedata.combining(char):
        return None
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(c for c in apart if unicodedata.category(c)[0] in "LNM" and not unicodedata.combining(c))


def twin(text: str) -> list[tuple[str, str]]:
    """(the word as it stands, its folded form)"""
    made: list[tuple[str, str]] = []
    begin, stop, word = -1, 0, ""
    begins, ends = edges(text)
    for i, char in enumerate([*text, " "]):
        if i in begins and begin >= 0:
            made.append((text[begin:stop], word))
            begin, word = -1, ""
        known = form(char)
        alone = unicodedata.name(char, "").startswith(UNSPACED) and unicodedata.category(char)[0] in "LM"
        after = text[i + 1] if i + 1 < len(text) else " "
        if begin >= 0 and char == "'" and (after.isascii() and after.isalnum() or not after.isascii()):
            continue
        digits = i > 0 and text[i - 1] in "0123456789" and after in "0123456789"
        if begin >= 0 and char in ".," and digits:
            continue
        if begin >= 0 and (known == "" or alone):
            made.append((text[begin:stop], word))
            begin, word = -1, ""
        if alone and known:
            made.append((char, known))
        elif known:
            begin = i if begin < 0 else begin
            word, stop = word + known, i + 1
        elif known is None and begin >= 0:
            stop = i + 1
        if i in ends and begin >= 0:
            made.append((text[begin:stop], word))
            begin, word = -1, ""
    return made


def edges(text: str) -> tuple[set[int], set[int]]:
    """Where words of Thai and like alphabets begin, and the last characters of runs of them."""
    begins, ends, at = set(), set(), 0
    for piece in pieces_of(text, ideographs=False):
        if re.match(f"[{ranges(SPELLED_RANGES)}]", piece):
            begins.add(at)
            ends = (ends - {at - 1}) | {at + len(piece) - 1}
        at += len(piece)
    return begins, ends


@given(values=texts)
@settings(max_examples=50, deadline=None)
def test_words_are_those_of_the_slow_twin(values: list[str]) -> None:
    found = folded(values)
    data = "".join(values).encode()
    for i, value in enumerate(values):
        part = slice(found.first[i], found.first[i + 1])
        places = zip(found.start[part], found.stop[part], strict=True)
        assert [data[start:stop].decode() for start, stop in places] == [word for word, _ in twin(value)]
    # a hash for each form: equal forms, equal hashes
    forms = [word for value in values for _, word in twin(value)]
    assert (
        len(set(zip(forms, found.hashes.tolist(), strict=True))) == len(set(forms)) == len(set(found.hashes.tolist()))
    )


@given(values=st.lists(st.binary(max_size=40), max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_bytes_give_words_inside_their_text(values: list[bytes]) -> None:
    data, offsets = buffers(pa.array(values, pa.binary()))
    found = folded_words(data, offsets)
    for i in range(len(values)):
        part = slice(found.first[i], found.first[i + 1])
        start, stop = found.start[part], found.stop[part]
        assert (start < stop).all() and (start[1:] >= stop[:-1]).all()
        assert not len(start) or (start[0] >= offsets[i] and stop[-1] <= offsets[i + 1])


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        ("Don't stop, it's 1,000.50!", "DONT   stop\nits 1000.50"),
        ("Janet’s cafés", "Janet's cafe\u0301s"),
        ("“Well-known” — facts", "well known... facts"),
        ("ﬁne Ａ½", "fine a12"),
        ("co\u00adop\u200b on", "coop on"),
        ("你好，世界", "你 好 世界"),
        ("STRASSE", "straße"),
    ],
)
def test_edits_that_do_not_matter(text: str, copy: str) -> None:
    assert folded([text]).hashes.tolist() == folded([copy]).hashes.tolist() != []


def test_vowel_signs_of_indic_scripts_matter() -> None:
    assert len(set(folded(["की का के"]).hashes.tolist())) == 3


def test_an_empty_batch_has_no_words() -> None:
    assert folded([]).first.tolist() == [0]
    assert folded(["", "…"]).first.tolist() == [0, 0, 0]
    assert folded([]).hashes.dtype == np.uint64
