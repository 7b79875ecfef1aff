"""Words and shingles as 64-bit hashes: a word is letters, marks, digits and _ in simple lower case, a shingle n in a row.

Where words are not spaced, they are ICU's (`segments`). A text of fewer than n words has one shingle, all its words; a
text without a word has none.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel
from curate.kernels.hashing import fold_table, mix64
from curate.kernels.segments import BEGIN, END
from curate.kernels.unicode import LETTER, decode, tables
from curate.text import Bytes, Offsets

Hashes = npt.NDArray[np.uint64]
Word = npt.NDArray[np.uint8]
Lower = npt.NDArray[np.uint32]

_START = np.uint64(0xCBF29CE484222325)
_STEP = np.uint64(0x9FB21C651E98DF25)
_ORDER = np.uint64(0xD6E8FEB86659FD93)
_1, _32 = np.uint64(1), np.uint64(32)


@functools.cache
def word_characters() -> Word:
    r"""Of each code point, 1 where it is part of a word: what `\w` matches, and combining marks; read-only."""
    found = tables().word | ((tables().classes & LETTER) > 0)
    found.flags.writeable = False
    return found


@kernel
def next_words(
    data: Bytes, i: int, stop: int, fold: Word, word: Word, lower: Lower, edges: Word, out: Hashes, filled: int
) -> tuple[int, int]:
    """Append the hashes of the words from byte `i` on to `out[filled:]` until it is full or the text ends.

    `edges` are those of `word_edges`. Returns where to go on and how many `out` holds.
    """
    # with unsigned positions numba leaves out the check for negative ones
    at, end, room = np.uint64(i), np.uint64(stop), len(out)
    unspaced = len(edges) > 0
    while at < end and filled < room:
        while at < end and fold[data[at]] == 0:
            at += _1
        value, begun = _START, False
        while at < end:
            byte = fold[data[at]]
            if byte == 0:
                break
            if byte < 128:
                value = (value ^ np.uint64(byte)) * _STEP
                at += _1
            else:
                edge = edges[at] if unspaced else np.uint8(0)
                if begun and edge & BEGIN:
                    break
                code, following = decode(data, np.int64(at), stop)
                at = np.uint64(following)
                if not word[code]:
                    break
                value = (value ^ np.uint64(lower[code])) * _STEP
                if edge & END:
                    begun = True
                    break
            begun = True
        if begun:
            out[filled] = (value ^ (value >> _32)) * _STEP
            filled += 1
    return np.int64(at), filled


@kernel
def shingle(words: Hashes, count: int, ngram: int, out: Hashes) -> int:
    """The shingles of `words[:count]` to `out`, in order; how many. Fewer words than `ngram` make one shingle."""
    if count == 0:
        return 0
    length = min(ngram, count)
    made = count - length + 1
    for j in range(made):
        out[j] = np.uint64(length)
    for i in range(length):
        for j in range(made):
            out[j] = out[j] * _ORDER + words[i + j]
    for j in range(made):
        out[j] = mix64(out[j])
    return made


@kernel
def shingle_hashes(
    data: Bytes,
    offsets: Offsets,
    ngram: int,
    word: Word,
    lower: Lower,
    edges: Word,
    out: Hashes,
    ends: npt.NDArray[np.int64],
) -> None:
    """All shingles of each text, in order, repeats included, to `out`; text i has `out[ends[i]:ends[i + 1]]`.

    `out` has room for half the bytes and one more for each text.
    """
    fold = fold_table(word, lower)
    longest = 0
    for doc in range(len(offsets) - 1):
        longest = max(longest, np.int64(offsets[doc + 1] - offsets[doc]))
    words = np.empty(longest // 2 + 2, np.uint64)
    ends[0] = 0
    for doc in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[doc]), np.int64(offsets[doc + 1])
        _, count = next_words(data, lo, hi, fold, word, lower, edges, words, 0)
        ends[doc + 1] = ends[doc] + shingle(words, count, ngram, out[ends[doc] :])


@kernel
def distinct(values: Hashes, ends: npt.NDArray[np.int64]) -> None:
    """Of each sorted part `values[ends[i]:ends[i + 1]]` keep each value once; both arrays are changed in place."""
    filled, start = 0, ends[0]
    for part in range(len(ends) - 1):
        stop = ends[part + 1]
        for i in range(start, stop):
            if i == start or values[i] != values[i - 1]:
                values[filled] = values[i]
                filled += 1
        start = stop
        ends[part + 1] = filled


@kernel
def similarity(a: Hashes, b: Hashes, threshold: float) -> Any:
    """The Jaccard similarity of two sorted sets, float64; -1 where it is below `threshold`. Two empty sets: -1."""
    total = len(a) + len(b)
    if total == 0:
        return -1.0
    # at least so many must be common (less one: rounding); stop as soon as so many cannot be
    least = np.int64(threshold * total / (1.0 + threshold)) - 1
    i, j, common = 0, 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            common += 1
            i += 1
            j += 1
        else:
            if a[i] < b[j]:
                i += 1
            else:
                j += 1
            if common + min(len(a) - i, len(b) - j) < least:
                return -1.0
    found = common / (total - common)
    return found if found >= threshold else -1.0
