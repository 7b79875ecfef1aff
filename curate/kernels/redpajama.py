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

from curate.kernels import entry, inlined, inlined_entry, loop
from curate.kernels.affixes import Classes
from curate.kernels.entropy import Logarithms, entropy, logarithms
from curate.kernels.grams import extend, first_of, start_grams, sum_characters
from curate.kernels.groups import GOLDEN, Counts, Hashes, Places, alike_text, hash_range, power_of_two
from curate.kernels.lines import ellipses
from curate.kernels.normal_form import TITLE, Folding, Normal, folding, kinds, normal_room, normal_words
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
_BLOCK = 192
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


@inlined_entry
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
    known = Known(*tables()[:2], _bytes(), kinds(), folding(), stop_words, flagged, logarithms())
    javascript = np.uint64(word_hash(b"javascript"))
    count = _all(data, offsets, known, normal_room(longest), _room(longest), per_line, javascript, table, signals)
    return signals, Lines(table.first, *(column[:count] for column in table[1:]))


class Known(NamedTuple):
    """What is known of characters and words."""

    classes: Classes
    word: npt.NDArray[np.uint8]
    bits: Bits
    kind: npt.NDArray[np.uint8]
    folding: Folding
    stop_words: Hashes
    flagged: Phrases
    logarithms: Logarithms


class Room(NamedTuple):
    """Room for what is found of the words of one text; see `groups.alike_text` and `grams` for most of it."""

    leader: Places
    count: Places
    alive: Places
    gram: Places
    times: Places
    next_times: Places
    chars: Places
    leaders: Places
    hashes: Hashes
    by_leader: Hashes
    keys: Hashes
    ids: Places
    counted: npt.NDArray[np.int64]


def _room(longest: int) -> Room:
    words = longest // 2 + 3  # each with a blank behind it
    slots = power_of_two(2 * words)
    leader, count, alive, gram, times, next_times, chars, leaders = np.empty((8, words), np.uint32)
    hashes, by_leader = np.empty((2, words), np.uint64)
    keys, ids = np.empty(slots, np.uint64), np.empty(slots, np.uint32)
    return Room(
        leader,
        count,
        alive,
        gram,
        times,
        next_times,
        chars,
        leaders,
        hashes,
        by_leader,
        keys,
        ids,
        np.zeros(5, np.int64),
    )


@entry
def _all(
    data: Bytes,
    offsets: Offsets,
    known: Known,
    normal: Normal,
    room: Room,
    per_line: bool,
    javascript: np.uint64,
    table: Lines,
    signals: Signals,
) -> int:
    """All signals of all texts; how many lines they have."""
    lines = 0
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        row = signals[text]
        _raw(data, lo, hi, known, room.counted, row)
        words = normal_words(data, lo, hi, known.kind, known.classes, known.folding, normal)
        row[_NORMAL_AT] = words
        script = -1
        if words:
            ascii_only = np.int64(row[0]) == hi - lo
            different = _words(words, ascii_only, known, normal, room, row[_NORMAL_AT:_GRAMS_AT])
            script = _leader_of(javascript, different, room.hashes, room.leaders)
            _grams(np.uint64(words), room, row[_GRAMS_AT:_LINES_AT])
        lines = line_signals(
            data, lo, hi, known.classes, normal, room.leader, script, known.folding.flags, lines, per_line, table,
            row[_LINES_AT:],
        )  # fmt: skip
        table.first[text + 1] = lines if per_line else 0
    return lines if per_line else 0


@loop
def _words(words: int, ascii_only: bool, known: Known, normal: Normal, room: Room, row: Signals) -> np.uint64:
    """The signals `NORMAL` of a text of so many words, one at least; how many of them are different."""
    size, start, stop = np.uint64(words), normal.start, normal.stop
    different = alike_text(
        normal.out, start, stop, _0, size, room.keys, room.ids, room.hashes, room.leaders, room.leader, room.count
    )
    sum_characters(normal.out, start, stop, _0, size, ascii_only, room.chars)
    row[1] = room.chars[size] / words
    row[2] = np.int64(different) / words
    for d in range(different):
        room.times[d] = room.count[room.leaders[d]]
    row[3] = entropy(room.times, np.int64(different), words, known.logarithms)
    found = _lorem_ipsum(normal.out, start, stop, different, room.leaders, room.leader, size)
    if found:
        # the words and the blanks between them
        row[4] = found / (np.int64(room.chars[size]) + words - 1)
    row[5] = _flagged(different, size, known.flagged, room)
    return different


@loop
def _count_bytes(data: Bytes, lo: np.uint64, hi: np.uint64, counted: npt.NDArray[np.int64]) -> None:
    """Add to `counted`, of at most `_BLOCK` bytes: characters, braces, # signs, full stops, first bytes of an ellipsis.

    Comparisons alone, without a table, and counters of a byte: then the compiler looks at 32 bytes at a time.
    """
    none = np.uint8(0)
    chars, braces, sharps, stops, wide = none, none, none, none, none
    for i in range(lo, hi):
        byte = data[i]
        chars = np.uint8(chars + ((byte & 0xC0) != 0x80))
        braces = np.uint8(braces + ((byte == 0x7B) | (byte == 0x7D)))
        sharps = np.uint8(sharps + (byte == 0x23))
        stops = np.uint8(stops + (byte == 0x2E))
        wide = np.uint8(wide + (byte == 0xE2))
    counts = (chars, braces, sharps, stops, wide)
    for place in range(len(counts)):
        counted[place] += np.int64(counts[place])


@inlined
def _character(data: Bytes, i: np.uint64, hi: int, known: Known) -> tuple[int, np.uint64]:
    """What the character at byte i is, and where the next one begins."""
    found = np.int64(known.bits[data[i]])
    return (found, i + _1) if found != _WIDE else _wide_character(data, i, hi, known)


@inlined
def _wide_character(data: Bytes, i: np.uint64, hi: int, known: Known) -> tuple[int, np.uint64]:
    """What the character beyond ASCII at byte i is, and where the next one begins."""
    code, after = decode(data, np.int64(i), hi)
    classed = np.int64(known.classes[code])
    if classed & SPACE:
        return _BLANK, np.uint64(after)
    found = _OTHER if known.word[code] else _MARK
    if classed & UPPER:
        found |= _WIDE_UPPER
    if classed & LOWER:
        found |= _WIDE_LOWER
    if known.folding.flags[code] & TITLE:
        found |= _WIDE_TITLE
    return found, np.uint64(after)


@loop
def _raw(
    data: Bytes,
    lo: int,
    hi: int,
    known: Known,
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
        found, after = _character(data, i, hi, known)
        if found == _BLANK:
            i = after
            continue
        is_word, begin, seen = found & _WORD != 0, i, found
        i = after
        while i < end:
            found, after = _character(data, i, hi, known)
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
            stops += is_in(known.stop_words, hash_range(data, np.int64(begin), np.int64(i)))
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
def _flagged(different: np.uint64, size: np.uint64, flagged: Phrases, room: Room) -> int:
    """How many runs of words are flagged, also such as overlap."""
    found, headed, leader, by_leader = 0, False, room.leader, room.by_leader
    for d in range(different):
        value = room.hashes[d]
        found += np.int64(room.count[room.leaders[d]]) if is_in(flagged.words, value) else 0
        headed = headed or is_in(flagged.heads, value)
        by_leader[room.leaders[d]] = value
    if not headed:
        return found
    for k in range(size):
        if not is_in(flagged.heads, by_leader[leader[k]]):
            continue
        for n in flagged.lengths:
            length = np.uint64(n)
            if k + length > size:
                break
            value = by_leader[leader[k]]
            for j in range(_1, length):
                value = _joined(value, by_leader[leader[k + j]])
            found += is_in(flagged.longer, value)
    return found


@loop
def _grams(size: np.uint64, room: Room, row: Signals) -> None:
    """The signals `GRAMS`: the most frequent n-gram if it is repeated; then all that is covered by repeated ones."""
    if size < np.uint64(2):
        return
    words, alive, leader, chars = room.leader, room.alive, room.gram, room.chars
    count, next_count = room.times, room.next_times
    total = chars[size]
    living = start_grams(words, room.count, _0, size, alive, leader, count)
    next_count[size] = 1
    for n in range(np.uint64(2), min(size, _10) + _1):
        alive[living] = size
        living, most = extend(n - _1, words, alive, living, leader, count, next_count, room.keys, room.ids)
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
