"""Gopher's repetition signals (Rae et al. 2021, arXiv 2112.11446, table A1), counted as datatrove counts them.

Lines are parted by runs of newlines, paragraphs (of the stripped text) by two newlines or more; the second and later
copies of one are duplicates. All character counts are in code points and divide by those of the whole text.

An n-gram can repeat only where the (n-1)-grams at its first and second word both do. So word numbers become numbers of
2-grams, those become 3-grams, ..., and each level looks only at the positions that the one before left alive. Pairs of
numbers are compared exactly; words, lines and paragraphs by 64-bit hashes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import loop
from curate.kernels.groups import Counts, Hashes, add, characters_in, group, hash_range, power_of_two
from curate.kernels.lines import strip
from curate.kernels.unicode import tables
from curate.kernels.words import Words
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


def repetition_signals(data: Bytes, offsets: Offsets, words: Words) -> Signals:
    """The signals of n texts, n x `COLUMNS` float64; 0/0 is 0.

    Source: datatrove 0.10 gopher_repetition_filter. N-grams are compared word by word, where datatrove joins the words
    of the 5- to 10-grams without separators first: they differ only for texts such as `ab c` and `a bc`.
    """
    signals = np.zeros((len(offsets) - 1, len(COLUMNS)))
    most_words = int(np.diff(words.first).max(initial=0))
    most_bytes = int(np.diff(offsets).max(initial=0))
    slots = power_of_two(2 * most_words + 2)
    _all(
        data,
        offsets,
        words.start,
        words.stop,
        words.first,
        tables().classes,
        np.empty(power_of_two(2 * most_bytes + 8), np.uint64),
        np.empty(most_words + 2, np.uint64),
        np.empty(most_words + 2, np.int32),
        np.empty(most_words + 2, np.int32),
        np.empty(most_words + 2, np.int32),
        np.empty(slots, np.int32),
        np.empty(most_words + 2, np.uint64),
        np.empty(most_words + 2, np.int32),
        np.empty(most_bytes + 1, np.int32),
        signals,
    )
    return signals


@loop
def _all(
    data: Bytes,
    offsets: Offsets,
    start: Counts,
    stop: Counts,
    first: npt.NDArray[np.int64],
    classes: npt.NDArray[np.uint16],
    seen: Hashes,
    code: Hashes,
    number: Counts,
    alive: Counts,
    chars: Counts,
    slots: Counts,
    keys: Hashes,
    count: Counts,
    breaks: Counts,
    signals: Signals,
) -> None:
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        characters, newlines = 0, 0
        for i in range(lo, hi):
            characters += (data[i] & 0xC0) != 0x80
            breaks[newlines] = i
            newlines += data[i] == _NEWLINE
        if characters == 0:
            continue
        row = signals[text]
        row[0] = characters
        _repeated_parts(data, lo, hi, 1, breaks[:newlines], seen, characters, row[1:3])
        inner, outer = strip(data, lo, hi, classes)
        _repeated_parts(data, inner, outer, 2, breaks[:newlines], seen, characters, row[3:5])
        begin, size = first[text], first[text + 1] - first[text]
        for k in range(size):
            alive[k] = k
        number[size] = 0  # behind the last word nothing is alive
        _read_words(data, start, stop, begin, size, characters == hi - lo, code, chars)
        living, groups = group(code, alive, size, number, slots, keys, count)
        for n in range(2, 11):
            if size < n:
                break
            living = _pair_up(code, alive, living, number)
            living, groups = group(code, alive, living, number, slots, keys, count)
            if n <= 4:
                row[3 + n] = _top(n, alive, living, number, groups, count, chars) / characters
            else:
                row[3 + n] = _duplicate(n, alive, living, number, count, chars) / characters


@loop
def _repeated_parts(
    data: Bytes, lo: int, hi: int, run: int, breaks: Counts, seen: Hashes, characters: int, out: Signals
) -> None:
    """Of the parts between `run` newlines or more: out[0] the share of duplicates, out[1] that of their characters.

    `breaks` are the newlines of the text, of which `data[lo:hi]` is a part.
    """
    size = power_of_two(2 * len(breaks) + 4)
    for slot in range(size):
        seen[slot] = 0
    parts, copies, copied = 0, 0, 0
    begin, k = lo, 0
    while k < len(breaks) and breaks[k] < lo:
        k += 1
    while True:
        # the next run of newlines that is long enough, or the end
        end, behind = hi, hi
        while k < len(breaks) and breaks[k] < hi:
            at = np.int64(breaks[k])
            after = at + 1
            k += 1
            while k < len(breaks) and breaks[k] == after and after < hi:
                after += 1
                k += 1
            if after - at >= run:
                end, behind = at, after
                break
        parts += 1
        if add(seen, size, hash_range(data, begin, end)):
            copies += 1
            copied += characters_in(data, begin, end)
        if end == hi and behind == hi:
            break
        begin = behind
    out[0] = copies / parts
    out[1] = copied / characters


@loop
def _read_words(
    data: Bytes, start: Counts, stop: Counts, begin: int, size: int, ascii_only: bool, code: Hashes, chars: Counts
) -> None:
    """The hash of each of `size` words to `code`, the characters of all words before it to `chars`."""
    total = 0
    for k in range(size):
        chars[k] = total
        lo, hi = np.int64(start[begin + k]), np.int64(stop[begin + k])
        code[k] = hash_range(data, lo, hi)
        total += hi - lo if ascii_only else characters_in(data, lo, hi)
    chars[size] = total


@loop
def _pair_up(code: Hashes, alive: Counts, living: int, number: Counts) -> int:
    """From numbers of n-grams to codes of (n + 1)-grams, where both of their n-grams are alive."""
    left = 0
    for s in range(living):
        i = alive[s]
        both = number[i + 1] > 0
        code[i] = np.uint64(number[i]) << np.uint64(32) | np.uint64(number[i + 1])
        alive[left] = i
        left += both
        number[i] = number[i] if both else 0
    return left


@loop
def _top(n: int, alive: Counts, living: int, number: Counts, groups: int, count: Counts, chars: Counts) -> int:
    """Characters (with spaces between words) of the most frequent n-gram, the first such one, times its frequency."""
    best, place = 1, np.int64(0)
    for s in range(living):
        i = alive[s]
        if count[number[i]] > best:
            best, place = np.int64(count[number[i]]), np.int64(i)
    return (chars[place + n] - chars[place] + n - 1) * best


@loop
def _duplicate(n: int, alive: Counts, living: int, number: Counts, count: Counts, chars: Counts) -> int:
    """Characters of n-grams seen before, left to right: behind one found the search goes on, else one word further."""
    found, free = 0, 0
    for s in range(living):
        i = alive[s]
        if i < free:
            continue
        if count[number[i]] < 0:
            found += chars[i + n] - chars[i]
            free = i + n
        count[number[i]] = -1
    return found
