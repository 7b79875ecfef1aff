"""Sets of words as open tables of 64-bit hashes, for kernels that ask of many words whether they are in one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from curate.kernels import entry, inlined
from curate.kernels.ascii import line_feed
from curate.kernels.groups import Hashes, hash_range
from curate.text import Bytes


def word_hash(word: bytes) -> int:
    """The hash of a word, as `hash_range` takes it where the word stands in a text."""
    raw = np.frombuffer(word, np.uint8)
    return int(hash_range(raw, 0, len(raw)))


def hash_set(hashes: Iterable[int]) -> Hashes:
    """An open table of hashes, none of them 0: at least twice as long, a power of two; read-only."""
    different = set(hashes)
    table = np.zeros(max(8, 1 << (2 * len(different)).bit_length()), np.uint64)
    for value in sorted(different):
        slot = value % len(table)
        while table[slot]:
            slot = (slot + 1) % len(table)
        table[slot] = value
    table.flags.writeable = False
    return table


@inlined
def is_in(table: Hashes, value: np.uint64) -> bool:
    """Whether a hash (not 0) is in the table."""
    mask = np.uint64(len(table) - 1)
    slot = value & mask
    while table[slot] != np.uint64(0) and table[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return table[slot] == value


def line_hashes(data: Bytes) -> Hashes:
    """The hash of each line of a file that is neither blank nor a comment (#), without white space at its ends."""
    out = np.empty(int(np.count_nonzero(data == 10)) + 1, np.uint64)
    return out[: _line_hashes(data, out)]


@entry
def _line_hashes(data: Bytes, out: Hashes) -> int:
    count, i = 0, 0
    while i < len(data):
        end = line_feed(data, i, len(data))
        lo, hi = i, end
        while lo < hi and data[lo] <= 32:
            lo += 1
        while lo < hi and data[hi - 1] <= 32:
            hi -= 1
        if lo < hi and data[lo] != ord("#"):
            out[count] = hash_range(data, lo, hi)
            count += 1
        i = end + 1
    return count
