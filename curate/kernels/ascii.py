"""Shortcuts for ASCII, which is most of most texts: a table of 256 kinds, and eight bytes looked at as one number."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined
from curate.kernels.groups import eight_bytes
from curate.kernels.unicode import DIGIT, EDGE, LOWER, SPACE, UPPER, tables
from curate.text import Bytes

Kinds = npt.NDArray[np.uint8]

# Bits of `kinds()`.
BLANK = 1  # white space
MARK = 2  # comes off both edges of a word
STOP = 4  # the full stop
SMALL = 8  # a lower-case letter
FIGURE = 16  # a digit
CAPITAL = 32  # an upper-case letter
JOINT = 64  # may part two words from between them
WIDE = 128  # a byte of a longer sequence
_JOINTS = b".+-*^,:/=<>~"

# Each is a uint64: with an int64, numba would compute in float64.
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_CASE = np.uint64(0x2020202020202020)
# added to a byte they set its high bit from `a`, from behind `z`, from `0`, from behind `9`
_FROM_A, _BEHIND_Z = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)
_FROM_0, _BEHIND_9 = np.uint64(0x5050505050505050), np.uint64(0x4646464646464646)
# likewise from `A`, from behind `Z`
_FROM_CAPITAL, _BEHIND_CAPITALS = np.uint64(0x3F3F3F3F3F3F3F3F), np.uint64(0x2525252525252525)
# likewise from 9, 14, 28 and 33: white space lies between
_FROM_9, _FROM_14 = np.uint64(0x7777777777777777), np.uint64(0x7272727272727272)
_FROM_28, _FROM_33 = np.uint64(0x6464646464646464), np.uint64(0x5F5F5F5F5F5F5F5F)
_LINE_FEEDS, _SPACES = np.uint64(0x0A0A0A0A0A0A0A0A), np.uint64(0x2020202020202020)
#: for `find_byte`: [
BRACKETS = np.uint64(0x5B5B5B5B5B5B5B5B)
# the first bytes of characters: C2, and by the bits of a mask E0 to E3
_LEADS_2, _LEADS_3, _LEADS = np.uint64(0xC2C2C2C2C2C2C2C2), np.uint64(0xE0E0E0E0E0E0E0E0), np.uint64(0xFCFCFCFCFCFCFCFC)
_FIRST_HIGH, _BYTE = np.uint64(0x80), np.uint64(0xFF)
_0, _1, _7, _8, _56 = np.uint64(0), np.uint64(1), np.uint64(7), np.uint64(8), np.uint64(56)


@functools.cache
def kinds() -> Kinds:
    """Byte -> the bits above; read-only."""
    classes = tables().classes[:128]
    table = np.zeros(256, np.uint8)
    for bit, group in ((BLANK, SPACE), (MARK, EDGE), (SMALL, LOWER), (FIGURE, DIGIT), (CAPITAL, UPPER)):
        table[:128][(classes & group) > 0] |= bit
    table[ord(".")] |= STOP
    table[list(_JOINTS)] |= JOINT
    table[128:] = WIDE
    table.flags.writeable = False
    return table


@inlined
def lowest_byte(bits: np.uint64) -> int:
    """The place of the lowest byte of a number (not 0) of which but the bytes' high bits may be set."""
    # ones below the lowest such bit: one of them is the low bit of each byte up to its own
    below = (bits & (~bits + _1)) - _1
    return np.int64((below & _ONES) * _ONES >> _56) - 1


@inlined
def word_end(data: Bytes, i: int, hi: int) -> int:
    """The first byte of `data[i:hi]` that is no ASCII letter or digit, else `hi`: eight bytes at a time."""
    last = np.int64(len(data)) - 8
    while i <= last and i < hi:
        eight = eight_bytes(data, i)
        low = eight & _LOW
        letter = low | _CASE
        either = ((letter + _FROM_A) ^ (letter + _BEHIND_Z)) | ((low + _FROM_0) ^ (low + _BEHIND_9))
        other = (~either | eight) & _HIGH
        if other != _0:
            return min(i + lowest_byte(other), hi)
        i += 8
    while i < hi:
        byte = np.int64(data[i])
        if not (ord("0") <= byte <= ord("9") or ord("a") <= byte | 32 <= ord("z")):
            return i
        i += 1
    return hi


@inlined
def line_feed(data: Bytes, i: int, hi: int) -> int:
    """The first newline of `data[i:hi]`, else `hi`."""
    return find_byte(data, i, hi, _LINE_FEEDS)


@inlined
def find_byte(data: Bytes, i: int, hi: int, eight: np.uint64) -> int:
    """The first byte of `data[i:hi]` that is the one of which `eight` is made, else `hi`: eight bytes at a time."""
    last = np.int64(len(data)) - 8
    while i <= last and i < hi:
        zero = _zeros(eight_bytes(data, i) ^ eight)
        if zero != _0:
            return min(i + lowest_byte(zero), hi)
        i += 8
    byte = eight & _BYTE
    while i < hi and np.uint64(data[i]) != byte:
        i += 1
    return min(i, hi)


@inlined
def _zeros(eight: np.uint64) -> np.uint64:
    """The high bit of each byte that is 0; of those above the lowest, one may be a mistake."""
    return (eight - _ONES) & ~eight & _HIGH


@inlined
def ascii_parted(data: Bytes, i: int, hi: int) -> int:
    """How many words ASCII white space parts in `data[i:hi]`; -1 if there may be other white space."""
    last, words, before = np.int64(len(data)) - 8, 0, _FIRST_HIGH
    while i < hi:
        if i > last:
            return -1
        eight = eight_bytes(data, i)
        if hi - i < 8:
            # what is behind the end is white space
            eight &= (_1 << np.uint64(8 * (hi - i))) - _1
            eight |= _SPACES << np.uint64(8 * (hi - i))
        # a wider one begins with C2 or E1 to E3
        if eight & _HIGH != _0 and (_zeros(eight ^ _LEADS_2) | _zeros((eight & _LEADS) ^ _LEADS_3)) != _0:
            return -1
        blank = _blanks(eight)
        begins = ~blank & (blank << _8 | before) & _HIGH
        words += _bytes_in(begins)
        before = blank >> _56 & _FIRST_HIGH
        i += 8
    return words


@inlined
def _bytes_in(high: np.uint64) -> int:
    """How many bytes have their high bits set, and no others."""
    return np.int64((high >> _7) * _ONES >> _56)


@inlined
def eight_capitals(data: Bytes, i: int, hi: int) -> int:
    """How many of the eight bytes from `i` are ASCII capitals; -1 if not all are ASCII and before `hi`."""
    if i + 8 > hi:
        return -1
    eight = eight_bytes(data, i)
    if eight & _HIGH != _0:
        return -1
    return _bytes_in(((eight + _FROM_CAPITAL) ^ (eight + _BEHIND_CAPITALS)) & _HIGH)


@inlined
def wide_byte(data: Bytes, i: int, hi: int) -> int:
    """The first byte of `data[i:hi]` that is not ASCII, else `hi`: eight bytes at a time."""
    last = np.int64(len(data)) - 8
    while i <= last and i < hi:
        wide = eight_bytes(data, i) & _HIGH
        if wide != _0:
            return min(i + lowest_byte(wide), hi)
        i += 8
    while i < hi and data[i] < 0x80:
        i += 1
    return min(i, hi)


@inlined
def _blanks(eight: np.uint64) -> np.uint64:
    """The high bit of each byte that is ASCII white space."""
    low = eight & _LOW
    return (((low + _FROM_9) ^ (low + _FROM_14)) | ((low + _FROM_28) ^ (low + _FROM_33))) & ~eight & _HIGH


@inlined
def lower_eight(eight: np.uint64) -> np.uint64:
    """Eight ASCII characters in lower case."""
    capital = (eight + _FROM_CAPITAL) ^ (eight + _BEHIND_CAPITALS)
    return eight | (capital & _HIGH) >> np.uint64(2)
