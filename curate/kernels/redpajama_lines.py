"""The signals of lines of RedPajama-V2 (arXiv 2411.12372), and of a text by its lines, for the kernel `redpajama`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import loop
from curate.kernels.affixes import Classes, previous
from curate.kernels.ascii import line_feed
from curate.kernels.groups import Counts, Places
from curate.kernels.lines import ends_with_ellipsis, strip
from curate.kernels.normal_form import NUMERIC, Normal
from curate.kernels.unicode import UPPER, decode
from curate.text import Bytes

Signals = npt.NDArray[np.float64]

_BULLETS = (0x2022, 0x2023, 0x25B6, 0x25C0, 0x25E6, 0x25A0, 0x25A1, 0x25AA, 0x25AB, 0x2013)
_RIGHT_QUOTE = 0x201D


class Lines(NamedTuple):
    """What is known of each line; text i has the lines `first[i]` to `first[i + 1]`."""

    first: npt.NDArray[np.int32]
    end: Counts  # in characters, behind its newline; it begins where the one before ends
    num_words: Counts
    javascript_counts: Counts
    ending_with_terminal_punctution_mark: npt.NDArray[np.bool_]
    start_with_bulletpoint: npt.NDArray[np.bool_]
    numerical_chars_fraction: npt.NDArray[np.float32]
    uppercase_letter_fraction: npt.NDArray[np.float32]


@loop
def line_signals(
    data: Bytes,
    lo: int,
    hi: int,
    classes: Classes,
    normal: Normal,
    leader: Places,
    script: int,
    flags: npt.NDArray[np.uint8],
    line: int,
    per_line: bool,
    table: Lines,
    row: Signals,
) -> int:
    """The signals `LINES` of a text, and those of its lines from `line` on if `per_line`; where the next ones go."""
    number, elliptical, ended, marked, scripts, characters = 0, 0, 0, 0, 0, 0
    i, from_word = lo, 0
    while i < hi:
        end = line_feed(data, i, hi)
        behind = min(end + 1, hi)
        begin, tail = strip(data, i, end, classes)
        last = decode(data, previous(data, begin, tail), tail)[0] if begin < tail else 0
        is_ended = (last == ord(".")) | (last == ord("!")) | (last == ord("?")) | (last == _RIGHT_QUOTE)
        head = decode(data, begin, tail)[0] if begin < tail else 0
        is_marked = head > 0x80 and head in _BULLETS
        elliptical += ends_with_ellipsis(data, begin, tail)
        ended += is_ended
        marked += is_marked
        to_word = np.int64(normal.line_words[number])
        called = 0
        if script >= 0:
            for k in range(from_word, to_word):
                called += leader[k] == script
        scripts += called
        if per_line:
            chars, capitals = _capitals(data, i, behind, classes)
            characters += chars
            table.end[line] = characters
            table.num_words[line] = to_word - from_word
            table.javascript_counts[line] = called
            table.ending_with_terminal_punctution_mark[line] = is_ended
            table.start_with_bulletpoint[line] = is_marked
            table.uppercase_letter_fraction[line] = capitals / chars
            if to_word > from_word:
                begin, tail = np.int64(normal.start[from_word]), np.int64(normal.stop[to_word - 1])
                table.numerical_chars_fraction[line] = _numerical(normal.out, begin, tail, flags)
            line += 1
        number += 1
        i, from_word = behind, to_word
    row[0] = number
    row[2] = ended
    row[3] = marked
    row[4] = scripts
    if number:
        row[1] = elliptical / number
    return line


@loop
def _capitals(data: Bytes, lo: int, hi: int, classes: Classes) -> tuple[int, int]:
    """The characters of `data[lo:hi]`, and those of them in upper case."""
    chars, capitals, wide = 0, 0, 0
    for i in range(np.uint64(lo), np.uint64(hi)):
        byte = data[i]
        chars += (byte & 0xC0) != 0x80
        capitals += (byte >= 0x41) & (byte <= 0x5A)
        wide += byte >= 0x80
    i = lo
    while i < hi and wide:
        code, i = decode(data, i, hi)
        capitals += code >= 0x80 and (classes[code] & UPPER) != 0
    return chars, capitals


@loop
def _numerical(out: Bytes, lo: int, hi: int, flags: npt.NDArray[np.uint8]) -> float:
    """Numerical characters of `out[lo:hi]` / its characters."""
    chars, numbers, wide = 0, 0, 0
    for i in range(np.uint64(lo), np.uint64(hi)):
        byte = out[i]
        chars += (byte & 0xC0) != 0x80
        numbers += (byte >= 0x30) & (byte <= 0x39)
        wide += byte >= 0x80
    i = lo
    while i < hi and wide:
        code, i = decode(out, i, hi)
        numbers += code >= 0x80 and (flags[code] & NUMERIC) != 0
    return numbers / chars
