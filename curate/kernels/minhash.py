"""MinHash signatures (Broder 1997) by 32-bit multiply-shift permutations, and the band keys of LSH."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel
from curate.kernels.hashing import fold_table, split_mix
from curate.kernels.shingles import Hashes, Lower, Word, next_words, shingle
from curate.text import Bytes, Offsets

Signatures = npt.NDArray[np.uint32]

# Words at a time: their hashes, shingles and the signature stay in the nearest cache.
BLOCK = 512
_32 = np.uint64(32)


def permutations(seed: int, count: int) -> tuple[Signatures, Signatures]:
    """The odd factors and the summands of `count` permutations x -> a x + b of the 32-bit numbers, each (count,)."""
    numbers = np.array(split_mix(seed, count), np.uint64)
    return (numbers >> _32).astype(np.uint32) | np.uint32(1), (numbers & np.uint64(0xFFFFFFFF)).astype(np.uint32)


@kernel
def lower_minima(shingles: Hashes, count: int, factors: Signatures, summands: Signatures, minima: Signatures) -> None:
    """minima[k] = min(minima[k], min over shingles of factors[k] * (upper half of the shingle) + summands[k])."""
    done = 0
    # four shingles for each look at the permutation: the loop over k is one of vector instructions
    while done + 4 <= count:
        x0 = np.uint32(shingles[done] >> _32)
        x1 = np.uint32(shingles[done + 1] >> _32)
        x2 = np.uint32(shingles[done + 2] >> _32)
        x3 = np.uint32(shingles[done + 3] >> _32)
        for k in range(len(minima)):
            a, b = factors[k], summands[k]
            low = min(np.uint32(a * x0 + b), np.uint32(a * x1 + b))
            lower = min(np.uint32(a * x2 + b), np.uint32(a * x3 + b))
            minima[k] = min(minima[k], min(low, lower))
        done += 4
    for j in range(done, count):
        x0 = np.uint32(shingles[j] >> _32)
        for k in range(len(minima)):
            minima[k] = min(minima[k], np.uint32(factors[k] * x0 + summands[k]))


@kernel
def signatures(
    data: Bytes,
    offsets: Offsets,
    ngram: int,
    word: Word,
    lower: Lower,
    edges: Word,
    factors: Signatures,
    summands: Signatures,
    out: Signatures,
    counts: npt.NDArray[np.int32],
) -> None:
    """The signature of each text to `out` (n, permutations), and how many shingles it has, repeats included.

    A text without a word has no shingle; its signature is the greatest one.
    """
    fold = fold_table(word, lower)
    words = np.empty(BLOCK + ngram, np.uint64)
    shingles = np.empty(BLOCK + ngram, np.uint64)
    for doc in range(len(offsets) - 1):
        i, stop = np.int64(offsets[doc]), np.int64(offsets[doc + 1])
        minima = out[doc]
        minima[:] = np.uint32(0xFFFFFFFF)
        total, filled = 0, 0
        while i < stop:
            i, filled = next_words(data, i, stop, fold, word, lower, edges, words, filled)
            if total == 0 or filled >= ngram:
                made = shingle(words, filled, ngram, shingles)
                lower_minima(shingles, made, factors, summands, minima)
                total += made
            # the next shingle begins within the last n - 1 words
            kept = min(ngram - 1, filled)
            for j in range(kept):
                words[j] = words[filled - kept + j]
            filled = kept
        counts[doc] = total
