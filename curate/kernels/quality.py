"""Signals of the quality filters of Gopher, C4, FineWeb and RedPajama-V2, of characters, lines, words.

Fractions are of counts; 0/0 is 0. A symbol is what `unicode.SYMBOL` says; `chars` are code points.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.kernels import entry, inlined, loop
from curate.kernels.affixes import Classes, previous
from curate.kernels.ascii import lower_eight
from curate.kernels.characters import (
    BREAKS,
    CHARS,
    DIGITS,
    ELLIPSES,
    NEWLINES,
    SHARPS,
    SPACES,
    SYMBOLS,
    UPPERS,
    Counters,
    characters_of,
)  # fmt: skip
from curate.kernels.entropy import entropy, logarithms
from curate.kernels.groups import (
    Counts,
    Hashes,
    Places,
    characters_in,
    clear,
    eight_bytes,
    find_slot,
    hash_range,
    hash_short,
    power_of_two,
)  # fmt: skip
from curate.kernels.hashing import encode
from curate.kernels.line_table import BLANK, COPY, lines_of
from curate.kernels.lines import ends_with_ellipsis, next_line, sentences, strip
from curate.kernels.phrases import CURLY_BRACKET, JAVASCRIPT, LOREM_IPSUM, POLICY, find_phrases
from curate.kernels.unicode import ALPHA, LOWER, SYMBOL, TERMINAL, UPPER, decode, tables
from curate.kernels.word_set import hash_set, is_in, word_hash
from curate.kernels.words import Words, alike_of
from curate.text import Bytes, Offsets

Signals = npt.NDArray[np.float64]

SHARES = ("char_count", "digit_share", "upper_share", "space_share", "symbol_share")
LINES = (
    "line_count", "line_punct_frac", "short_line_frac", "char_dup_frac", "bullet_line_frac", "ellipsis_line_frac",
    "sentence_count", "lorem_ipsum", "curly_bracket", "javascript_lines", "policy_lines",
)  # fmt: skip
WORDS = (
    "token_count", "word_count", "mean_word_length", "alpha_word_frac", "caps_word_frac", "stop_word_count",
    "stop_word_total", "unique_word_frac", "unigram_entropy", "hash_ratio", "ellipsis_ratio", "newline_ratio",
)  # fmt: skip
COLUMNS = (*SHARES, *LINES, *WORDS)

_LINES_AT = len(SHARES)
_WORDS_AT = _LINES_AT + len(LINES)
_BULLET, _MINUS, _0 = 0x2022, 0x2D, np.uint64(0)
_NO_SALT = np.uint64(0x9E3779B97F4A7C15)


def quality_signals(
    data: Bytes,
    offsets: Offsets,
    words: Words,
    stop_words: Mapping[str, Sequence[str]],
    languages: pa.Array | None = None,
    short_line_length: int = 30,
) -> Signals:
    """The signals of n texts, n x `COLUMNS` float64.

    `stop_words` (language -> words) are lower-case. Those of `` are for every text if `languages` is absent, and match words
    as they stand; else `languages` names that of each text, whose words match in either case: Cherokee is mostly written in
    what Unicode has as capitals. A line is short if it has at most `short_line_length` characters.
    """
    texts = len(offsets) - 1
    signals = np.zeros((texts, len(COLUMNS)))
    most_words = int(np.diff(words.first).max(initial=0))
    most_bytes = int(np.diff(offsets).max(initial=0))
    table = tables()
    # a lower case may take one byte more than its upper case
    folded = np.zeros(2 * most_bytes + 8, np.uint8)
    characters, lines = characters_of(data, offsets), lines_of(data, offsets)
    _shares(characters, signals)
    _fineweb_lines(
        data, offsets, table.classes, short_line_length, characters, lines.start, lines.stop, lines.kind, lines.first,
        signals,
    )  # fmt: skip
    places, phrases = np.empty(most_bytes, np.int32), np.empty(most_bytes, np.uint8)
    _lines(data, offsets, *words, table.classes, characters, places, phrases, signals)
    keys = np.empty(power_of_two(2 * most_words + 2), np.uint64)
    ids, count = np.empty(len(keys), np.uint32), np.empty(most_words + 1, np.uint32)
    leaders = np.empty_like(count)
    stops, salts = _stop_table(stop_words, texts, languages)
    _words(
        data, *words, *alike_of(data, words), table.classes, table.lower, stops, salts, folded,
        logarithms(), characters, keys, ids, count, leaders, signals,
    )  # fmt: skip
    return signals


def _stop_table(
    stop_words: Mapping[str, Sequence[str]], texts: int, languages: pa.Array | None
) -> tuple[Hashes, Hashes]:
    """(one table of all stop words, hashed with a salt of their language; the salt of each text)."""
    table, salt = _salted(tuple((code, tuple(words)) for code, words in stop_words.items()))
    if languages is None:
        return table, np.zeros(texts, np.uint64)
    codes = languages.dictionary_encode()
    # a language without stop words has a salt that no list has
    salts = np.array([salt.get(code, _NO_SALT) for code in codes.dictionary.to_pylist()], np.uint64)
    return table, salts[codes.indices.to_numpy(zero_copy_only=False)]


@functools.lru_cache(8)
def _salted(lists: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[Hashes, dict[str, int]]:
    """(the table of stop words, language -> salt; 0 for the list of all languages)."""
    # no word has a space: with the code alone, `es` in German would be the Spanish word `de`
    salt = {code: word_hash(f" {code}".encode()) if code else 0 for code, _ in lists}
    return hash_set(word_hash(word.encode()) ^ salt[code] for code, words in lists for word in words), salt


@entry
def _shares(characters: Counters, signals: Signals) -> None:
    for text in range(len(characters)):
        counts, row = characters[text], signals[text]
        chars = counts[CHARS]
        if chars:
            row[0] = chars
            row[1] = counts[DIGITS] / chars
            row[2] = counts[UPPERS] / chars
            row[3] = counts[SPACES] / chars
            row[4] = counts[SYMBOLS] / chars


@entry
def _lines(
    data: Bytes,
    offsets: Offsets,
    start: Counts,
    stop: Counts,
    first: npt.NDArray[np.int64],
    classes: Classes,
    characters: Counters,
    places: Counts,
    phrases: Bytes,
    signals: Signals,
) -> None:
    """The signals of lines as `str.splitlines` cuts; `places` and `phrases` are room for what `find_phrases` writes."""
    for text in range(len(offsets) - 1):
        i, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        row = signals[text, _LINES_AT:_WORDS_AT]
        plain = characters[text, BREAKS] == 0
        phrase, last_phrase = 0, find_phrases(data, i, hi, places, phrases)
        lines, bullets, ellipses, word = 0, 0, 0, first[text]
        while i < hi:
            end, behind = next_line(data, i, hi, plain, classes)
            lines += 1
            begin, tail = strip(data, i, end, classes)
            if begin < tail:
                code = decode(data, begin, tail)[0]
                bullets += code in (_BULLET, _MINUS)
                ellipses += ends_with_ellipsis(data, begin, tail)
            number, word = sentences(data, start, stop, word, first[text + 1], end, classes)
            row[6] += number
            found = 0
            while phrase < last_phrase and places[phrase] < end:
                found |= phrases[phrase]
                phrase += 1
            row[7] += (found & LOREM_IPSUM) != 0
            row[8] += (found & CURLY_BRACKET) != 0
            row[9] += (found & JAVASCRIPT) != 0
            row[10] += (found & POLICY) != 0
            i = behind
        if lines:
            row[4] = bullets / lines
            row[5] = ellipses / lines


@entry
def _fineweb_lines(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    short: int,
    characters: Counters,
    start: Counts,
    stop: Counts,
    kind: Bytes,
    first: npt.NDArray[np.int64],
    signals: Signals,
) -> None:
    """Of the lines (between newlines) that are not blank: how many, punctuated, short, characters in copies."""
    for text in range(len(offsets) - 1):
        chars, newlines = characters[text, CHARS], characters[text, NEWLINES]
        ascii_only = chars == offsets[text + 1] - offsets[text]
        lines, punctuated, brief, copied = 0, 0, 0, 0
        for line in range(first[text], first[text + 1]):
            if kind[line] & BLANK:
                continue
            lo, hi = np.int64(start[line]), np.int64(stop[line])
            lines += 1
            code = decode(data, previous(data, lo, hi), hi)[0]
            punctuated += (classes[code] & TERMINAL) != 0
            # four bytes a character at most
            few = hi - lo <= short
            brief += few or (not ascii_only and hi - lo <= 4 * short and characters_in(data, lo, hi) <= short)
            if kind[line] & COPY:
                copied += hi - lo if ascii_only else characters_in(data, lo, hi)
        if lines:
            row = signals[text, _LINES_AT:_WORDS_AT]
            row[0] = lines
            row[1] = punctuated / lines
            row[2] = brief / lines
            row[3] = copied / (chars - newlines)


@inlined
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


@inlined
def _folded_hash(
    data: Bytes, lo: int, hi: int, any_of: int, length: int, lower: npt.NDArray[np.uint32], folded: Bytes
) -> np.uint64:
    """The hash of a word in lower case; `any_of` and `length` are those of `_word_classes`."""
    if length == hi - lo < 8 and lo + 8 <= len(data):
        eight = lower_eight(eight_bytes(data, lo) & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)))
        return hash_short(eight, length)
    if any_of & UPPER or length < hi - lo:
        return hash_range(folded, 0, _fold(data, lo, hi, lower, folded))
    return hash_range(data, lo, hi)


@entry
def _words(
    data: Bytes,
    start: Counts,
    stop: Counts,
    first: npt.NDArray[np.int64],
    leader: Places,
    times: Places,
    classes: Classes,
    lower: npt.NDArray[np.uint32],
    stop_words: Hashes,
    salts: Hashes,
    folded: Bytes,
    logarithms: Signals,
    characters: Counters,
    keys: Hashes,
    ids: Places,
    count: Places,
    leaders: Places,
    signals: Signals,
) -> None:
    """Each different word is looked at once, for all its occurrences; `leader` and `times` are those of `Alike`."""
    for text in range(len(first) - 1):
        begin, tokens = np.uint64(first[text]), np.uint64(first[text + 1] - first[text])
        if tokens == _0:
            continue
        # without a branch on what no processor could guess
        different = _0
        for k in range(tokens):
            leaders[different] = k
            different += np.uint64(leader[begin + k] == k)
        shift = clear(keys, np.int64(different))
        words, letters, alpha, caps, distinct, total, groups = 0, 0, 0, 0, 0, 0, 0
        for d in range(different):
            k = np.uint64(leaders[d])
            often = np.int64(times[begin + k])
            lo, hi = np.int64(start[begin + k]), np.int64(stop[begin + k])
            any_of, all_of, length = _word_classes(data, lo, hi, classes)
            value = _folded_hash(data, lo, hi, any_of, length, lower, folded)
            fresh = True
            alpha += often if any_of & ALPHA else 0
            caps += often if any_of & UPPER and not any_of & LOWER else 0
            if not all_of & SYMBOL:
                words += often
                letters += often * length
                slot = find_slot(keys, shift, value)
                fresh = keys[slot] == _0
                if fresh:
                    keys[slot] = value
                    ids[slot] = groups
                    count[groups] = 0
                    groups += 1
                count[ids[slot]] += np.uint32(often)
            own = salts[text] != _0
            if (own or not any_of & UPPER) and is_in(stop_words, value ^ salts[text]):
                total += often
                distinct += fresh or not own
        row = signals[text, _WORDS_AT:]
        row[0] = tokens
        row[1] = words
        row[3] = alpha / tokens
        row[4] = caps / tokens
        row[5] = distinct
        row[6] = total
        row[9] = characters[text, SHARPS] / tokens
        row[10] = characters[text, ELLIPSES] / tokens
        row[11] = characters[text, NEWLINES] / tokens
        if words:
            row[2] = letters / words
            row[7] = groups / words
            row[8] = entropy(count, groups, words, logarithms)
