"""Words that are alike have one leader, the first of them, in a text of any size; hashes agree however they are made."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import entry, groups
from curate.kernels.groups import alike, hash_range
from curate.kernels.words import alike_of, split_words
from curate.text import Bytes, buffers


@entry
def characters(data: Bytes, size: int) -> tuple[int, int]:
    """The characters of a text, as words and as texts have them counted."""
    return groups.word_characters(data, 0, size), groups.characters_in(data, 0, size)


@entry
def hash_short(value: np.uint64, size: int) -> np.uint64:
    return groups.hash_short(value, size)


def check(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    words = split_words(data, offsets)
    raw = bytes(data)
    found = alike(data, *words)
    for text in range(len(texts)):
        own = range(words.first[text], words.first[text + 1])
        pieces = [raw[words.start[w] : words.stop[w]] for w in own]
        first: dict[bytes, int] = {}
        for place, piece in enumerate(pieces):
            first.setdefault(piece, place)
        counts = Counter(pieces)
        assert found.leader[own.start : own.stop].tolist() == [first[piece] for piece in pieces]
        for piece, place in first.items():
            assert found.count[own.start + place] == counts[piece]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b ", "longer than eight", "é", " "]), max_size=60).map("".join)))
def test_leaders_and_counts(texts: list[str]) -> None:
    check(texts)


def test_many_different_words() -> None:
    check([" ".join(f"w{i % 700}x" for i in range(2000)), "", "one", " ".join(f"{i}" for i in range(300))])


def test_alike_is_remembered_for_the_same_words_and_bytes_only() -> None:
    texts = pa.array(["a b a", "c c"])
    data, offsets = buffers(texts)
    words = split_words(data, offsets)
    assert alike_of(data, words) is alike_of(data, words)
    other = buffers(pa.array(["a b b", "c d"]))[0]
    assert alike_of(other, words).leader.tolist() == [0, 1, 1, 0, 1]
    assert alike_of(data, words).leader.tolist() == [0, 1, 0, 0, 0]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), st.text(max_size=9))
def test_short_words_are_counted_and_hashed_as_long_ones(word: str, behind: str) -> None:
    raw = word.encode()
    data = np.frombuffer(raw + behind.encode("utf-8", "replace"), np.uint8)
    assert characters(data, len(raw)) == (len(word), len(word))
    if len(raw) < 8:
        assert hash_short(np.uint64(int.from_bytes(raw, "little")), len(raw)) == hash_range(data, 0, len(raw))
