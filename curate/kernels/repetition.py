"""Gopher's repetition signals (Rae et al. 2021, arXiv 2112.11446, table A1), counted as datatrove counts them.

Lines are parted by runs of newlines, paragraphs (of the stripped text) by two newlines or more; the second and later
copies of one are duplicates. All character counts are in code points and divide by those of the whole text.

N-grams of words are compared exactly; words, lines and paragraphs by 64-bit hashes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.ascii import line_feed
from curate.kernels.grams import extend, first_of, start_grams, sum_characters
from curate.kernels.groups import Counts, Hashes, Places, add, characters_in, hash_range, power_of_two
from curate.kernels.lines import strip
from curate.kernels.unicode import tables
from curate.kernels.words import Words, alike_of
from curate.text import Bytes, Offsets

Signals = npt.NDArray[np.float64]

LINES = ("dup_line_frac", "dup_line_char_frac", "dup_para_frac", "dup_para_char_frac")
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)
COLUMNS = (
    "char_count",
    *LINES,
    *(f"top_{n}gram_char_frac" for n in TOP),
    *(f"dup_{n}gram_char_frac" for n in DUPLICATE),
)

_NEWLINE = 10
# Each is a uint64: with an int64, numba would compute in float64.
_0, _1 = np.uint64(0), np.uint64(1)
# of a count: its n-gram has been met before
_MET = np.uint32(1 << 31)


def repetition_signals(data: Bytes, offsets: Offsets, words: Words) -> Signals:
    """The signals of n texts, n x `COLUMNS` float64; 0/0 is 0.

    Source: datatrove 0.10 gopher_repetition_filter. N-grams are compared word by word, where datatrove joins the words
    of the 5- to 10-grams without separators first: they differ only for texts such as `ab c` and `a bc`.
    """
    signals = np.zeros((len(offsets) - 1, len(COLUMNS)))
    most_bytes = int(np.diff(offsets).max(initial=0))
    seen = np.empty(power_of_two(2 * most_bytes + 8), np.uint64)
    _parts(data, offsets, tables().classes, seen, signals)
    room = int(np.diff(words.first).max(initial=0)) + 2
    alive, leader, count, next_count, chars = np.empty((5, room), np.uint32)
    keys = np.empty(power_of_two(2 * room), np.uint64)
    _grams(
        data, offsets, *words, *alike_of(data, words), alive, leader, count, next_count, chars, keys,
        np.empty(len(keys), np.uint32), signals,
    )  # fmt: skip
    return signals


@entry
def _parts(data: Bytes, offsets: Offsets, classes: npt.NDArray[np.uint16], seen: Hashes, signals: Signals) -> None:
    """The signals of lines and paragraphs, and the number of characters."""
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        characters, newlines = characters_in(data, lo, hi), 0
        if characters == 0:
            continue
        for i in range(np.uint64(lo), np.uint64(hi)):
            newlines += data[i] == _NEWLINE
        row = signals[text]
        row[0] = characters
        ascii_only = characters == hi - lo
        copies, copied, parts = _repeated_parts(data, lo, hi, 1, ascii_only, newlines + 1, seen)
        row[1], row[2] = copies / parts, copied / characters
        inner, outer = strip(data, lo, hi, classes)
        copies, copied, parts = _repeated_parts(data, inner, outer, 2, ascii_only, newlines // 2 + 1, seen)
        row[3], row[4] = copies / parts, copied / characters


@inlined
def _repeated_parts(
    data: Bytes, lo: int, hi: int, run: int, ascii_only: bool, most: int, seen: Hashes
) -> tuple[int, int, int]:
    """Of the at most `most` parts between `run` newlines or more: copies, the characters in them, all parts."""
    size = power_of_two(2 * most + 2)
    for slot in range(np.uint64(size)):
        seen[slot] = _0
    parts, copies, copied = 0, 0, 0
    begin = lo
    while True:
        # the next run of newlines that is long enough, or the end
        end, behind, at = hi, hi, begin
        while at < hi:
            at = line_feed(data, at, hi)
            after = at
            while after < hi and data[after] == _NEWLINE:
                after += 1
            if at < hi and after - at >= run:
                end, behind = at, after
                break
            at = after
        parts += 1
        if add(seen, size, hash_range(data, begin, end)):
            copies += 1
            copied += end - begin if ascii_only else characters_in(data, begin, end)
        if end == hi and behind == hi:
            break
        begin = behind
    return copies, copied, parts


@entry
def _grams(
    data: Bytes,
    offsets: Offsets,
    start: Counts,
    stop: Counts,
    first: npt.NDArray[np.int64],
    words: Places,
    word_count: Places,
    alive: Places,
    leader: Places,
    count: Places,
    next_count: Places,
    chars: Places,
    keys: Hashes,
    ids: Places,
    signals: Signals,
) -> None:
    """The signals of n-grams; `words` and `word_count` say which words are alike."""
    for text in range(len(first) - 1):
        begin, size = np.uint64(first[text]), np.uint64(first[text + 1] - first[text])
        if size < np.uint64(2):
            continue
        word = words[begin : begin + size]
        row = signals[text]
        sum_characters(data, start, stop, begin, size, row[0] == offsets[text + 1] - offsets[text], chars)
        living = start_grams(words, word_count, begin, size, alive, leader, count)
        next_count[size] = 1
        for n in range(np.uint64(2), min(size, np.uint64(10)) + _1):
            alive[living] = size
            living, most = extend(n - _1, word, alive, living, leader, count, next_count, keys, ids)
            count, next_count = next_count, count
            if n <= np.uint64(4):
                found = _top(n, most, alive, leader, count, chars)
            else:
                found = _duplicate(n, alive, living, leader, count, chars)
            row[np.int64(n) + 3] = found / row[0]


@loop
def _top(n: np.uint64, most: np.uint32, alive: Places, leader: Places, count: Places, chars: Places) -> int:
    """Characters (with spaces between words) of the first n-gram that occurs `most` times, times its frequency."""
    place = first_of(most, alive, leader, count) if most > 1 else _0
    return (np.int64(chars[place + n]) - np.int64(chars[place]) + np.int64(n) - 1) * np.int64(most)


@loop
def _duplicate(n: np.uint64, alive: Places, living: np.uint64, leader: Places, count: Places, chars: Places) -> int:
    """Characters of n-grams seen before, left to right: behind one found the search goes on, else one word further."""
    found, free = 0, _0
    for s in range(living):
        i = np.uint64(alive[s])
        times = count[leader[i]]
        if i < free or times == 1:
            continue
        if times & _MET:
            found += np.int64(chars[i + n]) - np.int64(chars[i])
            free = i + n
        else:
            count[leader[i]] = times | _MET
    return found
