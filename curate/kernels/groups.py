"""Numbering equal codes: which words, lines or n-grams of a text are the same, by open tables of 64-bit hashes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import loop

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int32]

# FNV-1a, over bytes or code points; the golden ratio spreads its bits over a table
BASIS, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@loop
def power_of_two(least: int) -> int:
    """The smallest power of two that is at least `least` and 8."""
    size = 8
    while size < least:
        size *= 2
    return size


@loop
def add(seen: Hashes, size: int, value: np.uint64) -> bool:
    """Put a hash into an open table of which `size` slots (a power of two) are in use; whether it was there."""
    if value == np.uint64(0):
        value = np.uint64(1)
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
    """Number the equal codes at the alive positions in order of appearance, and keep alive what occurs twice or more.

    Writes `number` (-1 where dead) and `count` by number; returns how many positions and how many numbers there are.
    """
    size = power_of_two(2 * living + 2)
    for slot in range(size):
        slots[slot] = -1
    mask = np.uint64(size - 1)
    groups = 0
    for s in range(living):
        value = code[alive[s]]
        slot = (value * GOLDEN >> np.uint64(24)) & mask
        while slots[slot] >= 0 and keys[slots[slot]] != value:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            slots[slot] = groups
            keys[groups] = value
            count[groups] = 0
            groups += 1
        number[alive[s]] = slots[slot]
        count[slots[slot]] += 1
    left = 0
    for s in range(living):
        i = alive[s]
        if count[number[i]] > 1:
            alive[left] = i
            left += 1
        else:
            number[i] = -1
    return left, groups
