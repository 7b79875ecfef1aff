"""The lines of texts between newlines: where they stand, which are blank, which have stood in their text before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.affixes import Classes
from curate.kernels.ascii import line_feed
from curate.kernels.characters import NEWLINES, Counters, characters_of
from curate.kernels.groups import Counts, Hashes, add, hash_range, power_of_two
from curate.kernels.latest import Latest
from curate.kernels.unicode import SPACE, decode, tables
from curate.text import Bytes, Offsets

# Bits of `LineTable.kind`.
COPY, BLANK = 1, 2


class LineTable(NamedTuple):
    """The lines of n texts that have a byte: text i has the lines `first[i]` to `first[i + 1]`."""

    start: Counts  # int32, bytes
    stop: Counts  # int32, bytes
    hash: Hashes  # uint64, of the bytes
    kind: Bytes  # COPY: an earlier line of the text is the same; BLANK: white space alone
    first: npt.NDArray[np.int64]  # n + 1


def _lines(data: Bytes, offsets: Offsets) -> LineTable:
    characters = characters_of(data, offsets)
    newlines = characters[:, NEWLINES]
    room = int(newlines.sum()) + len(newlines)
    table = LineTable(
        np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.uint64), np.empty(room, np.uint8),
        np.zeros(len(offsets), np.int64),
    )  # fmt: skip
    seen = np.empty(power_of_two(2 * int(newlines.max(initial=0)) + 4), np.uint64)
    _find(data, offsets, characters, tables().classes, seen, *table)
    return table


#: the lines of n texts
lines_of = Latest(_lines)


@entry
def _find(
    data: Bytes,
    offsets: Offsets,
    characters: Counters,
    classes: Classes,
    seen: Hashes,
    start: Counts,
    stop: Counts,
    hashes: Hashes,
    kind: Bytes,
    first: npt.NDArray[np.int64],
) -> None:
    count = np.uint64(0)
    for text in range(len(offsets) - 1):
        i, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        size = power_of_two(2 * characters[text, NEWLINES] + 4)
        for slot in range(np.uint64(size)):
            seen[slot] = 0
        while i < hi:
            end = line_feed(data, i, hi)
            if i < end:
                value = hash_range(data, i, end)
                start[count], stop[count], hashes[count] = i, end, value
                kind[count] = COPY if add(seen, size, value) else 0
                if (data[i] <= 32 or data[i] >= 0x80) and _is_blank(data, i, end, classes):
                    kind[count] |= BLANK
                count += np.uint64(1)
            i = end + 1
        first[text + 1] = count


@loop
def _is_blank(data: Bytes, lo: int, hi: int, classes: Classes) -> bool:
    while lo < hi:
        code, lo = decode(data, lo, hi)
        if not classes[code] & SPACE:
            return False
    return True
