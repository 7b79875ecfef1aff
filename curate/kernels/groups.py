"""Which words, lines or n-grams of a text are the same: open tables of 64-bit hashes, cleared for each text.

Of equal things the first is the leader. A position of words is counted from the first word of its text, and uint32:
with signed numbers numba would ask of each index whether it is negative.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, inlined_entry, loop
from curate.text import Bytes

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int32]
Places = npt.NDArray[np.uint32]

# an odd number near 2**64 / golden ratio: it spreads the bits of what it multiplies
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_BLOCK = np.uint64(192)
_0, _1, _64 = np.uint64(0), np.uint64(1), np.uint64(64)


class Alike(NamedTuple):
    """Of each word of a batch: which word of its text is the first that equals it, and how many do."""

    leader: Places  # uint32, counted from the first word of the text
    count: Places  # uint32, right at leaders


@inlined
def eight_bytes(data: Bytes, at: int) -> np.uint64:
    """The bytes `data[at:at + 8]` as one little-endian number; one instruction, if the index is unsigned."""
    i = np.uint64(at)
    low = np.uint64(data[i]) | np.uint64(data[i + np.uint64(1)]) << np.uint64(8)
    low |= np.uint64(data[i + np.uint64(2)]) << np.uint64(16) | np.uint64(data[i + np.uint64(3)]) << np.uint64(24)
    low |= np.uint64(data[i + np.uint64(4)]) << np.uint64(32) | np.uint64(data[i + np.uint64(5)]) << np.uint64(40)
    return low | np.uint64(data[i + np.uint64(6)]) << np.uint64(48) | np.uint64(data[i + np.uint64(7)]) << np.uint64(56)


@inlined_entry
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
    return _finish(value ^ rest)


@inlined
def hash_short(rest: np.uint64, size: int) -> np.uint64:
    """As `hash_range`, of `size < 8` bytes as one number, the others 0."""
    return _finish(np.uint64(size) * GOLDEN ^ rest)


@inlined
def _finish(value: np.uint64) -> np.uint64:
    value *= GOLDEN
    value ^= value >> _SHIFT
    return value if value != np.uint64(0) else np.uint64(1)


@loop
def characters_in(data: Bytes, start: int, stop: int) -> int:
    """How many code points `data[start:stop]` has."""
    found, end = 0, np.uint64(stop)
    for block in range(np.uint64(start), end, _BLOCK):
        # a counter of a byte, which is not full by then: the compiler looks at 32 bytes at a time
        few = np.uint8(0)
        for i in range(block, min(block + _BLOCK, end)):
            few = np.uint8(few + ((data[i] & 0xC0) != 0x80))
        found += np.int64(few)
    return found


@inlined
def word_characters(data: Bytes, start: int, stop: int) -> int:
    """As `characters_in`, without a loop for up to eight bytes; `start < stop`."""
    size = stop - start
    if size > 8 or start + 8 > len(data):
        return characters_in(data, start, stop)
    eight = eight_bytes(data, start) << np.uint64(64 - 8 * size)
    # bytes 10xxxxxx continue a sequence
    more = eight & ~(eight << _1) & np.uint64(0x8080808080808080)
    return size - np.int64((more >> np.uint64(7)) * np.uint64(0x0101010101010101) >> np.uint64(56))


@entry
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
def clear(keys: Hashes, least: int) -> np.uint64:
    """Empty an open table of room for `least` entries; by how much a hash is shifted right to be a slot of it."""
    shift, size = 61, 8
    while size < 2 * least:
        size *= 2
        shift -= 1
    for slot in range(np.uint64(size)):
        keys[slot] = _0
    return np.uint64(shift)


@inlined
def find_slot(keys: Hashes, shift: np.uint64, value: np.uint64) -> np.uint64:
    """The slot of a well mixed `value` (not 0) in the table, or the empty one where it belongs."""
    mask = (_1 << (_64 - shift)) - _1
    slot = value >> shift
    while keys[slot] != _0 and keys[slot] != value:
        slot = (slot + _1) & mask
    return slot


def alike(data: Bytes, start: Counts, stop: Counts, first: npt.NDArray[np.int64]) -> Alike:
    """Which words (their bytes, texts by `first`) of each text are the same."""
    most = int(np.diff(first).max(initial=0)) + 1
    room = power_of_two(2 * most)
    found = Alike(np.empty(len(start), np.uint32), np.empty(len(start), np.uint32))
    _alike(
        data, start, stop, first, np.empty(room, np.uint64), np.empty(room, np.uint32), np.empty(most, np.uint64),
        np.empty(most, np.uint32), *found,
    )  # fmt: skip
    return found


@entry
def _alike(
    data: Bytes,
    start: Counts,
    stop: Counts,
    first: npt.NDArray[np.int64],
    keys: Hashes,
    ids: Places,
    codes: Hashes,
    leaders: Places,
    leader: Places,
    count: Places,
) -> None:
    for text in range(len(first) - 1):
        begin, size = np.uint64(first[text]), np.uint64(first[text + 1] - first[text])
        alike_text(data, start, stop, begin, size, keys, ids, codes, leaders, leader, count)


@inlined
def alike_text(
    data: Bytes,
    start: Counts,
    stop: Counts,
    begin: np.uint64,
    size: np.uint64,
    keys: Hashes,
    ids: Places,
    codes: Hashes,
    leaders: Places,
    leader: Places,
    count: Places,
) -> np.uint64:
    """As `alike` for the `size` words from `begin`; how many different ones there are.

    Their hashes and places, in order, are the first of `codes` and `leaders`; what `keys` and `ids` hold is lost.
    """
    # the table grows with the different words, which are few: it stays in the processor's cache
    room, different = np.uint64(64), _0
    shift = clear(keys, min(np.int64(room), np.int64(size)))
    for k in range(size):
        value = hash_range(data, np.int64(start[begin + k]), np.int64(stop[begin + k]))
        slot = find_slot(keys, shift, value)
        # selections stand for branches, which no processor could guess
        new = keys[slot] == _0
        same = k if new else np.uint64(ids[slot])
        keys[slot] = value
        ids[slot] = same
        leader[begin + k] = same
        count[begin + k] = 0
        count[begin + same] += np.uint32(1)
        codes[different] = value
        leaders[different] = k
        different += np.uint64(new)
        if different == room:
            room += room
            shift = clear(keys, min(np.int64(room), np.int64(size)))
            for d in range(different):
                slot = find_slot(keys, shift, codes[d])
                keys[slot] = codes[d]
                ids[slot] = leaders[d]
    return different
