"""The quality signals of RedPajama-V2 (arXiv 2411.12372) that need no model, one text after the other.

Two kinds of words: those of the normal form (`normal_form`), and in the text as it stands the runs of letters, digits
and underscores or of other marks (`\\w+|[^\\w\\s]+`). Lines end at newlines. Fractions are not rounded; 0/0 is 0.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.affixes import Classes
from curate.kernels.entropy import Logarithms, entropy, logarithms
from curate.kernels.grams import extend, first_of, start_grams, sum_characters
from curate.kernels.groups import GOLDEN, Counts, Hashes, Places, alike_text, hash_range, power_of_two
from curate.kernels.lines import ellipses
from curate.kernels.normal_form import GROWTH, TITLE, Table, folding, kinds, normal_words
from curate.kernels.redpajama_lines import Lines, Signals, line_signals
from curate.kernels.unicode import LOWER, SPACE, UPPER, decode, tables
from curate.kernels.word_set import hash_set, is_in, word_hash
from curate.text import Bytes, Offsets

Bits = npt.NDArray[np.uint16]

RAW = (
    "length", "curly_bracket", "symbol_to_word_ratio", "num_sentences", "frac_all_caps_words", "frac_no_alph_words",
    "stop_word_fraction",
)  # fmt: skip
NORMAL = (
    "word_count", "mean_word_length", "frac_unique_words", "unigram_entropy", "lorem_ipsum", "ldnoobw_words",
)  # fmt: skip
GRAMS = (
    *(f"frac_chars_top_{n}gram" for n in (2, 3, 4)),
    *(f"frac_chars_dupe_{n}grams" for n in range(5, 11)),
)  # fmt: skip
LINES = ("nlines", "frac_lines_end_with_ellipsis", "terminal_lines", "bullet_lines", "javascript")
COLUMNS = (*RAW, *NORMAL, *GRAMS, *LINES)
_NORMAL_AT = len(RAW)
_GRAMS_AT = _NORMAL_AT + len(NORMAL)
_LINES_AT = _GRAMS_AT + len(GRAMS)

# What a character is for words of the second kind, as bits.
_BLANK, _CAPITAL, _SMALL, _OTHER, _STOP, _MARK, _WIDE = 1, 2, 4, 8, 16, 32, 64
_WIDE_UPPER, _WIDE_LOWER, _WIDE_TITLE = 128, 256, 512
_WORD = _CAPITAL | _SMALL | _OTHER
# bytes counted before a counter of a byte may be full
_BLOCK = 255
# Each is a uint64: with an int64, numba would compute in float64.
_0, _1, _10 = np.uint64(0), np.uint64(1), np.uint64(10)


class Phrases(NamedTuple):
    """Words, and phrases of words parted by one blank each, as tables of `word_set`."""

    words: Hashes  # phrases of one word
    heads: Hashes  # the first words of longer ones
    longer: Hashes  # longer ones, as `_joined` hashes them
    lengths: npt.NDArray[np.int64]  # the lengths of longer ones, in words


def phrases(entries: Iterable[str]) -> Phrases:
    """A set of phrases, as they stand: no case is folded."""
    words = [[word_hash(word.encode()) for word in entry.split(" ")] for entry in entries if entry]
    longer = [entry for entry in words if len(entry) > 1]
    lengths = np.array(sorted({len(entry) for entry in longer}), np.int64)
    return Phrases(
        hash_set(entry[0] for entry in words if len(entry) == 1),
        hash_set(entry[0] for entry in longer),
        hash_set(functools.reduce(lambda a, b: int(_joined(np.uint64(a), np.uint64(b))), entry) for entry in longer),
        lengths,
    )


@inlined
def _joined(head: np.uint64, word: np.uint64) -> np.uint64:
    """The hash of a phrase that goes on with a word, never 0."""
    value = (head ^ (word >> np.uint64(7)) ^ (word << np.uint64(57))) * GOLDEN
    value ^= value >> np.uint64(29)
    return value | _1


@functools.cache
def _bytes() -> Bits:
    """Byte -> what it is, as bits; read-only."""
    table = np.full(256, _MARK, np.uint16)
    for code in range(128):
        char = chr(code)
        if char.isspace():
            table[code] = _BLANK
        elif char.isalnum() or char == "_":
            table[code] = _CAPITAL if char.isupper() else _SMALL if char.islower() else _OTHER
    table[list(b".!?")] = _STOP
    table[128:] = _WIDE
    table.flags.writeable = False
    return table


def redpajama_signals(
    data: Bytes, offsets: Offsets, *, stop_words: Hashes, flagged: Phrases, per_line: bool
) -> tuple[Signals, Lines]:
    """The signals of n texts, n x `COLUMNS` float64, and those of their lines, which are empty unless `per_line`.

    `stop_words` is a table of `word_set`, of words as they stand; `flagged` are phrases in the normal form.
    """
    texts = len(offsets) - 1
    signals = np.zeros((texts, len(COLUMNS)))
    longest = int(np.diff(offsets).max(initial=0))
    own = data[int(offsets[0]) : int(offsets[-1])]
    lines = int(np.count_nonzero(own == 10)) + texts if per_line else 0
    table = Lines(
        np.zeros(texts + 1, np.int32), *(np.zeros(lines, np.int32) for _ in range(3)),
        *(np.zeros(lines, np.bool_) for _ in range(2)), *(np.zeros(lines, np.float32) for _ in range(2)),
    )  # fmt: skip
    room = longest // 2 + 3  # words, each with a blank behind it
    slots = power_of_two(2 * room)
    classes, word, _ = tables()
    count = _all(
        data, offsets, classes, word, _bytes(), kinds(), *folding(), stop_words, *flagged, logarithms(),
        np.empty(GROWTH * longest + 16, np.uint8), np.empty(GROWTH * longest + 16, np.uint8),
        np.empty(room, np.int32), np.empty(room, np.int32), np.empty(longest + 2, np.int32), np.zeros(257, np.int32),
        np.empty((8, room), np.uint32), np.empty((2, room), np.uint64), np.empty(slots, np.uint64),
        np.empty(slots, np.uint32), np.zeros(5, np.int64), per_line, np.uint64(word_hash(b"javascript")), *table, signals,
    )  # fmt: skip
    return signals, Lines(table.first, *(column[:count] for column in table[1:]))


@loop
def _all(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    word: npt.NDArray[np.uint8],
    bits: Bits,
    kind: npt.NDArray[np.uint8],
    place: Table,
    forms: Table,
    order: npt.NDArray[np.uint8],
    flags: npt.NDArray[np.uint8],
    stop_words: Hashes,
    flagged_words: Hashes,
    heads: Hashes,
    longer: Hashes,
    lengths: npt.NDArray[np.int64],
    logs: Logarithms,
    out: Bytes,
    scratch: Bytes,
    start: Counts,
    stop: Counts,
    line_words: Counts,
    places: Table,
    rooms: npt.NDArray[np.uint32],
    codes: npt.NDArray[np.uint64],
    keys: Hashes,
    ids: Places,
    counted: npt.NDArray[np.int64],
    per_line: bool,
    javascript: np.uint64,
    line_first: npt.NDArray[np.int32],
    line_end: Counts,
    num_words: Counts,
    javascript_counts: Counts,
    terminal: npt.NDArray[np.bool_],
    bullet: npt.NDArray[np.bool_],
    numerical: npt.NDArray[np.float32],
    uppercase: npt.NDArray[np.float32],
    signals: Signals,
) -> int:
    """All signals of all texts; how many lines they have. The eight `rooms` hold what is known of words."""
    leader, count, alive, gram, times, next_times = rooms[0], rooms[1], rooms[2], rooms[3], rooms[4], rooms[5]
    chars, leaders, hashes, gram_hashes = rooms[6], rooms[7], codes[0], codes[1]
    lines = 0
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        row = signals[text]
        _raw(data, lo, hi, classes, word, bits, flags, stop_words, counted, row)
        words = normal_words(
            data, lo, hi, kind, classes, place, forms, order, flags, out, scratch, start, stop, line_words, places
        )
        size, own = np.uint64(words), row[_NORMAL_AT:_GRAMS_AT]
        own[0] = words
        script = -1
        if words:
            ascii_only = np.int64(row[0]) == hi - lo
            different = alike_text(out, start, stop, _0, size, keys, ids, hashes, leaders, leader, count)
            sum_characters(out, start, stop, _0, size, ascii_only, chars)
            own[1] = chars[size] / words
            own[2] = np.int64(different) / words
            for d in range(different):
                times[d] = count[leaders[d]]
            own[3] = entropy(times, np.int64(different), words, logs)
            script = _leader_of(javascript, different, hashes, leaders)
            found = _lorem_ipsum(out, start, stop, different, leaders, leader, size)
            if found:
                # the words and the blanks between them
                own[4] = found / (np.int64(chars[size]) + words - 1)
            own[5] = _flagged(
                different, hashes, leaders, count, leader, size, flagged_words, heads, longer, lengths, gram_hashes
            )
            _grams(leader, count, size, alive, gram, times, next_times, chars, keys, ids, row[_GRAMS_AT:_LINES_AT])
        lines = line_signals(
            data, lo, hi, classes, out, start, stop, line_words, leader, script, flags, lines, per_line, line_end,
            num_words, javascript_counts, terminal, bullet, numerical, uppercase, row[_LINES_AT:],
        )  # fmt: skip
        line_first[text + 1] = lines if per_line else 0
    return lines if per_line else 0


@loop
def _count_bytes(data: Bytes, lo: np.uint64, hi: np.uint64, counted: npt.NDArray[np.int64]) -> None:
    """Add to `counted`, of at most `_BLOCK` bytes: characters, braces, # signs, full stops, first bytes of an ellipsis.

    Comparisons alone, without a table, and counters of a byte: then the compiler looks at 32 bytes at a time.
    """
    none = np.uint8(0)
    chars, braces, sharps, stops, wide = none, none, none, none, none
    for i in range(lo, hi):
        byte = data[i]
        chars += np.uint8((byte & 0xC0) != 0x80)
        braces += np.uint8((byte == 0x7B) | (byte == 0x7D))
        sharps += np.uint8(byte == 0x23)
        stops += np.uint8(byte == 0x2E)
        wide += np.uint8(byte == 0xE2)
    counts = (chars, braces, sharps, stops, wide)
    for place in range(len(counts)):
        counted[place] += np.int64(counts[place])


@inlined
def _wide_bits(code: int, classes: Classes, word: npt.NDArray[np.uint8], flags: npt.NDArray[np.uint8]) -> int:
    """What a character beyond ASCII is."""
    classed = np.int64(classes[code])
    if classed & SPACE:
        return _BLANK
    found = _OTHER if word[code] else _MARK
    if classed & UPPER:
        found |= _WIDE_UPPER
    if classed & LOWER:
        found |= _WIDE_LOWER
    if flags[code] & TITLE:
        found |= _WIDE_TITLE
    return found


@loop
def _raw(
    data: Bytes,
    lo: int,
    hi: int,
    classes: Classes,
    word: npt.NDArray[np.uint8],
    bits: Bits,
    flags: npt.NDArray[np.uint8],
    stop_words: Hashes,
    counted: npt.NDArray[np.int64],
    row: Signals,
) -> None:
    """The signals `RAW` of the text `data[lo:hi]`.

    A sentence (`\\b[^.!?]+[.!?]*`) is what stands between stops, if it has a letter, digit or underscore.
    """
    counted[:] = 0
    for block in range(np.uint64(lo), np.uint64(hi), np.uint64(_BLOCK)):
        _count_bytes(data, block, min(block + np.uint64(_BLOCK), np.uint64(hi)), counted)
    symbols = counted[2]
    if counted[3] > 2:
        symbols += ellipses(data, lo, hi)
    if counted[4]:
        for i in range(lo, hi - 2):
            symbols += (data[i] == 0xE2) & (data[i + 1] == 0x80) & (data[i + 2] == 0xA6)
    words, capitals, letters, stops, sentences = 0, 0, 0, 0, 0
    open_sentence = True
    i, end = np.uint64(lo), np.uint64(hi)
    while i < end:
        found = np.int64(bits[data[i]])
        if found == _BLANK:
            i += _1
            continue
        after = i + _1
        if found == _WIDE:
            code, behind = decode(data, np.int64(i), hi)
            found, after = _wide_bits(code, classes, word, flags), np.uint64(behind)
            if found == _BLANK:
                i = after
                continue
        is_word, begin, seen = found & _WORD != 0, i, found
        i = after
        while i < end:
            found = np.int64(bits[data[i]])
            after = i + _1
            if found == _WIDE:
                code, behind = decode(data, np.int64(i), hi)
                found, after = _wide_bits(code, classes, word, flags), np.uint64(behind)
            if found == _BLANK or (found & _WORD != 0) != is_word:
                break
            seen |= found
            i = after
        words += 1
        upper, lower = seen & (_CAPITAL | _WIDE_UPPER) != 0, seen & (_SMALL | _WIDE_LOWER | _WIDE_TITLE) != 0
        capitals += upper & (not lower)
        letters += seen & (_CAPITAL | _SMALL) != 0
        if is_word:
            sentences += open_sentence
            open_sentence = False
            stops += is_in(stop_words, hash_range(data, np.int64(begin), np.int64(i)))
        else:
            open_sentence = open_sentence | (seen & _STOP != 0)
    row[0] = counted[0]
    row[3] = sentences
    if counted[0]:
        row[1] = counted[1] / counted[0]
    if words:
        row[2] = symbols / words
        row[4] = capitals / words
        row[5] = 1.0 - letters / words
        row[6] = stops / words


@loop
def _leader_of(value: np.uint64, different: np.uint64, hashes: Hashes, leaders: Places) -> int:
    """Where the word of this hash stands first, -1 if nowhere."""
    found = -1
    for d in range(different):
        if hashes[d] == value:
            found = np.int64(leaders[d])
    return found


@inlined
def _has(out: Bytes, at: int, letters: tuple[int, ...]) -> bool:
    """Whether five bytes stand at `at`."""
    return (
        (out[at] == letters[0])
        & (out[at + 1] == letters[1])
        & (out[at + 2] == letters[2])
        & (out[at + 3] == letters[3])
        & (out[at + 4] == letters[4])
    )


@loop
def _lorem_ipsum(
    out: Bytes, start: Counts, stop: Counts, different: np.uint64, leaders: Places, leader: Places, size: np.uint64
) -> int:
    """How often `lorem ipsum` stands in the words: one ends with the first, the next begins with the second."""
    lorem, ipsum = (108, 111, 114, 101, 109), (105, 112, 115, 117, 109)
    candidates = 0
    for d in range(different):
        k = leaders[d]
        candidates += (stop[k] - start[k] >= 5) and _has(out, stop[k] - 5, lorem)
    if candidates == 0:
        return 0
    found = 0
    for k in range(size - _1):
        if stop[k] - start[k] >= 5 and stop[k + _1] - start[k + _1] >= 5:
            found += _has(out, stop[k] - 5, lorem) & _has(out, start[k + _1], ipsum)
    return found


@loop
def _flagged(
    different: np.uint64,
    hashes: Hashes,
    leaders: Places,
    count: Places,
    leader: Places,
    size: np.uint64,
    words: Hashes,
    heads: Hashes,
    longer: Hashes,
    lengths: npt.NDArray[np.int64],
    by_leader: Hashes,
) -> int:
    """How many runs of words are flagged, also such as overlap."""
    found, headed = 0, False
    for d in range(different):
        found += np.int64(count[leaders[d]]) if is_in(words, hashes[d]) else 0
        headed = headed or is_in(heads, hashes[d])
        by_leader[leaders[d]] = hashes[d]
    if not headed:
        return found
    for k in range(size):
        if not is_in(heads, by_leader[leader[k]]):
            continue
        for n in lengths:
            length = np.uint64(n)
            if k + length > size:
                break
            value = by_leader[leader[k]]
            for j in range(_1, length):
                value = _joined(value, by_leader[leader[k + j]])
            found += is_in(longer, value)
    return found


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
    """The signals `GRAMS`: the most frequent n-gram if it is repeated; then all that is covered by repeated ones."""
    if size < np.uint64(2):
        return
    total = chars[size]
    living = start_grams(words, word_count, _0, size, alive, leader, count)
    next_count[size] = 1
    for n in range(np.uint64(2), min(size, _10) + _1):
        alive[living] = size
        living, most = extend(n - _1, words, alive, living, leader, count, next_count, keys, ids)
        count, next_count = next_count, count
        covered = 0
        if n <= np.uint64(4):
            if most > 1:
                at = first_of(most, alive, leader, count)
                covered = np.int64(chars[at + n] - chars[at]) * np.int64(most)
        else:
            free = _0
            for s in range(living):
                i = np.uint64(alive[s])
                if count[leader[i]] > 1:
                    covered += np.int64(chars[i + n]) - np.int64(chars[max(i, free)])
                    free = i + n
        row[np.int64(n) - 2] = covered / total
