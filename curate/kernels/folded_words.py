"""Words in a folded form, as 64-bit hashes with their places: for finding copies that were edited lightly.

Case, diacritics, compatibility forms (full width, ligatures), white space, punctuation and characters of no width do
not matter; an apostrophe inside a word is left out ("don't" is "dont"), and so are points and commas between digits
("1,000" is "1000"). An ideograph or kana is a word; words of alphabets that part none by spaces (Thai, Lao, Khmer, Burmese)
are ICU's.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.groups import Hashes
from curate.kernels.script_names import SCRIPTS
from curate.kernels.scripts import script_table
from curate.kernels.segments import BEGIN, END, word_edges
from curate.kernels.unicode import CODE_POINTS, LAST, decode
from curate.text import Bytes, Offsets

Table = npt.NDArray[np.int32]
Places = npt.NDArray[np.int32]

# What a code point is in `Folding.place`, unless it is the place of its form in `forms`.
SEPARATOR, DROPPED, ITSELF = 0, -1, -2
# What a byte is in `Folding.ascii`, unless it is the lower case of a letter or digit.
_PARTS, _APOSTROPHE, _POINT, _WIDE = 0, 1, 2, 3
# apostrophes, and marks that are not seen: a joiner, variation selectors
_NOTHING = "’‘ʼ＇\u034f\u180b\u180c\u180d\u180f" + "".join(map(chr, range(0xFE00, 0xFE10)))
_ALONE = ("Hani", "Hira", "Kana", "Bopo")

_START = np.uint64(0xCBF29CE484222325)
_STEP = np.uint64(0x9FB21C651E98DF25)
_1, _32 = np.uint64(1), np.uint64(32)


class Folding(NamedTuple):
    """What is known of each byte and code point; read-only."""

    ascii: npt.NDArray[np.uint8]  # of each byte
    place: Table  # of each code point: one of the above, or where its form stands in `forms`
    forms: Table  # the number of code points, then these
    alone: npt.NDArray[np.bool_]  # whether each letter of its script is a word


@functools.cache
def folding() -> Folding:
    """The tables of this interpreter's Unicode database, made in half a second."""
    place = np.zeros(CODE_POINTS, np.int32)
    # a place is at least 1
    forms = [0]
    for code in range(LAST):
        form = _folded(chr(code))
        if form is None:
            place[code] = DROPPED
        elif form == chr(code):
            place[code] = ITSELF
        elif form:
            place[code] = len(forms)
            forms += [len(form), *map(ord, form)]
    # variation selectors and tags
    place[0xE0000:0xE01F0] = DROPPED
    ascii_table = np.full(256, _WIDE, np.uint8)
    ascii_table[:128] = [ord(chr(code).lower()) if chr(code).isalnum() else _PARTS for code in range(128)]
    ascii_table[ord("'")] = _APOSTROPHE
    ascii_table[[ord("."), ord(",")]] = _POINT
    alone = np.isin(script_table(), [SCRIPTS.index(name) for name in _ALONE])
    made = Folding(ascii_table, place, np.array(forms, np.int32), alone)
    for array in made:
        array.flags.writeable = False
    return made


def _folded(char: str) -> str | None:
    """The letters and digits that stand for a character: none for what parts words, None for what counts for nothing."""
    if char in _NOTHING or unicodedata.category(char) in ("Me", "Cf", "Lm") or unicodedata.combining(char):
        return None
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    # vowel signs of Indic scripts, which have no combining class, are letters here
    return "".join(part for part in apart if unicodedata.category(part)[0] in "LNM" and not unicodedata.combining(part))


class FoldedWords(NamedTuple):
    """The words of n texts: text i has `hashes[first[i]:first[i + 1]]`; word w is `data[start[w]:stop[w]]`."""

    hashes: Hashes
    start: Places  # bytes
    stop: Places
    first: npt.NDArray[np.int64]


def folded_words(data: Bytes, offsets: Offsets) -> FoldedWords:
    """The words of n texts given as UTF-8 bytes and n + 1 offsets."""
    room = int(offsets[-1] - offsets[0]) // 2 + len(offsets)
    hashes, start, stop = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.int32)
    first = np.zeros(len(offsets), np.int64)
    _all_words(data, offsets, folding(), word_edges(data, offsets, ideographs=False), hashes, start, stop, first)
    count = int(first[-1])
    return FoldedWords(hashes[:count], start[:count], stop[:count], first)


@entry
def _all_words(
    data: Bytes,
    offsets: Offsets,
    known: Folding,
    edges: Bytes,
    hashes: Hashes,
    start: Places,
    stop: Places,
    first: npt.NDArray[np.int64],
) -> None:
    for text in range(len(offsets) - 1):
        at = first[text]
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        made = words_in(data, lo, hi, known, edges, hashes[at:], start[at:], stop[at:])
        first[text + 1] = at + made


@loop
def words_in(
    data: Bytes,
    lo: int,
    hi: int,
    known: Folding,
    edges: Bytes,
    hashes: Hashes,
    start: Places,
    stop: Places,
) -> int:
    """The words of `data[lo:hi]`: hashes and places; how many. The arrays have room for half its bytes and one more.

    `edges` are those of `word_edges` for alphabets.
    """
    count, unspaced = 0, len(edges) > 0
    ascii, place, forms, alone = known
    # with unsigned positions numba leaves out the check for negative ones
    at, end = np.uint64(lo), np.uint64(hi)
    while at < end:
        while at < end and ascii[data[at]] < _WIDE:
            at += _1
        value, begin, last = _START, at, at
        begun = False
        while at < end:
            byte = ascii[data[at]]
            if byte > _WIDE:
                value = (value ^ np.uint64(byte)) * _STEP
                begin = begin if begun else at
                at += _1
                last, begun = at, True
            elif byte == _WIDE:
                code, following = decode(data, np.int64(at), hi)
                found = place[code]
                edge = edges[at] if unspaced else np.uint8(0)
                if found == SEPARATOR or alone[code] or (begun and edge & BEGIN):
                    break
                if found != DROPPED:
                    value = _with_form(value, code, found, forms)
                    begin = begin if begun else at
                    begun = True
                at = np.uint64(following)
                last = at if found != DROPPED or begun else last
                if begun and edge & END:
                    break
            elif begun and _is_inside(data, lo, hi, np.int64(at), byte, ascii):
                at += _1
            else:
                break
        if begun:
            hashes[count] = (value ^ (value >> _32)) * _STEP
            start[count], stop[count] = np.int32(begin), np.int32(last)
            count += 1
        elif at < end and ascii[data[at]] == _WIDE:
            # a letter that is a word, or a separator
            code, following = decode(data, np.int64(at), hi)
            found = place[code]
            if alone[code] and found != DROPPED and found != SEPARATOR:
                value = _with_form(_START, code, found, forms)
                hashes[count] = (value ^ (value >> _32)) * _STEP
                start[count], stop[count] = np.int32(at), np.int32(following)
                count += 1
            at = np.uint64(following)
        elif at < end:
            at += _1
    return count


@inlined
def _with_form(value: np.uint64, code: int, found: int, forms: Table) -> np.uint64:
    """The hash so far and the code point that follows, in its folded form."""
    if found == ITSELF:
        return (value ^ np.uint64(code)) * _STEP
    for k in range(found + 1, found + 1 + forms[found]):
        value = (value ^ np.uint64(forms[k])) * _STEP
    return value


@inlined
def _is_inside(data: Bytes, lo: int, hi: int, at: int, kind: Any, ascii: npt.NDArray[np.uint8]) -> bool:
    """Whether the mark at `data[at]` stands inside a word: an apostrophe before a letter, a point between digits."""
    if kind == _PARTS or at + 1 >= hi or at == lo:
        return False
    after = data[at + 1]
    if kind == _APOSTROPHE:
        return ascii[after] >= _WIDE
    return 48 <= data[at - 1] <= 57 and 48 <= after <= 57
