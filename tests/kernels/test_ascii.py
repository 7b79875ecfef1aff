"""Shortcuts for ASCII find what a look at each byte finds, also where a text ends and another follows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import ascii, entry
from curate.text import Bytes

RAW = st.lists(st.one_of(st.integers(0, 255), st.sampled_from(list(b"aZz09/:@[`{\n")))).map(bytes)


@entry
def word_end(data: Bytes, lo: int, hi: int) -> int:
    return ascii.word_end(data, lo, hi)


@entry
def line_feed(data: Bytes, lo: int, hi: int) -> int:
    return ascii.line_feed(data, lo, hi)


@entry
def lower_eight(eight: np.uint64) -> np.uint64:
    return ascii.lower_eight(eight)


@entry
def wide_byte(data: Bytes, lo: int, hi: int) -> int:
    return ascii.wide_byte(data, lo, hi)


@entry
def ascii_parted(data: Bytes, lo: int, hi: int) -> int:
    return ascii.ascii_parted(data, lo, hi)


@entry
def eight_capitals(data: Bytes, lo: int, hi: int) -> int:
    return ascii.eight_capitals(data, lo, hi)


def is_word(byte: int) -> bool:
    return byte < 128 and chr(byte).isalnum()


@settings(max_examples=150, deadline=None)
@given(RAW, RAW, RAW)
def test_ends_of_words_and_lines_are_those_of_a_look_at_each_byte(before: bytes, text: bytes, behind: bytes) -> None:
    data = np.frombuffer(before + text + behind, np.uint8)
    lo, hi = len(before), len(before) + len(text)
    others = [place for place in range(lo, hi) if not is_word(data[place])]
    feeds = [place for place in range(lo, hi) if data[place] == 10]
    assert word_end(data, lo, hi) == min(others, default=hi)
    assert line_feed(data, lo, hi) == min(feeds, default=hi)


def test_every_byte_that_is_no_letter_or_digit_ends_a_word() -> None:
    for byte in range(256):
        data = np.frombuffer(b"abc" + bytes([byte]) + b"defghijk", np.uint8)
        assert word_end(data, 0, len(data)) == (len(data) if is_word(byte) else 3)


@settings(deadline=None)
@given(st.text(st.characters(codec="ascii"), min_size=8, max_size=8))
def test_eight_characters_become_lower_case(text: str) -> None:
    lowered = lower_eight(np.uint64(int.from_bytes(text.encode(), "little")))
    assert int(lowered).to_bytes(8, "little").decode() == text.lower()


@settings(max_examples=200, deadline=None)
@given(st.text("aZ@[ \t\n\x0b\x1c\x1f\x00\x7fé\u0085\u00a0\u1680\u2003\u3000日ก"), st.text("A \u3000", max_size=9))
def test_words_capitals_and_wide_characters_are_those_of_python(text: str, behind: str) -> None:
    raw = text.encode()
    data, hi = np.frombuffer(raw + behind.encode(), np.uint8), len(raw)
    plain = text.isascii() and len(data) >= hi + 8
    assert ascii_parted(data, 0, hi) in ((len(text.split()),) if plain else (-1, len(text.split())))
    assert wide_byte(data, 0, hi) == min((at for at in range(hi) if raw[at] >= 128), default=hi)
    first = raw[:8]
    asked = len(first) == 8 and first.isascii()
    assert eight_capitals(data, 0, hi) == (sum(65 <= byte <= 90 for byte in first) if asked else -1)
