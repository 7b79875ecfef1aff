"""Where the sentences of texts are, as `curate.sentences` has them, over UTF-8 bytes."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.affixes import previous
from curate.kernels.unicode import SPACE, decode, tables
from curate.text import Bytes, Offsets

Places = npt.NDArray[np.int32]
Classes = npt.NDArray[np.uint16]

#: marks that end a sentence before white space, and what may close it behind them
MARKS, CLOSERS = ".!?\u2026", "\"'\u201d\u2019\u00bb)]"
#: marks that end a sentence anywhere, and what may close it behind them
WIDE_MARKS, WIDE_CLOSERS = "\u3002\uff01\uff1f\u0964\u0965\u061f\u06d4\u1362\u104b", '"\u201d\u2019\u300d\u300f\uff09)'
_MARK, _CLOSER, _WIDE_MARK, _WIDE_CLOSER = 1, 2, 4, 8
_LINE_FEED = 10


class Sentences(NamedTuple):
    """The sentences of n texts: text i has those from `first[i]` to `first[i + 1]`, bytes `start` to `stop` of the data."""

    start: Places
    stop: Places
    first: npt.NDArray[np.int64]  # n + 1


@functools.cache
def _kinds() -> tuple[Bytes, Bytes]:
    """(what each code point below 65,536 is, 1 for each byte that may begin an end of a sentence)."""
    kinds = np.zeros(1 << 16, np.uint8)
    for chars, kind in ((MARKS, _MARK), (CLOSERS, _CLOSER), (WIDE_MARKS, _WIDE_MARK), (WIDE_CLOSERS, _WIDE_CLOSER)):
        kinds[[ord(char) for char in chars]] |= kind
    begins = np.zeros(256, np.uint8)
    begins[[char.encode()[0] for char in MARKS + WIDE_MARKS + "\n"]] = 1
    return kinds, begins


def find_sentences(data: Bytes, offsets: Offsets) -> Sentences:
    """The sentences of n texts given as UTF-8 bytes and n + 1 offsets, without white space around them."""
    # a sentence has a byte or more, and one or more part it from the next; pages that none reaches are never touched
    most = (int(offsets[-1] - offsets[0]) + len(offsets)) // 2 + 1
    start, stop = np.empty(most, np.int32), np.empty(most, np.int32)
    first = np.zeros(len(offsets), np.int64)
    count = _find(data, offsets, tables().classes, *_kinds(), start, stop, first)
    return Sentences(start[:count], stop[:count], first)


def find_lines(data: Bytes, offsets: Offsets) -> Sentences:
    """The lines of n texts that are not blank, without white space around them, likewise."""
    most = (int(offsets[-1] - offsets[0]) + len(offsets)) // 2 + 1
    start, stop = np.empty(most, np.int32), np.empty(most, np.int32)
    first = np.zeros(len(offsets), np.int64)
    count = _find_lines(data, offsets, tables().classes, start, stop, first)
    return Sentences(start[:count], stop[:count], first)


@entry
def _find_lines(
    data: Bytes, offsets: Offsets, classes: Classes, start: Places, stop: Places, first: npt.NDArray[np.int64]
) -> int:
    count = 0
    for text in range(len(offsets) - 1):
        begin, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        for i in range(begin, hi):
            if data[i] == _LINE_FEED:
                count = _add(data, begin, i, classes, start, stop, count)
                begin = i + 1
        count = _add(data, begin, hi, classes, start, stop, count)
        first[text + 1] = count
    return count


@entry
def _find(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    kinds: Bytes,
    begins: Bytes,
    start: Places,
    stop: Places,
    first: npt.NDArray[np.int64],
) -> int:
    count = 0
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        begin, i = lo, lo
        while i < hi:
            if begins[data[i]] == 0:
                i += 1
                continue
            end = _end(data, i, hi, classes, kinds)
            if end > i:
                count = _add(data, begin, end, classes, start, stop, count)
                begin = end
                i = end
            else:
                # the rest of a run of marks that ended nothing ends nothing either
                i = -end
        count = _add(data, begin, hi, classes, start, stop, count)
        first[text + 1] = count
    return count


@loop
def _end(data: Bytes, i: int, hi: int, classes: Classes, kinds: Bytes) -> int:
    """Where the next sentence begins if one ends with the mark at `i`, else minus where to look on."""
    code, after = decode(data, i, hi)
    kind = kinds[code] if code < 65536 else np.uint8(0)
    if code == _LINE_FEED:
        return _spaces(data, after, hi, classes)
    if kind & _WIDE_MARK:
        after = _run(data, after, hi, kinds, _WIDE_MARK)
        return _spaces(data, _run(data, after, hi, kinds, _WIDE_CLOSER), hi, classes)
    if kind & _MARK:
        after = _run(data, after, hi, kinds, _MARK)
        close = _run(data, after, hi, kinds, _CLOSER)
        end = _spaces(data, close, hi, classes)
        return end if end > close else -after
    return -after


@loop
def _run(data: Bytes, i: int, hi: int, kinds: Bytes, kind: int) -> int:
    """Where the run of characters of this kind ends that begins at `i`."""
    while i < hi:
        code, after = decode(data, i, hi)
        if code >= 65536 or not kinds[code] & kind:
            break
        i = after
    return i


@loop
def _spaces(data: Bytes, i: int, hi: int, classes: Classes) -> int:
    while i < hi:
        code, after = decode(data, i, hi)
        if not classes[code] & SPACE:
            break
        i = after
    return i


@loop
def _add(data: Bytes, lo: int, hi: int, classes: Classes, start: Places, stop: Places, count: int) -> int:
    """Add what lies between, less white space at its edges, unless that is nothing."""
    lo = _spaces(data, lo, hi, classes)
    while hi > lo:
        at = previous(data, lo, hi)
        code, _ = decode(data, at, hi)
        if not classes[code] & SPACE:
            break
        hi = at
    if lo < hi:
        start[count], stop[count] = lo, hi
        count += 1
    return count
