"""Phrases that C4 looks for in a line (Raffel et al. 2020, section 2.2): found without lower-casing the text first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import loop
from curate.text import Bytes

LOREM_IPSUM, JAVASCRIPT, POLICY, CURLY_BRACKET = 1, 2, 4, 8

_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
# (phrase, the place of two characters in it that are rare in text, the bit it sets)
_PHRASES = (
    ("lorem ipsum", 7, LOREM_IPSUM),
    ("javascript", 0, JAVASCRIPT),
    *(
        (policy, policy.index("ki" if "ki" in policy else "ms" if "ms" in policy else "va"), POLICY)
        for policy in _POLICIES
    ),
    ("{", 0, CURLY_BRACKET),
)
_TEXT = np.frombuffer("".join(phrase for phrase, _, _ in _PHRASES).encode(), np.uint8)
_ENDS = np.cumsum([len(phrase) for phrase, _, _ in _PHRASES])
_PLACES = np.array([place for _, place, _ in _PHRASES])
_BITS = np.array([bit for _, _, bit in _PHRASES])
_1, _2, _BLOCK = np.uint64(1), np.uint64(2), np.uint64(128)


def _triggers(behind: int) -> npt.NDArray[np.uint16]:
    """Byte -> the phrases (a bit each) whose first rare character (or the one behind) it may be, in either case."""
    table = np.zeros(256, np.uint16)
    for number, (phrase, place, _) in enumerate(_PHRASES):
        char = phrase[place + behind : place + behind + 1]
        table[list((char + char.upper()).encode()) if char else slice(None)] |= 1 << number
    return table


_HERE, _BEHIND = _triggers(0), _triggers(1)
# what a byte may be whatever follows
_ALONE = int(np.bitwise_and.reduce(_BEHIND))


@loop
def phrases_in(data: Bytes, lo: int, hi: int) -> int:
    """Which of the phrases stand in `data[lo:hi]`, as bits; ASCII letters match in either case."""
    found = 0
    for i in range(lo, hi):
        behind = np.int64(_BEHIND[data[i + 1]]) if i + 1 < hi else _ALONE
        candidates = np.int64(_HERE[data[i]]) & behind
        if candidates:
            found |= _phrases_at(data, lo, hi, i, candidates)
    return found


@loop
def find_phrases(data: Bytes, lo: int, hi: int, places: npt.NDArray[np.int32], bits: Bytes) -> int:
    """Where phrases stand in `data[lo:hi]`, in order: write a place inside of each and its bit; how many."""
    count = 0
    for block in range(np.uint64(lo), np.uint64(hi), _BLOCK):
        end = min(block + _BLOCK, np.uint64(hi))
        if not _may_hold(data, block, end, np.uint64(hi)):
            continue
        for i in range(np.int64(block), np.int64(end)):
            behind = np.int64(_BEHIND[data[i + 1]]) if i + 1 < hi else _ALONE
            candidates = np.int64(_HERE[data[i]]) & behind
            found = _phrases_at(data, lo, hi, i, candidates) if candidates else 0
            if found:
                places[count], bits[count] = i, found
                count += 1
    return count


@loop
def _may_hold(data: Bytes, lo: np.uint64, end: np.uint64, hi: np.uint64) -> bool:
    """Whether three characters from one of `data[lo:end]` on may be the rare ones of a phrase, or one is {.

    Comparisons alone: the compiler looks at 32 bytes at a time.
    """
    some = np.uint8(0)
    for i in range(lo, min(end, hi - min(_2, hi))):
        first, second, third = data[i] | 32, data[i + _1] | 32, data[i + _2] | 32
        cookie = (first == ord("k")) & (second == ord("i")) & (third == ord("e"))
        privacy = (first == ord("v")) & (second == ord("a")) & (third == ord("c"))
        terms = (first == ord("m")) & (second == ord("s")) & (third == ord(" "))
        ipsum = (first == ord("p")) & (second == ord("s")) & (third == ord("u"))
        javascript = (first == ord("j")) & (second == ord("a")) & (third == ord("v"))
        some = np.uint8(some | cookie | privacy | terms | ipsum | javascript | (data[i] == ord("{")))
    for i in range(max(lo, hi - min(_2, hi)), end):
        some |= np.uint8(data[i] == ord("{"))
    return some != 0


@loop
def _phrases_at(data: Bytes, lo: int, hi: int, i: int, candidates: int) -> int:
    """The bits of those of the candidates in `data[lo:hi]` whose first rare character stands at `i`."""
    found, number = 0, 0
    while candidates:
        if candidates & 1:
            begin = _ENDS[number - 1] if number else 0
            length = _ENDS[number] - begin
            at = i - _PLACES[number]
            if at >= lo and at + length <= hi and _matches(data, at, begin, length):
                found |= _BITS[number]
        candidates >>= 1
        number += 1
    return found


@loop
def _matches(data: Bytes, at: int, begin: int, length: int) -> bool:
    for k in range(length):
        byte = np.int64(data[at + k])
        if ord("A") <= byte <= ord("Z"):
            byte += 32
        if byte != _TEXT[begin + k]:
            return False
    return True
