"""Texts as lines of a classifier's `folded` form: lower case, marks apart, addresses and user names as one word each.

What `curate.classifiers.lines` says in regular expressions, over UTF-8 bytes; the words are those of its lines.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.hashing import encode
from curate.kernels.unicode import SPACE, decode, tables
from curate.text import Bytes, Offsets

_USER, _ADDRESS = np.frombuffer(b"user_name", np.uint8), np.frombuffer(b"web_address", np.uint8)
_QUOTE, _CURLED, _AT = 0x27, 0x2019, 0x40
# the most that a text grows: `@a` becomes `user_name` and a blank
_GROWTH = 5


def fold(data: Bytes, offsets: Offsets) -> tuple[Bytes, Offsets]:
    """n texts -> (UTF-8 bytes of their lines, n + 1 offsets), words parted by one blank."""
    out = np.empty(_GROWTH * int(offsets[-1] - offsets[0]) + 8, np.uint8)
    ends = np.zeros(len(offsets), np.int64)
    table = tables()
    _fold(data, offsets, table.classes, table.word, table.lower, out, ends)
    if ends[-1] > np.iinfo(np.int32).max:
        raise ValueError("texts of more than 2 GB as lines; give them in smaller batches")
    return out[: ends[-1]], ends.astype(np.int32)


@entry
def _fold(
    data: Bytes,
    offsets: Offsets,
    classes: npt.NDArray[np.uint16],
    word: npt.NDArray[np.uint8],
    lower: npt.NDArray[np.uint32],
    out: Bytes,
    ends: npt.NDArray[np.int64],
) -> None:
    size = np.int64(0)
    for text in range(len(offsets) - 1):
        begin, i, hi = size, np.int64(offsets[text]), np.int64(offsets[text + 1])
        # whether the word in hand may go on, and whether the character before is of a word
        within, before = False, False
        while i < hi:
            code, after = decode(data, i, hi)
            if code == 0 or classes[code] & SPACE:
                within, before = False, False
                i = after
                continue
            address = _address_end(data, i, hi, classes)
            user = _user_end(data, after, hi, classes, word) if code == _AT and not before else np.int64(-1)
            if address >= 0 or user >= 0:
                size = _write(_ADDRESS if address >= 0 else _USER, out, begin, size)
                i = max(address, user)
                # addresses are replaced before names are looked for
                within, before = False, address < 0
                continue
            before = word[code] != 0
            inside = before or code in (_QUOTE, _CURLED)
            if size > begin and not (within and inside):
                out[size] = 0x20
                size += 1
            size = encode(np.int64(lower[code]), out, size)
            within = inside
            i = after
        ends[text + 1] = size


@inlined
def _address_end(data: Bytes, i: int, hi: int, classes: npt.NDArray[np.uint16]) -> int:
    r"""Where the address `(?:https?://|www\.)\S+` that starts at `i` ends; -1 for none."""
    if data[i] != ord("h") and data[i] != ord("w"):
        return -1
    return _long_address_end(data, i, hi, classes)


@loop
def _long_address_end(data: Bytes, i: int, hi: int, classes: npt.NDArray[np.uint16]) -> int:
    at = np.int64(i)
    if (
        i + 4 < hi
        and data[i] == ord("w")
        and data[i + 1] == ord("w")
        and data[i + 2] == ord("w")
        and data[i + 3] == 0x2E
    ):
        at = i + 4
    elif (
        i + 7 < hi
        and data[i] == ord("h")
        and data[i + 1] == ord("t")
        and data[i + 2] == ord("t")
        and data[i + 3] == ord("p")
    ):
        at = i + 4 + (data[i + 4] == ord("s"))
        if at + 3 > hi or data[at] != ord(":") or data[at + 1] != ord("/") or data[at + 2] != ord("/"):
            return -1
        at += 3
    else:
        return -1
    end = at
    while end < hi:
        code, after = decode(data, end, hi)
        if classes[code] & SPACE:
            break
        end = after
    return end if end > at else -1


@loop
def _user_end(data: Bytes, i: int, hi: int, classes: npt.NDArray[np.uint16], word: npt.NDArray[np.uint8]) -> int:
    """Where the name behind an @ ends, at the latest where an address begins; -1 for none."""
    end = np.int64(i)
    while end < hi:
        code, after = decode(data, end, hi)
        if not word[code] or _address_end(data, end, hi, classes) >= 0:
            break
        end = after
    return end if end > i else np.int64(-1)


@loop
def _write(name: Bytes, out: Bytes, begin: int, size: int) -> int:
    """Write a word behind a blank; the new size."""
    if size > begin:
        out[size] = 0x20
        size += 1
    for byte in name:
        out[size] = byte
        size += 1
    return size
