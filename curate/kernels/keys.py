"""Sets of byte strings, held as 64-bit hashes in an open table: five million hosts of block lists in 84 MB, a probe or two.

Two of n strings collide with probability n^2 / 2^65: of a million addresses against five million entries one is found
by accident with probability 3 x 10^-7.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, kernel
from curate.text import Bytes, Offsets

Hashes = npt.NDArray[np.uint64]
Values = npt.NDArray[np.int16]

# FNV-1a, 64 bits, with the finaliser of MurmurHash3: numbers of uint64 all of them, else numba computes in float64
START, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX1, _MIX2, _33 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33)


class KeyTable(NamedTuple):
    """A power of two of places, at most three in four taken; the key 0 stands for a free one."""

    keys: Hashes
    values: Values  # what is known of a key, not 0


@inlined
def step(state: Any, byte: int) -> Any:
    """The state of a hash with one more byte."""
    return (state ^ np.uint64(byte)) * _PRIME


@inlined
def key_of(state: Any) -> Any:
    """The key of the bytes hashed so far; never 0."""
    state = (state ^ (state >> _33)) * _MIX1
    state = (state ^ (state >> _33)) * _MIX2
    state ^= state >> _33
    return state if state != np.uint64(0) else np.uint64(1)


@inlined
def look_up(keys: Hashes, values: Values, key: Any) -> int:
    """The bits of a key; 0 where it is not in the table."""
    mask = np.uint64(len(keys) - 1)
    at = key & mask
    while keys[at] != np.uint64(0):
        if keys[at] == key:
            return values[at]
        at = (at + np.uint64(1)) & mask
    return 0


@kernel
def hashes_of(data: Bytes, offsets: Offsets, backwards: bool) -> Hashes:
    """The keys of n byte strings, each read from its end if `backwards`."""
    found = np.empty(len(offsets) - 1, np.uint64)
    for i in range(len(found)):
        lo, hi, state = np.int64(offsets[i]), np.int64(offsets[i + 1]), START
        for k in range(hi - lo):
            state = step(state, data[hi - 1 - k] if backwards else data[lo + k])
        found[i] = key_of(state)
    return found


def key_table(keys: Hashes, values: npt.NDArray[Any]) -> KeyTable:
    """The table of n keys; the bits of the values of keys alike are joined."""
    size = 1 << max(4, (len(keys) * 4 // 3).bit_length())
    table = KeyTable(np.zeros(size, np.uint64), np.zeros(size, np.int16))
    _fill(keys, values.astype(np.int16), *table)
    return table


@entry
def _fill(given: Hashes, bits: Values, keys: Hashes, values: Values) -> None:
    mask = np.uint64(len(keys) - 1)
    for i in range(len(given)):
        at = given[i] & mask
        while keys[at] != np.uint64(0) and keys[at] != given[i]:
            at = (at + np.uint64(1)) & mask
        keys[at] = given[i]
        values[at] |= bits[i]
