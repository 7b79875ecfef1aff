"""Shingles, signatures and band keys against pure Python, and the hit rate that theory gives."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unspaced import pieces

from curate.dedup.candidates import keys_of
from curate.dedup.verify import least_equal, shingle_sets
from curate.kernels.hashing import split_mix
from curate.kernels.minhash import BLOCK, permutations, signatures
from curate.kernels.segments import word_edges
from curate.kernels.shingles import similarity, word_characters
from curate.kernels.unicode import tables
from curate.text import buffers

MASK = (1 << 64) - 1
samples = [
    "a",
    "B",
    "b",
    "c_1",
    "É",
    "中文",
    "Σ",
    "-",
    "…",
    "ȺX",
    "यह हिन्दी",
    "ประเทศไทย",
    "カメラ・",
    "e\u0301",
    "5",
    "លូ",
]
words = st.lists(st.sampled_from(samples), max_size=30)
texts = st.lists(words.map(" ".join) | words.map("".join) | st.text(max_size=40), max_size=5)


def signed(values: list[str], ngram: int, width: int, seed: int = 1) -> tuple[npt.NDArray[np.uint32], list[int]]:
    data, offsets = buffers(pa.array(values, pa.string()))
    out, counts = np.empty((len(values), width), np.uint32), np.empty(len(values), np.int32)
    known = word_characters(), tables().lower, word_edges(data, offsets)
    signatures(data, offsets, ngram, *known, *permutations(seed, width), out, counts)
    return out, counts.tolist()


def folded(char: str) -> str:
    """The lower case of what words are made of, a space for anything else."""
    return char.lower()[0] if re.match(r"\w", char) or unicodedata.category(char)[0] == "M" else " "


def shingles(text: str, ngram: int) -> list[tuple[str, ...]]:
    found = " ".join("".join(map(folded, piece)) for piece in pieces(text)).split()
    if len(found) <= ngram:
        return [tuple(found)] if found else []
    return [tuple(found[i : i + ngram]) for i in range(len(found) - ngram + 1)]


def word_hash(word: str) -> int:
    value = 0xCBF29CE484222325
    for char in word:
        value = (value ^ ord(char)) * 0x9FB21C651E98DF25 & MASK
    return (value ^ value >> 32) * 0x9FB21C651E98DF25 & MASK


def shingle_hash(shingle: tuple[str, ...]) -> int:
    value = len(shingle)
    for word in shingle:
        value = (value * 0xD6E8FEB86659FD93 + word_hash(word)) & MASK
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return value ^ value >> 33


def signature(text: str, ngram: int, width: int, seed: int) -> list[int]:
    upper = [shingle_hash(shingle) >> 32 for shingle in shingles(text, ngram)]
    numbers = split_mix(seed, width)
    return [min(((n >> 32 | 1) * x + n & 0xFFFFFFFF for x in upper), default=0xFFFFFFFF) for n in numbers]


@given(values=texts, ngram=st.integers(1, 6), seed=st.integers(0, 1 << 40))
@settings(max_examples=75, deadline=None)
def test_signatures_are_the_minima_over_shingles(values: list[str], ngram: int, seed: int) -> None:
    table, counts = signed(values, ngram, 10, seed)
    assert counts == [len(shingles(value, ngram)) for value in values]
    assert table.tolist() == [signature(value, ngram, 10, seed) for value in values]


@given(values=texts, ngram=st.integers(1, 6))
@settings(max_examples=75, deadline=None)
def test_shingle_sets_are_sorted_and_distinct(values: list[str], ngram: int) -> None:
    found, ends = shingle_sets(pa.array(["x y z", *values, "q"], pa.string()).slice(1, len(values)), ngram)
    parts = [found[start:stop].tolist() for start, stop in zip(ends[:-1], ends[1:], strict=True)]
    assert parts == [sorted({shingle_hash(shingle) for shingle in shingles(value, ngram)}) for value in values]


@pytest.mark.parametrize("count", [BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 4, BLOCK + 5, BLOCK + 6, 3 * BLOCK + 2])
def test_long_texts_are_read_in_blocks(count: int) -> None:
    text = " ".join(f"w{i * i % 1013}" for i in range(count))
    table, counts = signed([text, text + " ...", "..."], 5, 10)
    assert counts == [max(1, count - 4), max(1, count - 4), 0]
    assert table[0].tolist() == table[1].tolist() == signature(text, 5, 10, 1)


@given(
    st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.sampled_from([0.1, 0.3, 0.5, 2 / 3, 0.75, 0.8, 1.0])
)
@settings(max_examples=200, deadline=None)
def test_similarity_is_exact(a: set[int], b: set[int], threshold: float) -> None:
    given_a, given_b = (np.array(sorted(s), np.uint64) for s in (a, b))
    for array in (given_a, given_b):
        array.flags.writeable = False
    true = len(a & b) / len(a | b) if a | b else -1.0
    assert similarity(given_a, given_b, threshold) == (true if true >= threshold else -1.0)


def test_band_keys_hold_the_number_of_the_band() -> None:
    keys = keys_of(np.array([[7] * 8, [7, 7, 7, 7, 7, 8, 7, 7]], np.uint32), 4)
    assert len(set(keys[0].tolist())) == 4
    assert (keys[0] == keys[1]).tolist() == [True, True, False, True]


@pytest.mark.parametrize(("seed", "rate"), [(1, 0.9235), (2, 0.9235)])
def test_hit_rate_of_pairs_that_share_four_fifths(seed: int, rate: float) -> None:
    """1 - (1 - 0.8^8)^14 of 2000 random pairs with Jaccard similarity 0.8 exactly share one of 14 bands of 8."""
    random = np.random.default_rng(5)
    values = []
    for _ in range(2000):
        # 404 common words make 400 common shingles, 50 own ones on each side
        numbers = random.integers(0, 1 << 40, 504)
        common = " ".join(map(str, numbers[:404]))
        values += [common + " " + " ".join(map(str, numbers[s])) for s in (slice(404, 454), slice(454, 504))]
    table, counts = signed(values, 5, 112, seed)
    assert set(counts) == {450}
    equal = table[0::2] == table[1::2]
    assert equal.reshape(2000, 14, 8).all(axis=2).any(axis=1).mean() == pytest.approx(rate, abs=0.02)
    assert equal.mean() == pytest.approx(0.8, abs=0.005)
    # the estimate that saves exact comparisons never speaks against such a pair
    assert (table[0::2].astype(np.uint8) == table[1::2].astype(np.uint8)).sum(axis=1).min() >= least_equal(112, 0.8)
