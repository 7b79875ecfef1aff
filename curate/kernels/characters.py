"""What the characters of each text are, counted in one pass over the bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.affixes import Classes
from curate.kernels.ascii import wide_byte
from curate.kernels.latest import Latest
from curate.kernels.lines import ellipses
from curate.kernels.unicode import ALNUM, BREAK, DIGIT, LETTER, SPACE, UPPER, decode, tables
from curate.text import Bytes, Offsets

Counters = npt.NDArray[np.int64]

# Columns of `characters_of`. A symbol is no letter, mark, number, joiner or white space; other breaks than newlines end lines
# for `str.splitlines`; ellipses are U+2026 and three full stops.
CHARS, NARROW, DIGITS, UPPERS, SMALL, SPACES, SHARPS, NEWLINES, STOPS, BREAKS, SYMBOLS, ELLIPSES = range(12)
_ELLIPSIS, _NON_JOINER, _JOINER = 0x2026, 0x200C, 0x200D
# bytes counted before a counter of a byte may be full: whole vectors
_BLOCK = np.uint64(192)


def _characters(data: Bytes, offsets: Offsets) -> Counters:
    counts = np.zeros((len(offsets) - 1, ELLIPSES + 1), np.int64)
    _count(data, offsets, tables().classes, counts)
    return counts


#: the counts of n texts, n x 12 int64: CHARS (code points), NARROW (ASCII), DIGITS, ...
characters_of = Latest(_characters)


@entry
def _count(data: Bytes, offsets: Offsets, classes: Classes, counts: Counters) -> None:
    for text in range(len(offsets) - 1):
        lo, hi, row = np.int64(offsets[text]), np.int64(offsets[text + 1]), counts[text]
        for block in range(np.uint64(lo), np.uint64(hi), _BLOCK):
            _count_bytes(data, block, min(block + _BLOCK, np.uint64(hi)), row)
        row[SYMBOLS] = row[NARROW] - row[DIGITS] - row[UPPERS] - row[SMALL] - row[SPACES]
        if row[STOPS] > 2:
            row[ELLIPSES] = ellipses(data, lo, hi)
        if row[NARROW] < row[CHARS]:
            _count_wide(data, lo, hi, classes, row)


@loop
def _count_bytes(data: Bytes, lo: np.uint64, hi: np.uint64, row: Counters) -> None:
    """Add what at most `_BLOCK` bytes hold to the first columns.

    Comparisons alone, without a table, and counters of a byte (each sum is made one again): then the compiler looks at 32
    bytes at a time.
    """
    none = np.uint8(0)
    chars, narrow, digits, upper, small = none, none, none, none, none
    spaces, sharps, newlines, stops, breaks = none, none, none, none, none
    for i in range(lo, hi):
        byte = data[i]
        chars = np.uint8(chars + ((byte & 0xC0) != 0x80))
        narrow = np.uint8(narrow + (byte < 0x80))
        digits = np.uint8(digits + ((byte >= 0x30) & (byte <= 0x39)))
        upper = np.uint8(upper + ((byte >= 0x41) & (byte <= 0x5A)))
        small = np.uint8(small + ((byte >= 0x61) & (byte <= 0x7A)))
        spaces = np.uint8(spaces + ((byte == 0x20) | ((byte >= 9) & (byte <= 13)) | ((byte >= 28) & (byte <= 31))))
        sharps = np.uint8(sharps + (byte == 0x23))
        newlines = np.uint8(newlines + (byte == 0x0A))
        stops = np.uint8(stops + (byte == 0x2E))
        breaks = np.uint8(breaks + (((byte >= 11) & (byte <= 13)) | ((byte >= 28) & (byte <= 30))))
    counted = (chars, narrow, digits, upper, small, spaces, sharps, newlines, stops, breaks)
    for place in range(len(counted)):
        row[place] += np.int64(counted[place])


@loop
def _count_wide(data: Bytes, lo: int, hi: int, classes: Classes, row: Counters) -> None:
    """Add the characters beyond ASCII."""
    i = wide_byte(data, lo, hi)
    while i < hi:
        code, i = decode(data, i, hi)
        classed = np.int64(classes[code])
        row[DIGITS] += (classed & DIGIT) != 0
        row[UPPERS] += (classed & UPPER) != 0
        row[SPACES] += (classed & SPACE) != 0
        row[BREAKS] += (classed & BREAK) != 0
        # marks are part of letters, joiners of words
        row[SYMBOLS] += (classed & (ALNUM | SPACE | LETTER)) == 0 and not _NON_JOINER <= code <= _JOINER
        row[ELLIPSES] += code == _ELLIPSIS
        if i < hi and data[i] < 0x80:
            i = wide_byte(data, i, hi)
