"""A keyed permutation of 0..n-1 that is computed, not stored: a Feistel network with cycle walking.

Black and Rogaway, Ciphers with Arbitrary Finite Domains (2002). The network permutes the numbers of k bits, 2^k the least
power of two that is at least n; what falls outside 0..n-1 is permuted again, on average less than once more. Eight rounds:
no statistics of an order of documents can tell it from a shuffle; it is no cipher.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curate.kernels import inlined
from curate.kernels.hashing import mix64

ROUNDS = 8
_STEP = np.uint64(0x9E3779B97F4A7C15)
_1 = np.uint64(1)


@inlined
def bits_of(count: int) -> int:
    """The least k >= 2 with 2^k >= count."""
    bits = 2
    while (np.int64(1) << bits) < count:
        bits += 1
    return bits


@inlined
def permuted(index: int, count: int, key: Any) -> int:
    """Where the permutation of 0..count-1 named by the uint64 `key` sends `index`."""
    bits = bits_of(count)
    # two halves whose widths differ by at most one, and that change places in each round
    low = np.uint64(bits // 2)
    high = np.uint64(bits) - low
    x = np.uint64(index)
    end = np.uint64(count)
    while True:
        left_bits, right_bits = high, low
        left, right = x >> low, x & ((_1 << low) - _1)
        for i in range(ROUNDS):
            mixed = mix64(right ^ mix64(key + _STEP * np.uint64(i + 1)))
            left, right = right, left ^ (mixed & ((_1 << left_bits) - _1))
            left_bits, right_bits = right_bits, left_bits
        x = (left << right_bits) | right
        if x < end:
            return np.int64(x)


@inlined
def epoch_key(key: Any, epoch: int) -> Any:
    """The key of one epoch, of a source's key."""
    return mix64(key ^ mix64(np.uint64(epoch) + _STEP))
