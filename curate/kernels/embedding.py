r"""Static text vectors: each distinct feature of a text adds its own few random signs, weighted by count and rarity.

Features are words (`\w+` in lower case), and pairs of neighbouring letters of scripts that put no blanks between words.
A feature's vector has `SIGNS` entries of +1 or -1 at places that its hash chooses (sparse random projection, Achlioptas
2003; Li, Hastie & Church 2006): cosines of the sums estimate the cosines of the weighted bags of features.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel
from curate.kernels.groups import clear, find_slot, power_of_two
from curate.kernels.hashing import fold_table, mix64
from curate.kernels.shingles import Hashes, Lower, Word, next_words
from curate.kernels.unicode import decode
from curate.text import Bytes, Offsets

SIGNS = 8
_SIGN_STEP = np.uint64(0x9E3779B97F4A7C15)
_32, _48, _ZERO = np.uint64(32), np.uint64(48), np.uint64(0)
# from here on (Thai) most scripts put no blanks between words; Hangul does, and loses nothing by it
UNSPACED = 0x0E00


@kernel
def _letter_pairs(data: Bytes, i: int, stop: int, word: Word, out: Hashes, filled: int) -> int:
    """Append a hash of each two neighbouring word characters of unspaced scripts; how many `out` holds then."""
    before = -1
    while i < stop:
        if data[i] < 0xE0:
            i += 1
            before = -1
            continue
        code, i = decode(data, i, stop)
        if code < UNSPACED or not word[code]:
            before = -1
            continue
        if before >= 0:
            out[filled] = mix64(np.uint64(before) << _32 | np.uint64(code))
            filled += 1
        before = code
    return filled


@kernel
def _features(data: Bytes, i: int, stop: int, fold: Word, word: Word, lower: Lower, out: Hashes) -> int:
    """All features of a text, repeats included; how many."""
    # no edges: what is not spaced is known by its pairs of letters
    _, words = next_words(data, i, stop, fold, word, lower, fold[:0], out, 0)
    return _letter_pairs(data, i, stop, word, out, words)


@kernel
def _room(offsets: Offsets) -> int:
    """More features than the longest text can have: a word takes two bytes, a pair of letters three more."""
    longest = 0
    for doc in range(len(offsets) - 1):
        longest = max(longest, np.int64(offsets[doc + 1] - offsets[doc]))
    return longest // 2 + longest // 3 + 8


@kernel
def embed(
    data: Bytes,
    offsets: Offsets,
    word: Word,
    lower: Lower,
    rarity: npt.NDArray[np.float32],
    dampened: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """The vector of each text, of length 1, to `out` (n, d); zeros for a text without a feature.

    `rarity` (65536,) has the weight of a feature by the upper 16 bits of its hash, `dampened` that of a count.
    """
    fold = fold_table(word, lower)
    room = _room(offsets)
    features = np.empty(room, np.uint64)
    keys = np.empty(2 * power_of_two(2 * room), np.uint64)
    counts, places = np.empty(len(keys), np.int32), np.empty(room, np.int64)
    width = np.uint64(out.shape[1])
    for doc in range(len(offsets) - 1):
        found = _features(data, np.int64(offsets[doc]), np.int64(offsets[doc + 1]), fold, word, lower, features)
        shift = clear(keys, found)
        different = 0
        for k in range(found):
            slot = find_slot(keys, shift, features[k] | np.uint64(1))
            if keys[slot] == _ZERO:
                keys[slot] = features[k] | np.uint64(1)
                counts[slot] = 0
                features[different], places[different] = features[k], slot
                different += 1
            counts[slot] += 1
        vector = out[doc]
        vector[:] = 0
        for k in range(different):
            value = rarity[features[k] >> _48] * dampened[min(counts[places[k]], len(dampened) - 1)]
            mixed = features[k]
            for _ in range(SIGNS):
                mixed = mix64(mixed + _SIGN_STEP)
                at = ((mixed >> _32) * width) >> _32
                vector[at] += value if mixed & np.uint64(1) else -value
        norm = np.float64(0)
        for j in range(len(vector)):
            norm += np.float64(vector[j]) * np.float64(vector[j])
        if norm > 0:
            scale = np.float32(1 / np.sqrt(norm))
            for j in range(len(vector)):
                vector[j] *= scale


@kernel
def document_counts(data: Bytes, offsets: Offsets, word: Word, lower: Lower, out: npt.NDArray[np.int64]) -> None:
    """Add to `out` (65536,), for each upper 16 bits of a word's or letter pair's hash, the texts that hold one such."""
    fold = fold_table(word, lower)
    features = np.empty(_room(offsets), np.uint64)
    latest = np.full(len(out), -1, np.int64)
    for doc in range(len(offsets) - 1):
        found = _features(data, np.int64(offsets[doc]), np.int64(offsets[doc + 1]), fold, word, lower, features)
        for k in range(found):
            bucket = features[k] >> _48
            if latest[bucket] != doc:
                latest[bucket] = doc
                out[bucket] += 1
