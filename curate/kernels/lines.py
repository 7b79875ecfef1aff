"""Lines of a text: where they end, what they are without white space at the ends, how many sentences they hold."""

from __future__ import annotations

import numpy as np

from curate.kernels import inlined, loop
from curate.kernels.affixes import Classes, previous
from curate.kernels.ascii import line_feed
from curate.kernels.groups import Counts as Positions
from curate.kernels.unicode import BREAK, PUNCTUATION, SPACE, TERMINAL, decode
from curate.text import Bytes

_1, _2, _3 = np.uint64(1), np.uint64(2), np.uint64(3)
_BLOCK = np.uint64(128)


@loop
def line_end(data: Bytes, i: int, hi: int, classes: Classes) -> tuple[int, int]:
    """Where the line that starts at `i` ends, and where the next starts: as `str.splitlines` cuts."""
    while i < hi:
        byte = data[i]
        if byte < 0x80:
            if byte < 0x20 and classes[byte] & BREAK:
                behind = i + 1
                if byte == 13 and behind < hi and data[behind] == 10:
                    behind += 1
                return i, behind
            i += 1
        elif byte == 0xC2 or byte == 0xE2:
            # U+0085, U+2028 and U+2029
            code, after = decode(data, i, hi)
            if classes[code] & BREAK:
                return i, after
            i = after
        else:
            i += 1
    return hi, hi


@inlined
def next_line(data: Bytes, i: int, hi: int, plain: bool, classes: Classes) -> tuple[int, int]:
    """As `line_end`; in a `plain` text but newlines end lines."""
    if plain:
        end = line_feed(data, i, hi)
        return end, min(end + 1, hi)
    return line_end(data, i, hi, classes)


@loop
def strip(data: Bytes, lo: int, hi: int, classes: Classes) -> tuple[int, int]:
    """The part of `data[lo:hi]` without white space at its ends."""
    while lo < hi:
        code, after = decode(data, lo, hi)
        if not classes[code] & SPACE:
            break
        lo = after
    while lo < hi:
        at = previous(data, lo, hi)
        if not classes[decode(data, at, hi)[0]] & SPACE:
            break
        hi = at
    return lo, hi


@loop
def ends_with_ellipsis(data: Bytes, lo: int, hi: int) -> bool:
    """Whether `data[lo:hi]` ends with three full stops or U+2026."""
    if hi - lo < 3:
        return False
    a, b, c = data[hi - 3], data[hi - 2], data[hi - 1]
    return (a == 0x2E and b == 0x2E and c == 0x2E) or (a == 0xE2 and b == 0x80 and c == 0xA6)


@loop
def ellipses(data: Bytes, lo: int, hi: int) -> int:
    """How often three full stops stand in `data[lo:hi]`, side by side and apart from one another; `hi - lo > 2`."""
    found, i, last = 0, np.uint64(lo), np.uint64(hi) - _2
    for block in range(np.uint64(lo), last, _BLOCK):
        end, some = min(block + _BLOCK, last), np.uint8(0)
        for k in range(block, end):
            some = np.uint8(some | ((data[k] == 0x2E) & (data[k + _1] == 0x2E) & (data[k + _2] == 0x2E)))
        if some == 0:
            continue
        i = max(i, block)
        while i < end:
            triple = (data[i] == 0x2E) & (data[i + _1] == 0x2E) & (data[i + _2] == 0x2E)
            found += triple
            i += _3 if triple else _1
    return found


@inlined
def sentences(
    data: Bytes, start: Positions, stop: Positions, word: int, last: int, end: int, classes: Classes
) -> tuple[int, int]:
    """How many sentences the words from `word` (below `last`) that start before byte `end` make; the next word.

    A sentence begins at the first word that is no punctuation behind a word that is one sentence-ending character:
    the rule of spaCy's sentencizer, by which datatrove counts.
    """
    # unsigned: numba asks of signed indexes whether they are negative
    k, behind = np.uint64(word), np.uint64(last)
    if k >= behind or start[k] >= end:
        return 0, word
    count, ended = 1, False
    first = k
    while k < behind:
        lo = np.int64(start[k])
        if lo >= end:
            break
        size = np.int64(stop[k]) - lo
        terminal = (size == 1) & ((classes[data[lo]] & TERMINAL) != 0)
        if data[lo] >= 0x80:
            code, after = decode(data, lo, lo + size)
            terminal = after == lo + size and (classes[code] & TERMINAL) != 0
        if ended:
            # white space that is more than one blank is a word of its own for spaCy
            gap = lo - stop[k - _1] if k > first else 0
            apart = gap > 1 or (gap == 1 and data[lo - 1] != 0x20)
            if apart or not (terminal or _all_punctuation(data, lo, lo + size, classes)):
                count += 1
                ended = False
        ended = ended or terminal
        k += _1
    return count, np.int64(k)


@loop
def _all_punctuation(data: Bytes, lo: int, hi: int, classes: Classes) -> bool:
    while lo < hi:
        code, lo = decode(data, lo, hi)
        if not classes[code] & PUNCTUATION:
            return False
    return True
