"""Hashed features of short texts for a linear classifier: words, pairs of words and n-grams of their letters.

Words are folded as people disguise them: lower case, `sh1t` and `$hit` read as `shit`, `fuuuck` as `fuck`, `don't` as
`dont`, and three or more letters that stand alone (`f u c k`) also as the word that they make. A user name and a web
address are one word each. A feature is a number below 2**bits, a hash (FNV-1a over code points); there is no list of
features (Weinberger et al. 2009, arXiv 0902.2206).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.automaton import is_word_part
from curate.kernels.unicode import LETTER, SPACE, Tables, decode
from curate.text import Bytes

Places = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint32]

# Of a word and of a piece no more is looked at: what is longer is nobody's word, and a table or a program.
MOST_LETTERS, MOST_WORDS = 40, 200
_FNV, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_WORD, _PAIR, _GRAM = np.uint32(0x1B873593), np.uint32(0xCC9E2D51), np.uint32(0x85EBCA6B)
_GOLDEN = np.uint32(0x9E3779B1)
# The one character of a user name and of a web address.
USER, ADDRESS = 1, 2
_LESS, _GREATER, _AT, _DOLLAR, _STAR, _CALL, _QUOTE, _CURLED = 0x3C, 0x3E, 0x40, 0x24, 0x2A, 0x21, 0x27, 0x2019


class Words(NamedTuple):
    """Room for the folded words of one piece of text; word k is `letters[ends[k]:ends[k + 1]]`."""

    letters: Codes
    ends: Places
    start: Places  # where the word is in the text, in bytes
    stop: Places


def room() -> Words:
    """Room for one piece, and for the words that lone letters make."""
    return Words(
        np.empty(2 * MOST_WORDS * MOST_LETTERS, np.uint32),
        np.zeros(2 * MOST_WORDS + 1, np.int32),
        np.zeros(2 * MOST_WORDS, np.int32),
        np.zeros(2 * MOST_WORDS, np.int32),
    )


@functools.cache
def disguises() -> Codes:
    """(128,) what a sign or a digit in a word of letters stands for; else the character itself."""
    table = np.arange(128, dtype=np.uint32)
    for sign, letter in zip("@$!013457", "asioieast", strict=True):
        table[ord(sign)] = ord(letter)
    return table


@loop
def fold_words(
    data: Bytes,
    lo: int,
    hi: int,
    known: Tables,
    disguise: Codes,
    words: Words,
) -> tuple[int, int]:
    """Fold the first MOST_WORDS words of `data[lo:hi]`: (how many, where in the text it stopped)."""
    count, size, i = 0, 0, lo
    letters = words.letters
    words.ends[0] = 0
    while i < hi and count < MOST_WORDS:
        code, after = decode(data, i, hi)
        begin, first = i, size
        if code == _AT and _goes_on(data, after, hi, known):
            i = _word_end(data, after, hi, known)
            letters[size] = USER
            size += 1
        elif _is_part(code, known) or (code == _DOLLAR and _goes_on(data, after, hi, known)):
            if _is_address(data, i, hi):
                while i < hi:
                    code, after = decode(data, i, hi)
                    if known.classes[code] & SPACE:
                        break
                    i = after
                letters[size] = ADDRESS
                size += 1
            else:
                i, size = _fold_word(data, i, hi, known, disguise, letters, size)
        else:
            i = after
            continue
        if size > first:
            words.start[count], words.stop[count] = begin, i
            count += 1
            words.ends[count] = size
    return count, i


@inlined
def _is_part(code: int, known: Tables) -> bool:
    return is_word_part(code, known.classes, known.word)


@inlined
def _goes_on(data: Bytes, i: int, hi: int, known: Tables) -> bool:
    """Whether a letter or digit stands at `i`."""
    if i >= hi:
        return False
    code, _ = decode(data, i, hi)
    return _is_part(code, known)


@loop
def _word_end(data: Bytes, i: int, hi: int, known: Tables) -> int:
    while i < hi:
        code, after = decode(data, i, hi)
        if not _is_part(code, known):
            break
        i = after
    return i


@loop
def _is_address(data: Bytes, i: int, hi: int) -> bool:
    """Whether `http://`, `https://` or `www.` begins at `i`."""
    if i + 4 > hi:
        return False
    if (data[i] | 32) == 0x77 and (data[i + 1] | 32) == 0x77 and (data[i + 2] | 32) == 0x77 and data[i + 3] == 0x2E:
        return True
    if (data[i] | 32) != 0x68 or (data[i + 1] | 32) != 0x74 or (data[i + 2] | 32) != 0x74 or (data[i + 3] | 32) != 0x70:
        return False
    i += 4
    if i < hi and (data[i] | 32) == 0x73:
        i += 1
    return i + 3 <= hi and data[i] == 0x3A and data[i + 1] == 0x2F and data[i + 2] == 0x2F


@loop
def _fold_word(
    data: Bytes, i: int, hi: int, known: Tables, disguise: Codes, letters: Codes, size: int
) -> tuple[int, int]:
    """Fold the word that begins at `i` to `letters[size:]`: (where it ends, the new size)."""
    first, raw, lettered = size, size, False
    while i < hi:
        code, after = decode(data, i, hi)
        part = _is_part(code, known)
        if not part:
            if code in (_QUOTE, _CURLED):
                if not _goes_on(data, after, hi, known):
                    break
                i = after
                continue
            if code not in (_STAR, _AT, _DOLLAR, _CALL):
                break
            # f**k, but no end of a sentence!!
            twice = code != _CALL and after < hi and data[after] == code
            if not twice and not _goes_on(data, after, hi, known):
                break
        lettered = lettered or (known.classes[code] & LETTER) != 0
        if raw - first < MOST_LETTERS:
            letters[raw] = known.lower[code]
            raw += 1
        i = after
    run, last = 0, np.int64(-1)
    for k in range(first, raw):
        code = np.int64(letters[k])
        if code < 128:
            if lettered:
                code = np.int64(disguise[code])
            elif 0x30 <= code <= 0x39:
                code = np.int64(0x30)
        run = run + 1 if code == last else 1
        last = code
        if run < 3:
            letters[size] = code
            size += 1
        elif run == 3:
            size -= 1
    return i, size


@loop
def join_letters(count: int, words: Words) -> int:
    """Add the word that each run of three or more words of one ASCII letter makes; the new number of words."""
    letters, ends, start, stop = words
    made, size, run = count, np.int64(ends[count]), 0
    for k in range(count + 1):
        alone = k < count and ends[k + 1] - ends[k] == 1 and 0x61 <= letters[ends[k]] <= 0x7A
        if alone:
            run += 1
            continue
        if run >= 3:
            start[made], stop[made] = start[k - run], stop[k - 1]
            for j in range(k - run, min(k, k - run + MOST_LETTERS)):
                letters[size] = letters[ends[j]]
                size += 1
            made += 1
            ends[made] = size
        run = 0
    return made


@inlined
def _slot(value: np.uint32, kind: np.uint32, shift: np.uint32) -> np.uint32:
    return np.uint32(np.uint32((value ^ kind) * _GOLDEN) >> shift)


@loop
def word_features(
    letters: Codes, lo: int, hi: int, least: int, most: int, shift: np.uint32, out: Codes, count: int
) -> tuple[int, np.uint32]:
    """Write the features of the word `letters[lo:hi]` and of its n-grams: (the new count, the hash of the word)."""
    whole = _FNV
    for k in range(lo, hi):
        whole = np.uint32((whole ^ letters[k]) * _PRIME)
    out[count] = _slot(whole, _WORD, shift)
    count += 1
    if hi - lo == 1 and letters[lo] <= ADDRESS:
        return count, whole
    for i in range(lo - 1, hi):
        value = _FNV
        for j in range(i, min(i + most, hi + 1)):
            letter = np.uint32(_LESS) if j < lo else np.uint32(_GREATER) if j == hi else letters[j]
            value = np.uint32((value ^ letter) * _PRIME)
            if j - i + 1 >= least:
                out[count] = _slot(value, _GRAM, shift)
                count += 1
    return count, whole


@inlined
def pair_feature(before: np.uint32, after: np.uint32, shift: np.uint32) -> np.uint32:
    """The feature of two words that follow each other, by their hashes."""
    return _slot(np.uint32(np.uint32(before * _PRIME) ^ after), _PAIR, shift)
