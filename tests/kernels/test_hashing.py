"""Content hashes: MurmurHash3 as published, over normal forms as Python computes them."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.hashing import AS_IS, WHITESPACE, WORDS, content_hashes, split_mix
from curate.kernels.unicode import tables
from curate.text import buffers

MASK = (1 << 64) - 1
# blanks of all kinds, letters with odd lower cases, marks, four-byte characters
ALPHABET = "aB1_ \t\n\x1c\x85\xa0\u1680\u2003\u2028\u205f\u3000\u200béÉΣßȺ中!–ı\U0001f600𐐀\u0301\u0964"
texts = st.lists(st.text(st.sampled_from(ALPHABET), max_size=60) | st.text(max_size=40), max_size=6)


def hashes(values: list[str], form: int) -> list[int]:
    data, offsets = buffers(pa.array(values, pa.string()))
    known = tables()
    scratch = np.full(int(np.diff(offsets).max(initial=0)) // 4 + 16, 7, np.uint64)
    high, low = np.empty(len(values), np.uint64), np.empty(len(values), np.uint64)
    content_hashes(data, offsets, form, known.classes, known.word, known.lower, scratch, high, low)
    return [int(h) << 64 | int(g) for h, g in zip(high, low, strict=True)]


def rotated(x: int, bits: int) -> int:
    return (x << bits | x >> 64 - bits) & MASK


def mixed(x: int) -> int:
    x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD & MASK
    x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return x ^ x >> 33


def murmur(data: bytes) -> int:
    """MurmurHash3 x64 128 with seed 0, from its published description."""
    c1, c2, h1, h2 = 0x87C37B91114253D5, 0x4CF5AD432745937F, 0, 0
    for i in range(0, len(data), 16):
        block = data[i : i + 16]
        k1, k2 = int.from_bytes(block[:8], "little"), int.from_bytes(block[8:], "little")
        h1 ^= rotated(k1 * c1 & MASK, 31) * c2 & MASK
        if len(block) == 16:
            h1 = (rotated(h1, 27) + h2 & MASK) * 5 + 0x52DCE729 & MASK
        h2 ^= rotated(k2 * c2 & MASK, 33) * c1 & MASK
        if len(block) == 16:
            h2 = (rotated(h2, 31) + h1 & MASK) * 5 + 0x38495AB5 & MASK
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = h1 + h2 & MASK
    h2 = h2 + h1 & MASK
    h1, h2 = mixed(h1), mixed(h2)
    h1 = h1 + h2 & MASK
    h2 = h2 + h1 & MASK
    return h2 << 64 | h1


def simple_lower(char: str) -> str:
    return char.lower()[0]


def normal(text: str, form: int) -> bytes:
    if form == WORDS and (words := re.findall(r"\w+", text)):
        return " ".join("".join(map(simple_lower, word)) for word in words).encode()
    return (text if form == AS_IS else " ".join(text.split())).encode()


def test_the_published_value_of_foo() -> None:
    low, high = -2129773440516405919, 9128664383759220103
    assert hashes(["foo"], AS_IS) == [high << 64 | low & MASK] == [murmur(b"foo")]


def test_split_mix_as_published() -> None:
    assert split_mix(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("form", [AS_IS, WHITESPACE, WORDS])
@given(values=texts)
@settings(max_examples=75, deadline=None)
def test_hash_of_the_normal_form(form: int, values: list[str]) -> None:
    assert hashes(values, form) == [murmur(normal(value, form)) for value in values]


@pytest.mark.parametrize("form", [AS_IS, WHITESPACE, WORDS])
@pytest.mark.parametrize("char", ["Ⱥ", "x", " ", "\u2003", "x ", "中"])
def test_the_longest_growth_fits(form: int, char: str) -> None:
    # lower case of U+023A takes three bytes where it took two
    value = char * 3001
    assert hashes([value, "a"], form) == [murmur(normal(value, form)), murmur(b"a")]
