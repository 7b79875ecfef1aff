"""Signals of the quality filters of Gopher, C4, FineWeb and RedPajama-V2, in three passes: characters, lines, words.

Fractions are of counts; 0/0 is 0. A symbol is what `unicode.SYMBOL` says; `chars` are code points.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from curate.kernels import loop
from curate.kernels.groups import Counts, Hashes, add, characters_in, group, hash_range, power_of_two
from curate.kernels.hashing import encode
from curate.kernels.lines import Classes, ends_with_ellipsis, sentences, strip
from curate.kernels.phrases import CURLY_BRACKET, JAVASCRIPT, LOREM_IPSUM, POLICY, scan_line
from curate.kernels.unicode import ALNUM, ALPHA, DIGIT, LOWER, SPACE, SYMBOL, TERMINAL, UPPER, decode, tables
from curate.kernels.words import Words, previous
from curate.text import Bytes, Offsets

Signals = npt.NDArray[np.float64]

CHARACTERS = ("char_count", "digit_share", "upper_share", "space_share", "symbol_share")
LINES = (
    "line_count", "line_punct_frac", "short_line_frac", "char_dup_frac", "bullet_line_frac", "ellipsis_line_frac",
    "sentence_count", "lorem_ipsum", "curly_bracket", "javascript_lines", "policy_lines",
)  # fmt: skip
WORDS = (
    "token_count", "word_count", "mean_word_length", "alpha_word_frac", "caps_word_frac", "stop_word_count",
    "stop_word_total", "unique_word_frac", "unigram_entropy", "hash_ratio", "ellipsis_ratio", "newline_ratio",
)  # fmt: skip
COLUMNS = (*CHARACTERS, *LINES, *WORDS)

_LINES_AT = len(CHARACTERS)
_WORDS_AT = _LINES_AT + len(LINES)
_BULLET, _MINUS, _ELLIPSIS = 0x2022, 0x2D, 0x2026
_STOP_SLOTS = 1024


def quality_signals(
    data: Bytes, offsets: Offsets, words: Words, stop_words: Sequence[str], short_line_length: int = 30
) -> Signals:
    """The signals of n texts, n x `COLUMNS` float64.

    `stop_words` are lower-case and match words as they stand; at most 512. A line is short if it has at most
    `short_line_length` characters.
    """
    texts = len(offsets) - 1
    signals = np.zeros((texts, len(COLUMNS)))
    most_words = int(np.diff(words.first).max(initial=0))
    most_bytes = int(np.diff(offsets).max(initial=0))
    table = tables()
    marks = np.zeros((texts, 3), np.int64)  # of each text: # signs, ellipses, newlines
    seen = np.empty(power_of_two(2 * most_bytes + 8), np.uint64)
    # a lower case may take one byte more than its upper case
    folded = np.zeros(2 * most_bytes + 8, np.uint8)
    room = most_words + 2
    slots = np.empty(power_of_two(2 * room), np.int32)
    _characters(data, offsets, table.classes, np.zeros(128, np.int64), marks, signals)
    _lines(data, offsets, *words, table.classes, short_line_length, marks, seen, signals)
    _words(
        data, *words, table.classes, table.lower, _stop_table(stop_words), np.zeros(_STOP_SLOTS, np.int64), folded, _logarithms(), marks,
        np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.int32), slots,
        np.empty(room, np.uint64), np.empty(room, np.int32), signals,
    )  # fmt: skip
    return signals


def _stop_table(stop_words: Sequence[str]) -> Hashes:
    """An open table of the hashes of the stop words."""
    table = np.zeros(_STOP_SLOTS, np.uint64)
    for word in stop_words:
        raw = np.frombuffer(word.encode(), np.uint8)
        value = int(hash_range(raw, 0, len(raw)))
        slot = value & (_STOP_SLOTS - 1)
        while table[slot] not in (0, value):
            slot = (slot + 1) & (_STOP_SLOTS - 1)
        table[slot] = value
    table.flags.writeable = False
    return table


@loop
def _characters(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    ascii_counts: npt.NDArray[np.int64],
    marks: npt.NDArray[np.int64],
    signals: Signals,
) -> None:
    for text in range(len(offsets) - 1):
        i, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        for byte in range(128):
            ascii_counts[byte] = 0
        wide, digits, upper, spaces, symbols, dots = 0, 0, 0, 0, 0, 0
        while i < hi:
            byte = data[i]
            if byte < 0x80:
                ascii_counts[byte] += 1
                i += 1
                dots = dots + 1 if byte == 0x2E else 0
                marks[text, 1] += dots == 3
                dots = 0 if dots == 3 else dots
                continue
            code, i = decode(data, i, hi)
            classed = np.int64(classes[code])
            wide += 1
            digits += (classed & DIGIT) != 0
            upper += (classed & UPPER) != 0
            spaces += (classed & SPACE) != 0
            symbols += (classed & (ALNUM | SPACE)) == 0
            marks[text, 1] += code == _ELLIPSIS
            dots = 0
        chars = wide
        for byte in range(128):
            number, classed = ascii_counts[byte], np.int64(classes[byte])
            chars += number
            digits += number if classed & DIGIT else 0
            upper += number if classed & UPPER else 0
            spaces += number if classed & SPACE else 0
            symbols += 0 if classed & (ALNUM | SPACE) else number
        marks[text, 0] = ascii_counts[0x23]
        marks[text, 2] = ascii_counts[0x0A]
        if chars:
            row = signals[text]
            row[0] = chars
            row[1] = digits / chars
            row[2] = upper / chars
            row[3] = spaces / chars
            row[4] = symbols / chars


@loop
def _lines(
    data: Bytes,
    offsets: Offsets,
    start: Counts,
    stop: Counts,
    first: npt.NDArray[np.int64],
    classes: Classes,
    short: int,
    marks: npt.NDArray[np.int64],
    seen: Hashes,
    signals: Signals,
) -> None:
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        row = signals[text, _LINES_AT:_WORDS_AT]
        size = power_of_two(2 * marks[text, 2] + 4)
        for slot in range(size):
            seen[slot] = 0
        _fineweb_lines(data, lo, hi, classes, short, seen, size, signals[text, 0] - marks[text, 2], row)
        lines, bullets, ellipses, i, word = 0, 0, 0, lo, first[text]
        while i < hi:
            end, behind, found = scan_line(data, i, hi, classes)
            lines += 1
            begin, tail = strip(data, i, end, classes)
            if begin < tail:
                code = decode(data, begin, tail)[0]
                bullets += code in (_BULLET, _MINUS)
                ellipses += ends_with_ellipsis(data, begin, tail)
            number, word = sentences(data, start, stop, word, first[text + 1], end, classes)
            row[6] += number
            row[7] += (found & LOREM_IPSUM) != 0
            row[8] += (found & CURLY_BRACKET) != 0
            row[9] += (found & JAVASCRIPT) != 0
            row[10] += (found & POLICY) != 0
            i = behind
        if lines:
            row[4] = bullets / lines
            row[5] = ellipses / lines


@loop
def _fineweb_lines(
    data: Bytes,
    lo: int,
    hi: int,
    classes: Classes,
    short: int,
    seen: Hashes,
    size: int,
    characters: float,
    row: Signals,
) -> None:
    """Of the lines (between newlines) that are not blank: how many, punctuated, short, characters in copies."""
    lines, punctuated, brief, copied = 0, 0, 0, 0
    i = lo
    while i < hi:
        begin = i
        while i < hi and data[i] != 10:
            i += 1
        if not _is_blank(data, begin, i, classes):
            lines += 1
            code = decode(data, previous(data, begin, i), i)[0]
            punctuated += (classes[code] & TERMINAL) != 0
            # four bytes a character at most
            brief += i - begin <= short or (i - begin <= 4 * short and characters_in(data, begin, i) <= short)
            if add(seen, size, hash_range(data, begin, i)):
                copied += characters_in(data, begin, i)
        i += 1
    if lines:
        row[0] = lines
        row[1] = punctuated / lines
        row[2] = brief / lines
        row[3] = copied / characters


@loop
def _is_blank(data: Bytes, lo: int, hi: int, classes: Classes) -> bool:
    while lo < hi:
        code, lo = decode(data, lo, hi)
        if not classes[code] & SPACE:
            return False
    return True


@loop
def _word_classes(data: Bytes, lo: int, hi: int, classes: Classes) -> tuple[int, int, int]:
    """The classes that any character of a word has, those that all have, and how many characters there are."""
    any_of, all_of, length = np.int64(0), np.int64(0xFFFF), 0
    while lo < hi:
        code, lo = decode(data, lo, hi)
        classed = np.int64(classes[code])
        any_of |= classed
        all_of &= classed
        length += 1
    return any_of, all_of, length


@loop
def _fold(data: Bytes, lo: int, hi: int, lower: npt.NDArray[np.uint32], folded: Bytes) -> int:
    """Write a word in lower case at the start of `folded`; its bytes."""
    size = 0
    while lo < hi:
        code, lo = decode(data, lo, hi)
        size = encode(np.int64(lower[code]), folded, size)
    return size


@loop
def _words(
    data: Bytes,
    start: Counts,
    stop: Counts,
    first: npt.NDArray[np.int64],
    classes: Classes,
    lower: npt.NDArray[np.uint32],
    stop_words: Hashes,
    met: npt.NDArray[np.int64],
    folded: Bytes,
    logarithms: Signals,
    marks: npt.NDArray[np.int64],
    code_of: Hashes,
    number: Counts,
    alive: Counts,
    slots: Counts,
    keys: Hashes,
    count: Counts,
    signals: Signals,
) -> None:
    for text in range(len(first) - 1):
        tokens = first[text + 1] - first[text]
        if tokens == 0:
            continue
        words, letters, alpha, caps, distinct, total = 0, 0, 0, 0, 0, 0
        for w in range(first[text], first[text + 1]):
            lo, hi = np.int64(start[w]), np.int64(stop[w])
            any_of, all_of, length = _word_classes(data, lo, hi, classes)
            if any_of & UPPER or length < hi - lo:
                value = hash_range(folded, 0, _fold(data, lo, hi, lower, folded))
            else:
                value = hash_range(data, lo, hi)
            alpha += (any_of & ALPHA) != 0
            caps += (any_of & UPPER) != 0 and (any_of & LOWER) == 0
            if not all_of & SYMBOL:
                alive[words] = words
                code_of[words] = value
                words += 1
                letters += length
            if not any_of & UPPER:
                slot = np.int64(value & np.uint64(_STOP_SLOTS - 1))
                while stop_words[slot] != np.uint64(0) and stop_words[slot] != value:
                    slot = (slot + 1) & (_STOP_SLOTS - 1)
                if stop_words[slot] == value:
                    total += 1
                    distinct += met[slot] != text + 1
                    met[slot] = text + 1
        row = signals[text, _WORDS_AT:]
        row[0] = tokens
        row[1] = words
        row[3] = alpha / tokens
        row[4] = caps / tokens
        row[5] = distinct
        row[6] = total
        row[9] = marks[text, 0] / tokens
        row[10] = marks[text, 1] / tokens
        row[11] = marks[text, 2] / tokens
        if words:
            row[2] = letters / words
            _, groups = group(code_of, alive, words, number, slots, keys, count)
            row[7] = groups / words
            row[8] = _entropy(count, groups, words, logarithms)


@loop
def _entropy(count: Counts, groups: int, total: int, logarithms: Signals) -> float:
    """-sum p ln p over the counts of `groups` numbers, which sum to `total`; in order, so that every machine agrees."""
    weighted = 0.0
    for g in range(1, groups + 1):
        n = np.int64(count[g])
        if n > 1:
            weighted += n * (logarithms[n] if n < len(logarithms) else natural_logarithm(n))
    return natural_logarithm(np.int64(total)) - weighted / total


@functools.cache
def _logarithms() -> Signals:
    """ln n of the counts that are common, by n."""
    table = np.array([0.0, *(natural_logarithm(n) for n in range(1, 512))])
    table.flags.writeable = False
    return table


@loop
def natural_logarithm(n: int) -> float:
    """ln n of an integer n >= 1 by additions, products and quotients alone: the C library's differs by machine."""
    twos = 0
    while n >> (twos + 1):
        twos += 1
    # n = mantissa * 2**twos, mantissa in [1, 2): its half exponent would be no more exact
    mantissa = n / (1 << twos)
    z = (mantissa - 1.0) / (mantissa + 1.0)
    square, power, total = z * z, z, 0.0
    for odd in range(1, 40, 2):
        total += power / odd
        power *= square
    return 2.0 * total + twos * 0.6931471805599453
