"""Phrases that C4 looks for in a line (Raffel et al. 2020, section 2.2): found without lower-casing the text first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.unicode import BREAK, decode
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


def _triggers(behind: int) -> npt.NDArray[np.uint16]:
    """Byte -> the phrases (a bit each) whose first rare character (or the one behind) it may be, in either case."""
    table = np.zeros(256, np.uint16)
    for number, (phrase, place, _) in enumerate(_PHRASES):
        char = phrase[place + behind : place + behind + 1]
        table[list((char + char.upper()).encode()) if char else slice(None)] |= 1 << number
    return table


_BREAK_BIT = 1 << 15
_HERE, _BEHIND = _triggers(0), _triggers(1)
# where a line may end
_HERE[[10, 11, 12, 13, 28, 29, 30, 0xC2, 0xE2]] |= _BREAK_BIT
_BEHIND |= _BREAK_BIT
# what a byte may be whatever follows
_ALONE = int(np.bitwise_and.reduce(_BEHIND))


@loop
def phrases_in(data: Bytes, lo: int, hi: int) -> int:
    """Which of the phrases stand in `data[lo:hi]`, as bits; ASCII letters match in either case."""
    found = 0
    for i in range(lo, hi):
        behind = np.int64(_BEHIND[data[i + 1]]) if i + 1 < hi else _ALONE
        candidates = np.int64(_HERE[data[i]]) & behind & ~_BREAK_BIT
        if candidates:
            found |= _phrases_at(data, lo, hi, i, candidates)
    return found


@inlined
def scan_line(data: Bytes, start: int, hi: int, classes: npt.NDArray[np.uint16]) -> tuple[int, int, int]:
    """Where the line from `start` ends, where the next starts (as `str.splitlines` cuts), which phrases it holds."""
    found, i = 0, start
    while True:
        i = _next_mark(data, i, hi)
        if i >= hi:
            return hi, hi, found
        behind = np.int64(_BEHIND[data[i + 1]]) if i + 1 < hi else _ALONE
        candidates = np.int64(_HERE[data[i]]) & behind
        if candidates & ~_BREAK_BIT:
            # a phrase has no line break, so one that starts in the line ends in it
            found |= _phrases_at(data, start, hi, i, candidates & ~_BREAK_BIT)
        after = i + 1
        if candidates & _BREAK_BIT:
            code, after = decode(data, i, hi)
            if classes[code] & BREAK:
                if code == 13 and after < hi and data[after] == 10:
                    after += 1
                return i, after, found
        i = after


@inlined
def _next_mark(data: Bytes, start: int, hi: int) -> int:
    """The first byte of `data[start:hi - 1]` where a line may end or a phrase stand; else one from `hi - 1` on."""
    # unsigned: numba asks of signed indexes whether they are negative
    i, last = np.uint64(start), np.uint64(max(hi - 1, start))
    here = data[i] if i < last else np.uint8(0)
    while i < last:
        behind = data[i + np.uint64(1)]
        if _HERE[here] & _BEHIND[behind]:
            break
        here = behind
        i += np.uint64(1)
    return np.int64(i)


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
