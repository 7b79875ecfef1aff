"""Setu's signals of a text: its lines and words, what repeats among 5-grams of words and 10-grams of characters.

Words are parted by white space. N-grams are compared by 64-bit hashes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.affixes import Classes
from curate.kernels.groups import GOLDEN, Counts, Hashes, clear, find_slot, hash_range, power_of_two
from curate.kernels.scripts import NO_SCRIPT, Scripts, script_table
from curate.kernels.unicode import ALNUM, SPACE, decode, tables
from curate.text import Bytes, Offsets

COLUMNS = ("line_count", "words_per_line", "symbol_share", "word_repetition", "char_repetition")
WORDS, CHARACTERS = 5, 10

_0, _1, _SHIFT = np.uint64(0), np.uint64(1), np.uint64(31)
# zero-width joiner and non-joiner: spelling, no symbols
_JOINERS = (0x200C, 0x200D)


def setu_signals(data: Bytes, offsets: Offsets) -> npt.NDArray[np.float64]:
    """The signals of n texts, n x `COLUMNS` float64; 0/0 is 0.

    `word_repetition`: occurrences of 5-grams of words that occur twice or more / 5-grams. `char_repetition`: occurrences
    of the floor(sqrt(different)) most frequent 10-grams of characters / 10-grams.
    """
    signals = np.zeros((len(offsets) - 1, len(COLUMNS)))
    most = int(np.diff(offsets).max(initial=0)) + 1
    room = power_of_two(2 * most)
    _all(
        data, offsets, tables().classes, script_table(), np.empty(most, np.uint64), np.empty(most, np.uint64),
        np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(most + 1, np.int32), signals,
    )  # fmt: skip
    return signals


@entry
def _all(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    scripts: Scripts,
    words: Hashes,
    codes: Hashes,
    keys: Hashes,
    times: Counts,
    often: Counts,
    signals: npt.NDArray[np.float64],
) -> None:
    for text in range(len(offsets) - 1):
        i, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        row = signals[text]
        lines, number, characters, symbols = 0, 0, 0, 0
        blank, begin = True, i  # of the line; of the word, at `i` outside of one
        while i < hi:
            code, after = decode(data, i, hi)
            classed = np.int64(classes[code])
            if classed & SPACE:
                if begin < i:
                    words[number] = hash_range(data, begin, i)
                    number += 1
                begin = after
                if code == 10:
                    lines += not blank
                    blank = True
            else:
                blank = False
                symbols += not (classed & ALNUM or scripts[code] != NO_SCRIPT or code in _JOINERS)
            codes[characters] = code
            characters += 1
            i = after
        if begin < hi:
            words[number] = hash_range(data, begin, hi)
            number += 1
        lines += not blank
        if characters:
            row[0] = lines
            row[1] = number / max(lines, 1)
            row[2] = symbols / characters
        if number >= WORDS:
            _count(words, number, WORDS, keys, times, often)
            row[3] = 1 - often[1] / (number - WORDS + 1)
        if characters >= CHARACTERS:
            different = _count(codes, characters, CHARACTERS, keys, times, often)
            total = characters - CHARACTERS + 1
            row[4] = _top(often, total, np.int64(np.sqrt(np.float64(different)))) / total


@inlined
def _top(often: Counts, most: int, left: int) -> int:
    """The sum of the `left` largest counts; `often` says how many n-grams have each count, up to `most`."""
    found = 0
    while left > 0 and most > 0:
        taken = np.int64(often[most])
        if taken > left:
            taken = left
        found += taken * most
        left -= taken
        most -= 1
    return found


@loop
def _count(items: Hashes, size: int, n: int, keys: Hashes, times: Counts, often: Counts) -> int:
    """Count the n-grams of `items[:size]`: how many different ones there are; `often[c]`: how many occur c times."""
    total = size - n + 1
    shift = clear(keys, total)
    different = 0
    for k in range(total):
        value = np.uint64(n)
        for j in range(n):
            value = (value ^ items[k + j]) * GOLDEN
            value ^= value >> _SHIFT
        value = max(value * GOLDEN, _1)
        slot = find_slot(keys, shift, value)
        if keys[slot] == _0:
            keys[slot] = value
            times[slot] = 0
            different += 1
        times[slot] += 1
    for count in range(total + 1):
        often[count] = 0
    slots = np.int64(_1 << (np.uint64(64) - shift))
    for slot in range(slots):
        if keys[slot] != _0:
            often[times[slot]] += 1
    return different
