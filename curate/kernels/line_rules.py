"""Line rules of C4 and of RefinedWeb / DCLM: which lines of a text stay, and what is cut from them.

The text is written anew, line by line. Rules look at a line in the order of datatrove's C4QualityFilter (0.10), so that
a page rule sees `lorem ipsum` or `{` only in lines that no earlier rule removed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.affixes import Classes
from curate.kernels.ascii import BRACKETS, ascii_parted, eight_capitals, find_byte
from curate.kernels.carried_words import KeptLines
from curate.kernels.characters import BREAKS, CHARS, NEWLINES, Counters, characters_of
from curate.kernels.groups import characters_in
from curate.kernels.lines import next_line, sentences, strip
from curate.kernels.phrases import CURLY_BRACKET, JAVASCRIPT, LOREM_IPSUM, POLICY, find_phrases, phrases_in
from curate.kernels.unicode import DECIMAL, SPACE, UPPER, decode, tables
from curate.kernels.words import Words
from curate.text import Bytes, Offsets

# Bits of `LineRules.on`.
TERMINAL_PUNCT, CITATIONS, JAVASCRIPT_LINES, POLICY_LINES, DIGITS_ONLY, COUNTERS, SNIPPETS, KEEP_BLANK = (
    1, 2, 4, 8, 16, 32, 64, 128,
)  # fmt: skip

# Columns of the answer's counts; `lines` and `lines_removed` leave blank ones out.
COLUMNS = ("lines", "lines_removed", "chars", "chars_removed", "words", "words_removed", "lorem_ipsum", "curly_bracket")

COUNTED = ("likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes", "downvotes",
           "downloads", "views", "followers")  # fmt: skip
_COUNTED = np.frombuffer("".join(f"{word} " for word in COUNTED).encode(), np.uint8)
_CITATIONS = np.frombuffer(b"[edit][citation needed]", np.uint8)
_SNIPPETS = np.frombuffer(b"items in cartread more...sign-in", np.uint8)


class LineRules(NamedTuple):
    """What removes a line. 0 turns a limit off; the others are bits of `on`."""

    on: int
    min_words: int  # fewest words, parted by white space
    max_word_length: int  # in characters
    max_upper_share: float  # upper-case letters / characters; 1 is off
    marks: bytes  # ASCII characters that end a sentence


def edit_lines(
    data: Bytes, offsets: Offsets, rules: LineRules
) -> tuple[Bytes, Offsets, npt.NDArray[np.int64], KeptLines]:
    """n texts -> (bytes and offsets of the edited texts, counts n x `COLUMNS`, the lines that stay).

    Lines are those of `str.splitlines`, stripped, and joined by newlines. Words are parted by white space.
    """
    room = int(offsets[-1] - offsets[0]) + 1
    out, ends = np.empty(room, np.uint8), np.zeros(len(offsets), np.int32)
    counts = np.zeros((len(offsets) - 1, len(COLUMNS)), np.int64)
    marks = np.zeros(256, np.uint8)
    marks[list(rules.marks)] = 1
    limits = np.array([rules.on, rules.min_words, rules.max_word_length], np.int64)
    longest = int(np.diff(offsets).max(initial=0))
    characters = characters_of(data, offsets)
    most = int(characters[:, [NEWLINES, BREAKS]].sum()) + len(characters)
    begin, end, new_begin = np.empty((3, most), np.int32)
    lines = KeptLines(begin, end, new_begin, np.zeros(len(offsets), np.int64), np.zeros(len(counts), np.bool_))
    size = _edit(
        data, offsets, tables().classes, characters, limits, rules.max_upper_share, marks,
        np.empty(longest, np.int32), np.empty(longest, np.uint8), *lines, out, ends, counts,
    )  # fmt: skip
    return out[:size], ends, counts, lines


def count_sentences(data: Bytes, offsets: Offsets, words: Words) -> npt.NDArray[np.int32]:
    """The sentences of n texts, counted line by line."""
    found = np.zeros(len(offsets) - 1, np.int32)
    _sentences(data, offsets, *words, tables().classes, characters_of(data, offsets), found)
    return found


@entry
def _sentences(
    data: Bytes,
    offsets: Offsets,
    start: npt.NDArray[np.int32],
    stop: npt.NDArray[np.int32],
    first: npt.NDArray[np.int64],
    classes: Classes,
    characters: Counters,
    found: npt.NDArray[np.int32],
) -> None:
    for text in range(len(found)):
        i, hi, word = np.int64(offsets[text]), np.int64(offsets[text + 1]), first[text]
        plain = characters[text, BREAKS] == 0
        while i < hi:
            end, i = next_line(data, i, hi, plain, classes)
            number, word = sentences(data, start, stop, word, first[text + 1], end, classes)
            found[text] += number


@entry
def _edit(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    characters: Counters,
    limits: npt.NDArray[np.int64],
    max_upper: float,
    marks: Bytes,
    places: npt.NDArray[np.int32],
    phrases: Bytes,
    line_begin: npt.NDArray[np.int32],
    line_end: npt.NDArray[np.int32],
    new_begin: npt.NDArray[np.int32],
    first_line: npt.NDArray[np.int64],
    cut: npt.NDArray[np.bool_],
    out: Bytes,
    ends: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
) -> int:
    """The bytes of the edited texts; `places` and `phrases` are room for what `find_phrases` writes."""
    size, kept = 0, 0
    for text in range(len(offsets) - 1):
        i, hi, base = np.int64(offsets[text]), np.int64(offsets[text + 1]), size
        row = counts[text]
        row[2] = characters[text, CHARS]
        plain = characters[text, BREAKS] == 0
        blank = True  # whether the line written last was blank, or none was
        phrase, last_phrase = 0, find_phrases(data, i, hi, places, phrases)
        while i < hi:
            end, behind = next_line(data, i, hi, plain, classes)
            lo, tail = strip(data, i, end, classes)
            i = behind
            found = 0
            while phrase < last_phrase and places[phrase] < end:
                found |= phrases[phrase]
                phrase += 1
            if lo == tail and limits[0] & KEEP_BLANK:
                # a blank line parts paragraphs: one of several stays
                if not blank:
                    out[size] = 10
                    size += 1
                blank = True
                continue
            row[0] += lo < tail
            words = _count_words(data, lo, tail, classes, limits[2])
            row[4] += abs(words)
            begin = size
            size = _line(data, lo, tail, words, found, classes, limits, max_upper, marks, out, size, row)
            if size < 0:
                row[1] += lo < tail
                row[5] += abs(words)
                size = begin
            else:
                line_begin[kept], line_end[kept], new_begin[kept] = lo, tail, begin
                kept += 1
                if size - begin < tail - lo:
                    cut[text] = True
                    row[5] += abs(words) - abs(_count_words(out, begin, size, classes, 0))
                out[size] = 10
                size += 1
                blank = False
        # as str.strip of the joined lines
        lo, tail = strip(out, base, size, classes)
        if lo > base:
            for k in range(lo, tail):
                out[base + k - lo] = out[k]
            for line in range(first_line[text], kept):
                new_begin[line] -= lo - base
        size = base + tail - lo
        row[3] = row[2] - characters_in(out, base, size)
        ends[text + 1] = size
        first_line[text + 1] = kept
    return size


@loop
def _count_words(data: Bytes, lo: int, hi: int, classes: Classes, longest: int) -> int:
    """Words between white space; the number is negative if one has more than `longest` characters (0: no limit)."""
    if longest == 0 or hi - lo <= longest:
        few = ascii_parted(data, lo, hi)
        if few >= 0:
            return few
    words, length, too_long = 0, 0, False
    while lo < hi:
        code, lo = decode(data, lo, hi)
        if classes[code] & SPACE:
            length = 0
        else:
            words += length == 0
            length += 1
            too_long = too_long or (longest > 0 and length > longest)
    return -words if too_long else words


@loop
def _line(
    data: Bytes,
    lo: int,
    hi: int,
    words: int,
    found: int,
    classes: Classes,
    limits: npt.NDArray[np.int64],
    max_upper: float,
    marks: Bytes,
    out: Bytes,
    size: int,
    row: npt.NDArray[np.int64],
) -> int:
    """Write what stays of the stripped line `data[lo:hi]`, with the phrases `found`, at `size`; the new size, or -1 if the
    line is removed."""
    on = limits[0]
    if words < 0:
        return -1
    begin = size
    size = _copy(data, lo, hi, classes, on & CITATIONS != 0, out, size)
    if on & TERMINAL_PUNCT and not _ends_well(out, begin, size, marks):
        return -1
    if words < limits[1]:
        return -1
    if size - begin < hi - lo:
        # what was cut may have been inside of a phrase, or have parted one
        found = phrases_in(out, begin, size)
    row[6] += (found & LOREM_IPSUM) != 0
    if found & JAVASCRIPT and on & JAVASCRIPT_LINES:
        return -1
    row[7] += (found & CURLY_BRACKET) != 0
    if found & POLICY and on & POLICY_LINES:
        return -1
    if max_upper < 1.0 and _upper_share(out, begin, size, classes) > max_upper:
        return -1
    if on & DIGITS_ONLY and _is_digits(out, begin, size, classes):
        return -1
    if on & COUNTERS and words == 2 and _is_counter(out, begin, size, classes):
        return -1
    if on & SNIPPETS and words <= 10:
        size = _cut_snippets(out, begin, size, classes)
        if size == begin:
            return -1
    return size


@loop
def _copy(data: Bytes, lo: int, hi: int, classes: Classes, citations: bool, out: Bytes, size: int) -> int:
    """Copy a line, without citation marks ([12], [], [edit], [citation needed]) if `citations`."""
    while lo < hi:
        mark = find_byte(data, lo, hi, BRACKETS) if citations else hi
        for k in range(np.uint64(mark - lo)):
            out[np.uint64(size) + k] = data[np.uint64(lo) + k]
        size += mark - lo
        lo = mark
        if lo == hi:
            break
        i = lo + 1
        while i < hi:
            code, after = decode(data, i, hi)
            if not classes[code] & DECIMAL:
                break
            i = after
        if i < hi and data[i] == ord("]"):
            lo = i + 1
            continue
        length = 6 if starts(data, lo, hi, _CITATIONS, 0, 6, False) else 0
        length = 17 if starts(data, lo, hi, _CITATIONS, 6, 17, False) else length
        if length == 0:
            out[size] = data[lo]
            size += 1
            length = 1
        lo += length
    return size


@loop
def starts(data: Bytes, at: int, hi: int, phrases: Bytes, begin: int, length: int, any_case: bool) -> bool:
    """Whether `data[at:hi]` starts with `phrases[begin:begin + length]`, which is lower-case."""
    if at + length > hi:
        return False
    for k in range(length):
        byte = np.int64(data[at + k])
        if any_case and ord("A") <= byte <= ord("Z"):
            byte += 32
        if byte != phrases[begin + k]:
            return False
    return True


@loop
def _ends_well(line: Bytes, lo: int, hi: int, marks: Bytes) -> bool:
    """Whether a line ends in a mark of a finished sentence, and not in three full stops."""
    if lo == hi or not marks[line[hi - 1]]:
        return False
    return not (hi - lo >= 3 and line[hi - 1] == 0x2E and line[hi - 2] == 0x2E and line[hi - 3] == 0x2E)


@loop
def _upper_share(line: Bytes, lo: int, hi: int, classes: Classes) -> float:
    upper, total = 0, 0
    while lo < hi:
        capitals = eight_capitals(line, lo, hi)
        if capitals >= 0:
            upper += capitals
            total += 8
            lo += 8
            continue
        code, lo = decode(line, lo, hi)
        upper += (classes[code] & UPPER) != 0
        total += 1
    return upper / total if total else 0.0


@loop
def _is_digits(line: Bytes, lo: int, hi: int, classes: Classes) -> bool:
    """Whether a line has digits, and nothing else but white space."""
    digits = 0
    while lo < hi:
        code, lo = decode(line, lo, hi)
        if classes[code] & DECIMAL:
            digits += 1
        elif not classes[code] & SPACE:
            return False
    return digits > 0


@loop
def _is_counter(line: Bytes, lo: int, hi: int, classes: Classes) -> bool:
    """Whether a line of two words is a counter such as `3 likes` or `1.2K views`."""
    if not classes[line[lo]] & DECIMAL:
        return False
    while lo < hi and (line[lo] in (ord("."), ord(",")) or (line[lo] < 0x80 and classes[line[lo]] & DECIMAL)):
        lo += 1
    if lo < hi and line[lo] in (ord("k"), ord("K"), ord("m"), ord("M"), ord("b"), ord("B")):
        lo += 1
    gap = lo
    while lo < hi and line[lo] < 0x80 and classes[line[lo]] & SPACE:
        lo += 1
    begin = 0
    for k in range(len(_COUNTED)):
        if _COUNTED[k] == 32:
            if lo > gap and hi - lo == k - begin and starts(line, lo, hi, _COUNTED, begin, k - begin, True):
                return True
            begin = k + 1
    return False


@loop
def _cut_snippets(line: Bytes, lo: int, hi: int, classes: Classes) -> int:
    """Cut `sign-in` at the start, `read more...` at the end and `items in cart` anywhere; where the line ends now."""
    size, i = lo, lo
    while i < hi:
        if (line[i] | 32) == ord("i") and starts(line, i, hi, _SNIPPETS, 0, 13, True):
            i += 13
        elif i + 12 == hi and starts(line, i, hi, _SNIPPETS, 13, 12, True):
            i += 12
        elif i == lo and starts(line, i, hi, _SNIPPETS, 25, 7, True):
            i += 7
        else:
            line[size] = line[i]
            size += 1
            i += 1
    begin, end = strip(line, lo, size, classes)
    for k in range(begin, end):
        line[lo + k - begin] = line[k]
    return lo + end - begin
