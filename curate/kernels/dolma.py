"""The heuristic taggers of Dolma (arXiv 2402.00159, toolkit 1.2): gopher, c4_v2, lengths, code_redpajama, repetitions.

Words stand between white space (`str.split`), lines between newlines, the empty last one included. Fractions of
characters are of those in words. 0/0 is 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.affixes import Classes
from curate.kernels.ascii import line_feed
from curate.kernels.grams import extend, first_of, start_grams, sum_characters
from curate.kernels.groups import (
    Counts,
    Hashes,
    Places,
    alike_text,
    characters_in,
    clear,
    find_slot,
    hash_range,
    power_of_two,
)  # fmt: skip
from curate.kernels.hashing import encode
from curate.kernels.lines import line_end, strip
from curate.kernels.phrases import CURLY_BRACKET, JAVASCRIPT, LOREM_IPSUM, phrases_in
from curate.kernels.unicode import ALNUM, ALPHA, SPACE, decode, tables
from curate.kernels.word_set import hash_set, is_in, word_hash
from curate.text import Bytes, Offsets

Signals = npt.NDArray[np.float64]

REQUIRED = ("the", "be", "to", "of", "and", "that", "have", "with")
WORDS = (
    "character_count", "word_count", "median_word_length", "symbol_to_word_ratio",
    "fraction_of_words_with_alpha_character", "required_word_count", "naughty_words", "max_repetition",
    "max_repetition_length",
)  # fmt: skip
GRAMS = (
    *(f"fraction_of_characters_in_most_common_{n}grams" for n in (2, 3, 4)),
    *(f"fraction_of_characters_in_duplicate_{n}grams" for n in range(5, 11)),
)
LINES = (
    "line_count", "fraction_of_lines_starting_with_bullet_point", "fraction_of_lines_ending_with_ellipsis",
    "fraction_of_duplicate_lines", "fraction_of_characters_in_duplicate_lines", "lines_with_no_ending_punctuation",
    "lines_with_too_few_words", "has_curly_brace", "has_lorem_ipsum", "has_javascript",
)  # fmt: skip
CODE = (
    "bytes_length", "stripped_length", "whitespace_tokens", "max_line_length", "avg_line_length", "alnum_prop",
    "alpha_token_prop", "has_xml_template",
)  # fmt: skip
COLUMNS = (*WORDS, *GRAMS, *LINES, *CODE)
_GRAMS_AT = len(WORDS)
_LINES_AT = _GRAMS_AT + len(GRAMS)
_CODE_AT = _LINES_AT + len(LINES)

# The longest stretch of words that is looked for again behind itself, and what c4_v2 calls too few words.
LONGEST_PERIOD = 13
_FEW = 3
_ELLIPSIS = 0x2026
_XML = np.frombuffer(b"<?xml version=", np.uint8)
_XML_WITHIN = 100  # characters
# lengths of words that are counted, longer ones are looked at again
_LENGTHS = 256
# Each is a uint64: with an int64, numba would compute in float64.
_0, _1, _10 = np.uint64(0), np.uint64(1), np.uint64(10)


def dolma_signals(data: Bytes, offsets: Offsets, *, naughty: Hashes, empty_lines: bool) -> Signals:
    """The signals of n texts, n x `COLUMNS` float64.

    `naughty` is a table of `word_set`, of words in lower case. Without `empty_lines` runs of newlines part lines for
    the gopher tagger, as in its version 2; for the others one newline does.
    """
    signals = np.zeros((len(offsets) - 1, len(COLUMNS)))
    longest = int(np.diff(offsets).max(initial=0))
    room = longest // 2 + 3
    slots = power_of_two(2 * longest + 8)
    classes, word, lower = tables()
    _all(
        data, offsets, classes, word, lower, hash_set(word_hash(word.encode()) for word in REQUIRED), naughty,
        empty_lines, np.empty(room, np.int32), np.empty(room, np.int32), np.empty((7, max(room, longest + 2)), np.uint32),
        np.empty(max(room, longest + 2), np.uint64), np.empty(slots, np.uint64), np.empty(slots, np.uint32),
        np.zeros(_LENGTHS, np.int64), np.zeros(2 * longest + 8, np.uint8), signals,
    )  # fmt: skip
    return signals


@entry
def _all(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    word: npt.NDArray[np.uint8],
    lower: npt.NDArray[np.uint32],
    required: Hashes,
    naughty: Hashes,
    empty_lines: bool,
    start: Counts,
    stop: Counts,
    rooms: npt.NDArray[np.uint32],
    hashes: Hashes,
    keys: Hashes,
    ids: Places,
    lengths: npt.NDArray[np.int64],
    folded: Bytes,
    signals: Signals,
) -> None:
    leader, count, alive, gram, times, next_times, chars = (
        rooms[0], rooms[1], rooms[2], rooms[3], rooms[4], rooms[5], rooms[6],
    )  # fmt: skip
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        if lo == hi:
            continue
        row = signals[text]
        row[0] = characters_in(data, lo, hi)
        ascii_only = row[0] == hi - lo
        size = _split(data, lo, hi, classes, start, stop)
        if size:
            # of different words, the places are kept where grams will be
            different = alike_text(data, start, stop, _0, size, keys, ids, hashes, alive, leader, count)
            sum_characters(data, start, stop, _0, size, ascii_only, chars)
            _words(
                data, start, stop, different, alive, count, size, chars, classes, lower, hashes, required, naughty,
                lengths, folded, row,
            )  # fmt: skip
            _repetitions(leader, size, data, start, stop, ascii_only, row)
            _grams(leader, count, size, alive, gram, times, next_times, chars, keys, ids, row[_GRAMS_AT:_LINES_AT])
        inside = np.int64(chars[size]) if size else 0
        own = row[_LINES_AT:_CODE_AT]
        _gopher_lines(data, lo, hi, empty_lines, inside, ascii_only, keys, ids, times, next_times, own)
        _c4_lines(data, lo, hi, classes, own)
        _code(data, lo, hi, classes, word, row[_CODE_AT:])


@loop
def _split(data: Bytes, lo: int, hi: int, classes: Classes, start: Counts, stop: Counts) -> np.uint64:
    """Where the words of `data[lo:hi]` start and stop; how many there are."""
    words, begin, i = _0, lo, lo
    while i < hi:
        byte, after = data[i], i + 1
        blank = byte == 32 or (9 <= byte <= 13) or (28 <= byte <= 31)
        if byte >= 0x80:
            code, after = decode(data, i, hi)
            blank = classes[code] & SPACE != 0
        if blank:
            if i > begin:
                start[words], stop[words] = begin, i
                words += _1
            begin = after
        i = after
    if hi > begin:
        start[words], stop[words] = begin, hi
        words += _1
    return words


@loop
def _words(
    data: Bytes,
    start: Counts,
    stop: Counts,
    different: np.uint64,
    leaders: Places,
    count: Places,
    size: np.uint64,
    chars: Places,
    classes: Classes,
    lower: npt.NDArray[np.uint32],
    hashes: Hashes,
    required: Hashes,
    naughty: Hashes,
    lengths: npt.NDArray[np.int64],
    folded: Bytes,
    row: Signals,
) -> None:
    """What `WORDS` says of words; each different one is looked at once."""
    symbols, letters, needed, flagged = 0, 0, 0, 0
    lengths[:] = 0
    for d in range(different):
        k = leaders[d]
        often = np.int64(count[k])
        lo, hi = np.int64(start[k]), np.int64(stop[k])
        alpha, symbol, end = False, False, 0
        i = lo
        while i < hi:
            code, i = decode(data, i, hi)
            alpha = alpha | ((classes[code] & ALPHA) != 0)
            symbol = symbol | (code == ord("#")) | (code == _ELLIPSIS)
            end = encode(np.int64(lower[code]), folded, end)
        symbols += often if symbol else 0
        letters += often if alpha else 0
        needed += often if is_in(required, hashes[d]) else 0
        flagged += often if is_in(naughty, hash_range(folded, 0, end)) else 0
        length = np.int64(chars[k + 1]) - np.int64(chars[k])
        lengths[length if length < _LENGTHS else _LENGTHS - 1] += often
    total = np.int64(size)
    row[1] = total
    row[2] = (_kth(chars, size, lengths, (total - 1) // 2) + _kth(chars, size, lengths, total // 2)) / 2
    row[3] = symbols / total
    row[4] = letters / total
    row[5] = needed
    row[6] = flagged


@loop
def _kth(chars: Places, size: np.uint64, lengths: npt.NDArray[np.int64], k: int) -> int:
    """The length of the word that `k` others precede by length."""
    below = 0
    for length in range(_LENGTHS - 1):
        below += lengths[length]
        if below > k:
            return length
    # the longest words by halves: the least length that more than `k` words do not exceed
    lo, hi = _LENGTHS - 1, np.int64(chars[size])
    while lo < hi:
        middle = (lo + hi) // 2
        below = 0
        for i in range(size):
            below += np.int64(chars[i + _1]) - np.int64(chars[i]) <= middle
        if below > k:
            hi = middle
        else:
            lo = middle + 1
    return lo


@loop
def _repetitions(
    leader: Places, size: np.uint64, data: Bytes, start: Counts, stop: Counts, ascii_only: bool, row: Signals
) -> None:
    """How often, at most, up to `LONGEST_PERIOD` words stand one behind the other, and how long such a stretch is.

    Three times at least, as in Dolma, which looks at tokens of a model's tokenizer.
    """
    times, longest = 0, 0
    total = np.int64(size)
    for period in range(1, LONGEST_PERIOD + 1):
        run = 0
        for i in range(period, total + 1):
            if i < total and leader[i] == leader[i - period]:
                run += 1
                continue
            if run >= 2 * period:
                times = max(times, (run + period) // period)
                lo, hi = np.int64(start[i - run - period]), np.int64(stop[i - 1])
                longest = max(longest, hi - lo if ascii_only else characters_in(data, lo, hi))
            run = 0
    row[7] = times
    row[8] = longest


@loop
def _grams(
    words: Places,
    word_count: Places,
    size: np.uint64,
    alive: Places,
    leader: Places,
    count: Places,
    next_count: Places,
    chars: Places,
    keys: Hashes,
    ids: Places,
    row: Signals,
) -> None:
    """The signals `GRAMS`: the first of the most frequent n-grams x its count; all n-grams met again / all n-grams."""
    if size < np.uint64(2):
        return
    total = np.int64(chars[size])
    living = start_grams(words, word_count, _0, size, alive, leader, count)
    next_count[size] = 1
    # the characters of all n-grams together are the sums behind their ends less those before their starts
    sums = 0
    for k in range(size + _1):
        sums += np.int64(chars[k])
    behind, before = sums - np.int64(chars[0]), sums - np.int64(chars[size])
    for n in range(np.uint64(2), min(size, _10) + _1):
        behind -= np.int64(chars[n - _1])
        before -= np.int64(chars[size - n + _1])
        alive[living] = size
        living, most = extend(n - _1, words, alive, living, leader, count, next_count, keys, ids)
        count, next_count = next_count, count
        if n <= np.uint64(4):
            at = first_of(most, alive, leader, count) if most > 1 else _0
            row[np.int64(n) - 2] = np.int64(chars[at + n] - chars[at]) * np.int64(most) / total
            continue
        found = 0
        for s in range(living):
            i = np.uint64(alive[s])
            found += np.int64(chars[i + n] - chars[i]) if count[leader[i]] > 1 else 0
        row[np.int64(n) - 2] = found / (behind - before)


@loop
def _gopher_lines(
    data: Bytes,
    lo: int,
    hi: int,
    empty_lines: bool,
    inside: int,
    ascii_only: bool,
    keys: Hashes,
    ids: Places,
    times: Places,
    lengths: Places,
    row: Signals,
) -> None:
    """Bullets, ellipses and lines that occur more than once, all copies of them counted."""
    newlines = 1
    for i in range(np.uint64(lo), np.uint64(hi)):
        newlines += data[i] == 10
    shift = clear(keys, newlines)
    lines, bullets, ellipses, different = 0, 0, 0, 0
    i = lo
    while i <= hi:
        end = line_feed(data, i, hi)
        lines += 1
        bullets += i < end and (data[i] == ord("*") or data[i] == ord("-"))
        ellipses += end - i >= 3 and data[end - 3] == 0xE2 and data[end - 2] == 0x80 and data[end - 1] == 0xA6
        value = hash_range(data, i, end)
        slot = find_slot(keys, shift, value)
        if keys[slot] == _0:
            keys[slot] = value
            ids[slot] = different
            times[different] = 0
            lengths[different] = end - i if ascii_only else characters_in(data, i, end)
            different += 1
        times[ids[slot]] += np.uint32(1)
        i = end + 1
        while not empty_lines and i < hi and data[i] == 10:
            i += 1
    copies, copied = 0, 0
    for d in range(different):
        if times[d] > 1:
            copies += np.int64(times[d])
            copied += np.int64(times[d]) * np.int64(lengths[d])
    row[1] = bullets / lines
    row[2] = ellipses / lines
    row[3] = copies / lines
    row[4] = copied / max(inside, 1)


@loop
def _c4_lines(data: Bytes, lo: int, hi: int, classes: Classes, row: Signals) -> None:
    """Lines, those without an end mark, those of few words; phrases anywhere in the text."""
    lines, unended, few = 0, 0, 0
    i = lo
    while i <= hi:
        end = line_feed(data, i, hi)
        begin, tail = strip(data, i, end, classes)
        lines += 1
        last = data[tail - 1] if begin < tail else np.uint8(0)
        unended += not (last == ord(".") or last == ord("?") or last == ord("!") or last == ord('"'))
        few += _has_few_words(data, begin, tail, classes)
        i = end + 1
    found = phrases_in(data, lo, hi)
    row[0] = lines
    row[5] = unended
    row[6] = few
    row[7] = (found & CURLY_BRACKET) != 0
    row[8] = (found & LOREM_IPSUM) != 0
    row[9] = (found & JAVASCRIPT) != 0


@inlined
def _has_few_words(data: Bytes, lo: int, hi: int, classes: Classes) -> bool:
    """Whether there are fewer than `_FEW` words."""
    words, after_blank = 0, True
    while lo < hi and words < _FEW:
        code, lo = decode(data, lo, hi)
        blank = classes[code] & SPACE != 0
        words += after_blank & (not blank)
        after_blank = blank
    return words < _FEW


@loop
def _code(data: Bytes, lo: int, hi: int, classes: Classes, word: npt.NDArray[np.uint8], row: Signals) -> None:
    """The signals `CODE`; the pieces between `\\w+|[^\\w\\s]+` are Dolma's tokens of white space."""
    begin, tail = strip(data, lo, hi, classes)
    lines, longest, in_lines, length = 0, 0, 0, 0
    i = lo
    while i < hi:
        end, behind = line_end(data, i, hi, classes)
        length = characters_in(data, i, end)
        lines += 1
        in_lines += length
        longest = max(longest, length)
        i = behind
    characters, numbers_letters, letters, tokens, before = 0, 0, 0, 1, 0
    i = lo
    xml = False
    while i < hi:
        if data[i] == ord("<") and characters + len(_XML) <= _XML_WITHIN and i + len(_XML) <= hi:
            xml = xml or _is_xml(data, i)
        code, i = decode(data, i, hi)
        classed = np.int64(classes[code])
        characters += 1
        numbers_letters += (classed & ALNUM) != 0
        letters += (classed & ALPHA) != 0
        kind = 0 if classed & SPACE else 1 if word[code] else 2
        tokens += (kind != before) & (kind > 0)
        before = kind
    row[0] = hi - lo
    row[1] = characters_in(data, begin, tail)
    row[2] = tokens
    row[3] = longest
    row[4] = in_lines / max(lines, 1)
    row[5] = numbers_letters / characters
    row[6] = letters / tokens
    row[7] = xml


@loop
def _is_xml(data: Bytes, at: int) -> bool:
    same = True
    for k in range(len(_XML)):
        same = same and data[at + k] == _XML[k]
    return same
