"""Words of Chinese and Japanese by ICU's dictionary, as ICU's `CjkBreakEngine` finds them, at several times its speed.

A word of the splitter is cut here if all of its characters are ideographs, kana, ASCII or plain marks of which we know what
Unicode's rules for words say (Standard Annex 29); others are left to ICU. Between ideographs and kana the words are those with
the least sum of costs: a string of the dictionary has its own, an unknown character the greatest, a run of katakana one by its
length (icu4c/source/common/dictbe.cpp, Unicode licence).
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.icu_trie import Trie, first_steps, load, step
from curate.kernels.unicode import decode
from curate.text import Bytes

Positions = npt.NDArray[np.int32]
Costs = npt.NDArray[np.uint32]

# ideographs, hiragana and katakana that NFKC leaves as they are, with what makes one of them longer or repeats it
_CJK_RANGES = "3005 3007 3041-3096 309D-309E 30A1-30FA 30FC-30FE 3400-4DBF 4E00-9FFF"
_KATAKANA_RANGES = "30A1-30FA 30FC-30FE"
# marks that stand alone, and those that do unless they stand between two letters or two digits
_ALONE_RANGES = """
21-26 28-2B 2D 2F 3C-40 5B-5E 60 7B-7E A1 AB BB 2010-2017 201C-201E 2020-2022 2026 2190-21FF 2460-24B5 24EA-24FF 25A0-25FF 3001-3004
3008-3012 3014-301F 30FB FF01-FF06 FF08-FF0B FF0D FF0F FF1C-FF20 FF3B-FF3E FF5B-FF65
"""
_BETWEEN_RANGES = "27 2C 2E 3A-3B 2018-2019 FF0C FF0E FF1A-FF1B"
# Bits of what a code point is; none: ICU's business
_CJK, _KATAKANA, _ALNUM, _ALONE, _BETWEEN = 1, 2, 4, 8, 16

_NAME = "cjdict"
_MOST_COST = np.uint32(255)
_UNREACHED = np.uint32(0xFFFFFFFF)
_LONGEST, _LONGEST_KATAKANA = 20, 20
# of runs of katakana, by length
_KATAKANA_COSTS = np.array([8192, 984, 408, 240, 204, 252, 300, 372, 480, *(8192,) * 11], np.uint32)
_KATAKANA_COSTS.flags.writeable = False


@functools.cache
def _kinds() -> npt.NDArray[np.uint8]:
    """What each code point below 65,536 is."""
    kinds = np.zeros(1 << 16, np.uint8)
    bits = ((_CJK_RANGES, _CJK), (_KATAKANA_RANGES, _KATAKANA), ("30-39 41-5A 61-7A", _ALNUM), (_ALONE_RANGES, _ALONE),
            (_BETWEEN_RANGES, _BETWEEN))  # fmt: skip
    for ranges, bit in bits:
        for part in ranges.split():
            low, _, high = part.partition("-")
            kinds[int(low, 16) : int(high or low, 16) + 1] |= bit
    kinds.flags.writeable = False
    return kinds


def ideograph_cuts(data: Bytes, start: Positions, stop: Positions) -> tuple[Positions, npt.NDArray[np.int64]]:
    """Where the words `data[start:stop]` are cut inside: (bytes from the word's start, how many of each word).

    The number is -1 for words that are left to ICU.
    """
    counts = np.full(len(start), -1, np.int64)
    if not len(load(_NAME)):
        return np.zeros(0, np.int32), counts
    sizes = stop - start
    cuts = np.empty(int(sizes.sum()), np.int32)
    room = int(sizes.max(initial=0)) + 2
    codes, places, previous = np.empty((3, room), np.int32)
    size = _cut_all(
        data, start, stop, _kinds(), load(_NAME), first_steps(_NAME), codes, places, previous, np.empty(room, np.uint32),
        cuts, counts,
    )  # fmt: skip
    return cuts[:size], counts


@entry
def _cut_all(
    data: Bytes,
    start: Positions,
    stop: Positions,
    kinds: Bytes,
    trie: Trie,
    firsts: Positions,
    codes: Positions,
    places: Positions,
    previous: Positions,
    costs: Costs,
    cuts: Positions,
    counts: npt.NDArray[np.int64],
) -> int:
    size = 0
    for word in range(len(start)):
        lo = np.int64(start[word])
        length = _read(data, lo, np.int64(stop[word]), kinds, codes, places)
        if length < 0:
            continue
        before, i = size, 0
        while i < length:
            if i:
                cuts[size] = places[i] - lo
                size += 1
            kind, end = kinds[codes[i]], i + 1
            while kind & (_CJK | _ALNUM) and end < length and kinds[codes[end]] & kind & (_CJK | _ALNUM):
                end += 1
            if kind & _CJK and end > i + 1:
                _find_words(codes, i, end, kinds, trie, firsts, previous, costs)
                size = _write(places, lo, i, end, previous, cuts, size)
            i = end
        counts[word] = size - before
    return size


@loop
def _read(data: Bytes, lo: int, hi: int, kinds: Bytes, codes: Positions, places: Positions) -> int:
    """Write the code points of a word and where they begin; how many, -1 if the word is ICU's business."""
    length = 0
    while lo < hi:
        places[length] = lo
        code, lo = decode(data, lo, hi)
        if code >= len(kinds) or kinds[code] == 0:
            return -1
        codes[length] = code
        length += 1
    for i in range(1, length - 1):
        if kinds[codes[i]] & _BETWEEN and kinds[codes[i - 1]] & kinds[codes[i + 1]] & _ALNUM:
            return -1
    return length


@inlined
def _relax(previous: Positions, costs: Costs, begin: int, end: int, cost: np.uint32) -> None:
    if cost < costs[end]:
        costs[end] = cost
        previous[end] = begin


@loop
def _find_words(
    codes: Positions, lo: int, hi: int, kinds: Bytes, trie: Trie, firsts: Positions, previous: Positions, costs: Costs
) -> None:
    """Of the characters from `lo` to `hi`: where the word begins that ends before each, in the best cut so far."""
    costs[lo] = 0
    for i in range(lo + 1, hi + 1):
        costs[i] = _UNREACHED
    katakana_before = False
    for i in range(lo, hi):
        # a character by itself is a word, so each place can be reached
        cost, code = costs[i], np.int64(codes[i])
        at, left, value = np.int64(firsts[code, 0]), np.int64(firsts[code, 1]), np.int64(firsts[code, 2])
        _relax(previous, costs, i, i + 1, np.uint32(cost + (np.uint32(value) if value >= 0 else _MOST_COST)))
        end, most = i + 1, min(hi, i + _LONGEST)
        while at >= 0 and end < most:
            at, left, value = step(trie, at, left, np.int64(codes[end]))
            end += 1
            if value >= 0:
                _relax(previous, costs, i, end, np.uint32(cost + np.uint32(value)))
        katakana = kinds[code] & _KATAKANA != 0
        if katakana and not katakana_before:
            end = i + 1
            while end < hi and end - i < _LONGEST_KATAKANA and kinds[codes[end]] & _KATAKANA:
                end += 1
            if end - i < _LONGEST_KATAKANA:
                _relax(previous, costs, i, end, np.uint32(cost + _KATAKANA_COSTS[end - i]))
        katakana_before = katakana


@loop
def _write(places: Positions, origin: int, lo: int, hi: int, previous: Positions, cuts: Positions, size: int) -> int:
    """Write the cuts between the words from `lo` to `hi`, in order; the new size."""
    inside, i = 0, np.int64(previous[hi])
    while i > lo:
        inside += 1
        i = np.int64(previous[i])
    i = np.int64(previous[hi])
    for k in range(size + inside - 1, size - 1, -1):
        cuts[k] = places[i] - origin
        i = np.int64(previous[i])
    return size + inside
