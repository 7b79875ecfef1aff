"""Setu's rules for chunks (lines) of web text in Indian languages: which lines go, and how much of a text is symbols."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.affixes import previous
from curate.kernels.unicode import CODE_POINTS, LAST, SPACE, decode, tables
from curate.text import Bytes, Offsets

# What a code point is.
OF_TEXT = 1  # a letter, mark or digit of the languages: no symbol
OF_WORDS = 2  # the same without digits
NUMERIC = 4  # str.isnumeric
TERMINAL = 8  # may end a sentence
# The scripts of the 22 scheduled languages and English, as hexadecimal ranges; ZWNJ and ZWJ are spelling, not symbols.
TEXT_RANGES = """
30-39 41-5A 61-7A 200C-200D 600-6FF 750-77F 870-8FF 900-D7F 1C50-1C7F ABC0-ABFF FB50-FDFF FE70-FEFF 10E60-10E7F
10EC0-10EFF 1EC70-1ECBF 1ED00-1ED4F 1EE00-1EEFF
"""
# Digits of these scripts, and the two dandas, which stand among the letters.
DIGIT_RANGES = """
30-39 660-669 6F0-6F9 964-96F 9E6-9EF A66-A6F AE6-AEF B66-B6F BE6-BEF C66-C6F CE6-CEF D66-D6F 1C50-1C59 ABF0-ABF9
10E60-10E7F 1EC70-1ECBF 1ED00-1ED4F 1EE00-1EEFF
"""
TERMINAL_MARKS = ".!?।॥:,;)\"'؟۔"

# Columns of the counts.
COLUMNS = ("chars", "symbols", "lines", "number_lines", "unterminated_lines", "short_lines")

Table = npt.NDArray[np.uint8]


@functools.cache
def kinds() -> Table:
    """Code point -> the bits above; read-only."""
    table = np.zeros(CODE_POINTS, np.uint8)
    for ranges, bits in ((TEXT_RANGES, OF_TEXT | OF_WORDS), (DIGIT_RANGES, OF_TEXT)):
        for part in ranges.split():
            first, last = (int(end, 16) for end in (part.split("-")[0], part.split("-")[-1]))
            table[first : last + 1] = bits
    table[[code for code in range(LAST) if chr(code).isnumeric()]] |= NUMERIC
    table[[ord(mark) for mark in TERMINAL_MARKS]] |= TERMINAL
    table.flags.writeable = False
    return table


def edit_chunks(
    data: Bytes, offsets: Offsets, *, number_share: float, terminal: bool, min_words: int
) -> tuple[Bytes, Offsets, npt.NDArray[np.int64]]:
    """n texts -> (bytes and offsets of the texts without the lines that go, counts n x `COLUMNS`).

    Blank lines go too, and are not counted. Lines end at line feeds.
    """
    out = np.empty(int(offsets[-1] - offsets[0]) + 1, np.uint8)
    ends, counts = np.zeros(len(offsets), np.int32), np.zeros((len(offsets) - 1, len(COLUMNS)), np.int64)
    size = _edit(data, offsets, kinds(), tables().classes, number_share, terminal, min_words, out, ends, counts)
    return out[:size], ends, counts


@entry
def _edit(
    data: Bytes,
    offsets: Offsets,
    kinds: Table,
    classes: npt.NDArray[np.uint16],
    number_share: float,
    terminal: bool,
    min_words: int,
    out: Bytes,
    ends: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
) -> int:
    size = 0
    for text in range(len(offsets) - 1):
        i, hi, row, begin = np.int64(offsets[text]), np.int64(offsets[text + 1]), counts[text], size
        while i < hi:
            lo, chars, symbols, others, numeric, words, apart = i, 0, 0, 0, 0, 0, True
            while i < hi and data[i] != 10:
                code, i = decode(data, i, hi)
                kind = kinds[code]
                chars += 1
                numeric += kind & NUMERIC != 0
                if code != 32:
                    symbols += kind & OF_TEXT == 0
                    others += kind & OF_WORDS == 0
                space = classes[code] & SPACE != 0
                words += apart and not space
                apart = space
            end = i
            i += 1
            row[0] += chars + (end < hi)
            row[1] += symbols
            if words == 0:
                continue
            row[2] += 1
            if numeric == chars or others >= number_share * chars:
                row[3] += 1
            elif terminal and not _ends_well(data, lo, end, kinds, classes):
                row[4] += 1
            elif words < min_words:
                row[5] += 1
            else:
                if size > begin:
                    out[size] = 10
                    size += 1
                for k in range(lo, end):
                    out[size] = data[k]
                    size += 1
        ends[text + 1] = size
    return size


@loop
def _ends_well(data: Bytes, lo: int, hi: int, kinds: Table, classes: npt.NDArray[np.uint16]) -> bool:
    """Whether a line, white space at its end left out, ends in a mark of a finished sentence, and not in `...`."""
    while hi > lo:
        at = previous(data, lo, hi)
        code = decode(data, at, hi)[0]
        if not classes[code] & SPACE:
            dots = hi - lo >= 3 and data[hi - 1] == 0x2E and data[hi - 2] == 0x2E and data[hi - 3] == 0x2E
            return kinds[code] & TERMINAL != 0 and not dots
        hi = at
    return False
