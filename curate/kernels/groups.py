"""Numbering equal codes: which words, lines or n-grams of a text are the same, by open tables of 64-bit hashes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.text import Bytes

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int32]

# an odd number near 2**64 / golden ratio: it spreads the bits of what it multiplies
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


@inlined
def eight_bytes(data: Bytes, at: int) -> np.uint64:
    """The bytes `data[at:at + 8]` as one little-endian number; one instruction, if the index is unsigned."""
    i = np.uint64(at)
    low = np.uint64(data[i]) | np.uint64(data[i + np.uint64(1)]) << np.uint64(8)
    low |= np.uint64(data[i + np.uint64(2)]) << np.uint64(16) | np.uint64(data[i + np.uint64(3)]) << np.uint64(24)
    low |= np.uint64(data[i + np.uint64(4)]) << np.uint64(32) | np.uint64(data[i + np.uint64(5)]) << np.uint64(40)
    return low | np.uint64(data[i + np.uint64(6)]) << np.uint64(48) | np.uint64(data[i + np.uint64(7)]) << np.uint64(56)


@inlined
def hash_range(data: Bytes, start: int, stop: int) -> np.uint64:
    """A 64-bit hash of `data[start:stop]`, never 0: eight bytes at a time, each step a bijection of the state."""
    value = np.uint64(stop - start) * GOLDEN
    i = start
    while i + 8 <= stop:
        value = (value ^ eight_bytes(data, i)) * GOLDEN
        value ^= value >> _SHIFT
        i += 8
    rest = np.uint64(0)
    if i < stop:
        if i + 8 <= len(data):
            rest = eight_bytes(data, i) & ((np.uint64(1) << np.uint64(8 * (stop - i))) - np.uint64(1))
        else:
            for k in range(i, stop):
                rest |= np.uint64(data[k]) << np.uint64(8 * (k - i))
    value = (value ^ rest) * GOLDEN
    value ^= value >> _SHIFT
    return value if value != np.uint64(0) else np.uint64(1)


@loop
def characters_in(data: Bytes, start: int, stop: int) -> int:
    """How many code points `data[start:stop]` has."""
    found = 0
    for i in range(start, stop):
        found += (data[i] & 0xC0) != 0x80
    return found


@loop
def power_of_two(least: int) -> int:
    """The smallest power of two that is at least `least` and 8."""
    size = 8
    while size < least:
        size *= 2
    return size


@inlined
def add(seen: Hashes, size: int, value: np.uint64) -> bool:
    """Put a hash (not 0) into an open table of which `size` slots (a power of two) are in use; whether it was there."""
    mask = np.uint64(size - 1)
    slot = (value * GOLDEN >> np.uint64(20)) & mask
    while seen[slot] != np.uint64(0) and seen[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    known = seen[slot] == value
    seen[slot] = value
    return known


@loop
def group(
    code: Hashes, alive: Counts, living: int, number: Counts, slots: Counts, keys: Hashes, count: Counts
) -> tuple[int, int]:
    """Number the equal codes at the alive positions from 1 in order of appearance; what occurs once dies.

    Writes `number` (0 where dead) and `count` by number; returns how many positions stay and how many numbers there
    are. `keys` and `count` have two entries more than there may be numbers. Selections stand for branches, which no
    processor could guess.
    """
    size = power_of_two(2 * living + 2)
    for slot in range(size):
        slots[slot] = 0
    mask = np.uint64(size - 1)
    groups = 0
    for s in range(living):
        value = code[alive[s]]
        slot = (value * GOLDEN >> np.uint64(24)) & mask
        known = slots[slot]
        while (known != 0) & (keys[known] != value):
            slot = (slot + np.uint64(1)) & mask
            known = slots[slot]
        before = count[known] if known != 0 else 0
        groups += known == 0
        known = known if known != 0 else groups
        slots[slot] = known
        keys[known] = value
        count[known] = before + 1
        number[alive[s]] = known
    left = 0
    for s in range(living):
        i = alive[s]
        again = count[number[i]] > 1
        alive[left] = i
        left += again
        number[i] = number[i] if again else 0
    return left, groups
