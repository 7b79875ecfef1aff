"""Gopher's repetition signals (Rae et al. 2021, arXiv 2112.11446, table A1), counted as datatrove counts them.

Lines are parted by runs of newlines, paragraphs (of the stripped text) by two newlines or more; the second and later
copies of one are duplicates. All character counts are in code points and divide by those of the whole text.

N-grams of words are compared exactly; words, lines and paragraphs by 64-bit hashes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.affixes import Classes
from curate.kernels.characters import CHARS, NEWLINES, Counters, characters_of
from curate.kernels.grams import extend, first_of, start_grams, sum_characters
from curate.kernels.groups import GOLDEN, Counts, Hashes, Places, add, characters_in, hash_range, power_of_two
from curate.kernels.line_table import COPY, lines_of
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
_0, _1, _29 = np.uint64(0), np.uint64(1), np.uint64(29)
# of a count: its n-gram has been met before
_MET = np.uint32(1 << 31)


def repetition_signals(data: Bytes, offsets: Offsets, words: Words) -> Signals:
    """The signals of n texts, n x `COLUMNS` float64; 0/0 is 0.

    Source: datatrove 0.10 gopher_repetition_filter. N-grams are compared word by word, where datatrove joins the words
    of the 5- to 10-grams without separators first: they differ only for texts such as `ab c` and `a bc`.
    """
    signals = np.zeros((len(offsets) - 1, len(COLUMNS)))
    characters = characters_of(data, offsets)
    seen = np.empty(power_of_two(int(characters[:, NEWLINES].max(initial=0)) + 4), np.uint64)
    _parts(data, offsets, tables().classes, characters, *lines_of(data, offsets), seen, signals)
    room = int(np.diff(words.first).max(initial=0)) + 2
    alive, leader, count, next_count, chars = np.empty((5, room), np.uint32)
    keys = np.empty(power_of_two(2 * room), np.uint64)
    _grams(
        data, offsets, *words, *alike_of(data, words), alive, leader, count, next_count, chars, keys,
        np.empty(len(keys), np.uint32), signals,
    )  # fmt: skip
    return signals


@entry
def _parts(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    characters: Counters,
    start: Counts,
    stop: Counts,
    hashes: Hashes,
    kind: Bytes,
    first: npt.NDArray[np.int64],
    seen: Hashes,
    signals: Signals,
) -> None:
    """The signals of lines and paragraphs, and the number of characters; `start` to `first` are those of a `LineTable`."""
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        chars = characters[text, CHARS]
        if chars == 0:
            continue
        row = signals[text]
        row[0] = chars
        ascii_only = chars == hi - lo
        # newlines at an edge of the text part an empty line from it
        opens, closes = data[lo] == _NEWLINE, data[hi - 1] == _NEWLINE
        lines, copies, copied = first[text + 1] - first[text] + opens + closes, np.int64(opens and closes), 0
        for line in range(first[text], first[text + 1]):
            if kind[line] & COPY:
                copies += 1
                copied += _characters(data, start[line], stop[line], ascii_only)
        row[1], row[2] = copies / lines, copied / chars
        inner, outer = strip(data, lo, hi, classes)
        most = characters[text, NEWLINES] // 2 + 1
        copies, copied, parts = _repeated_paragraphs(
            data, inner, outer, start, stop, hashes, first[text], first[text + 1], ascii_only, most, seen
        )
        row[3], row[4] = copies / parts, copied / chars


@inlined
def _characters(data: Bytes, lo: int, hi: int, ascii_only: bool) -> int:
    return np.int64(hi - lo) if ascii_only else characters_in(data, lo, hi)


@inlined
def _repeated_paragraphs(
    data: Bytes,
    lo: int,
    hi: int,
    start: Counts,
    stop: Counts,
    hashes: Hashes,
    line: int,
    last: int,
    ascii_only: bool,
    most: int,
    seen: Hashes,
) -> tuple[int, int, int]:
    """Of the at most `most` paragraphs of the stripped text `data[lo:hi]`: copies, the characters in them, all of them.

    A paragraph is made of lines (those from `line`, below `last`) with one newline between them, and is known by their hashes.
    """
    size = power_of_two(2 * most + 2)
    for slot in range(np.uint64(size)):
        seen[slot] = _0
    parts, copies, copied = 0, 0, 0
    while line < last and stop[line] <= lo:
        line += 1
    while line < last and start[line] < hi:
        begin, end, value = max(np.int64(start[line]), lo), lo, _0
        while True:
            # the strip may have shortened the first and the last line of the text
            left, end = max(np.int64(start[line]), lo), min(np.int64(stop[line]), hi)
            whole = left == start[line] and end == stop[line]
            value = (value ^ (hashes[line] if whole else hash_range(data, left, end))) * GOLDEN
            value ^= value >> _29
            line += 1
            if line == last or start[line] >= hi or start[line] > end + 1:
                break
        parts += 1
        if add(seen, size, max(value, _1)):
            copies += 1
            copied += _characters(data, begin, end, ascii_only)
    return copies, copied, max(parts, 1)


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
