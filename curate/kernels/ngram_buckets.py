r"""Hashed n-grams of texts as DSIR counts them: WordPunct tokens in lower case, each n-gram in bucket SHA-256 mod buckets.

A token is a run of word characters or a run of what is neither that nor white space (`\w+|[^\w\s]+`). The hash is that
of the reference, so that its buckets are ours; a cache remembers it for n-grams that were seen. The cache is found by
64-bit hashes of our own: two n-grams of 10^8 different ones are taken for one with probability 0.0003.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel, loop
from curate.kernels.hashing import encode, mix64
from curate.kernels.sha256 import remainder
from curate.kernels.unicode import CODE_POINTS, decode
from curate.text import Bytes, Offsets

# What a code point is to the tokenizer.
SPACE, WORD, OTHER = 0, 1, 2
# Their lower case depends on what stands around, or is two characters: texts with one are lowered by Python.
SIGMA, DOTTED_I = 0x3A3, 0x130
# Entries of the cache: 16 MB.
CACHE_BITS = 22

Kinds = npt.NDArray[np.uint8]
Buckets = npt.NDArray[np.uint16]
_START, _STEP, _JOIN = np.uint64(0xCBF29CE484222325), np.uint64(0x9FB21C651E98DF25), np.uint64(0xD6E8FEB86659FD93)
# An entry of the cache is the upper 48 bits of the n-gram's hash, of which the first is set, over its bucket; the lower
# bits of the hash are where it stands.
_SET, _TAG, _SLOT = np.uint64(1 << 63), np.uint64(0xFFFFFFFFFFFF0000), np.uint64((1 << CACHE_BITS) - 1)

_thread = threading.local()


def cache(buckets: int) -> npt.NDArray[np.uint64]:
    """This thread's cache for so many buckets: what it holds changes how long a text takes, never what comes out."""
    held: tuple[int, npt.NDArray[np.uint64]] = getattr(_thread, "held", (0, np.zeros(0, np.uint64)))
    if held[0] != buckets:
        _thread.held = held = (buckets, np.zeros(1 << CACHE_BITS, np.uint64))
    return held[1]


@loop
def _tokens(
    data: Bytes,
    i: int,
    stop: int,
    kinds: Kinds,
    lower: npt.NDArray[np.uint32],
    spelled: Bytes,
    ends: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.uint64],
) -> tuple[int, bool]:
    """The tokens of one text, each followed by a blank, to `spelled`; where each ends, without its blank, and its hash.

    Returns how many there are, and whether the text must be lowered by Python first.
    """
    count, size, before, special = 0, 0, SPACE, False
    value = _START
    while i < stop:
        byte = data[i]
        if byte < 0x80:
            code, after = np.int64(byte), i + 1
        else:
            code, after = decode(data, i, stop)
            special |= code in (SIGMA, DOTTED_I)
        i = after
        small = np.int64(lower[code])
        kind = np.int64(kinds[small])
        if kind != before and before != SPACE:
            ends[count], hashes[count] = size, (value ^ (value >> np.uint64(32))) * _STEP
            spelled[size] = 0x20
            count, size, value = count + 1, size + 1, _START
        before = kind
        if kind != SPACE:
            value = (value ^ np.uint64(small)) * _STEP
            if small < 0x80:
                spelled[size] = small
                size += 1
            else:
                size = encode(small, spelled, size)
    if before != SPACE:
        ends[count], hashes[count] = size, (value ^ (value >> np.uint64(32))) * _STEP
        count += 1
    return count, special


@loop
def _bucket(
    spelled: Bytes,
    start: int,
    stop: int,
    key: Any,
    buckets: int,
    held: npt.NDArray[np.uint64],
    state: npt.NDArray[np.uint32],
) -> Any:
    key = mix64(key) | _SET
    slot = key & _SLOT
    entry = held[slot]
    if entry & _TAG == key & _TAG:
        return np.uint16(entry)
    bucket = remainder(spelled, start, stop, buckets, state)
    held[slot] = key & _TAG | np.uint64(bucket)
    return np.uint16(bucket)


@kernel
def ngram_buckets(
    data: Bytes,
    offsets: Offsets,
    ngrams: int,
    buckets: int,
    kinds: Kinds,
    lower: npt.NDArray[np.uint32],
    held: npt.NDArray[np.uint64],
    out: Buckets,
    first: npt.NDArray[np.int32],
    special: npt.NDArray[np.bool_],
) -> None:
    """The buckets of all 1- to `ngrams`-grams of each text to `out`: text t has `out[first[t]:first[t + 1]]`.

    `out` has room for `ngrams` times the bytes of all texts; `held` is the cache, `special` (n,) says which
    texts have a character that Python must lower.
    """
    longest = 0
    for doc in range(len(offsets) - 1):
        longest = max(longest, np.int64(offsets[doc + 1] - offsets[doc]))
    # a character and its blank are at most twice the bytes that they were
    spelled = np.empty(3 * longest + 8, np.uint8)
    ends, hashes = np.empty(longest + 1, np.int32), np.empty(longest + 1, np.uint64)
    state = np.empty(72, np.uint32)
    first[0], filled = 0, 0
    for doc in range(len(offsets) - 1):
        count, special[doc] = _tokens(
            data, np.int64(offsets[doc]), np.int64(offsets[doc + 1]), kinds, lower, spelled, ends, hashes
        )
        for i in range(count):
            start = np.int64(ends[i - 1]) + 1 if i else 0
            key = np.uint64(0)
            for n in range(min(ngrams, count - i)):
                key = key * _JOIN + hashes[i + n]
                out[filled] = _bucket(spelled, start, np.int64(ends[i + n]), key, buckets, held, state)
                filled += 1
        first[doc + 1] = filled


@kernel
def add_counts(found: Buckets, counts: npt.NDArray[np.int64]) -> None:
    """Add 1 to `counts[b]` for each b of `found`."""
    for bucket in found:
        counts[bucket] += 1


@kernel
def sums(found: Buckets, first: npt.NDArray[np.int32], weights: npt.NDArray[np.float64], out: Any) -> None:
    """For each text t the sum of the weights of `found[first[t]:first[t + 1]]`, in their order, to `out` (n,)."""
    for doc in range(len(first) - 1):
        total = 0.0
        for k in range(first[doc], first[doc + 1]):
            total += weights[found[k]]
        out[doc] = total


def kinds_of(word: npt.NDArray[np.bool_], space: npt.NDArray[np.bool_]) -> Kinds:
    """The table for `ngram_buckets` of which code points are of words and which are white space."""
    table = np.full(CODE_POINTS, OTHER, np.uint8)
    table[word] = WORD
    table[space] = SPACE
    return table
