"""The normal form in which RedPajama-V2 counts words: without ASCII punctuation, lower case, one blank, then NFD.

As in Python: `str.translate`, `str.lower` (the full one: a sigma that ends a word is another letter), `str.split` and
`unicodedata.normalize("NFD", ...)` (Unicode Standard Annex 15), in that order. ASCII goes eight bytes at a time.
"""

from __future__ import annotations

import functools
import string
import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.affixes import Classes, previous
from curate.kernels.ascii import lower_eight, word_end
from curate.kernels.groups import Counts, eight_bytes
from curate.kernels.hashing import encode
from curate.kernels.unicode import CODE_POINTS, LAST, SPACE, decode
from curate.text import Bytes

# The normal form of a text has at most this many bytes for each of its own (U+0390: 2 bytes, then 6).
GROWTH = 3
# Bits of `Folding.flags`.
NUMERIC = 1  # str.isnumeric
CASED = 2  # what Python's lower case of a sigma looks for before and behind it
IGNORED = 4  # what it looks past
TITLE = 8  # a letter neither upper nor lower case
_SIGMA, _FINAL_SIGMA = 0x3A3, 0x3C2
_TAGS = range(0xE0000, 0xE0200)
# What a byte is: `kinds()`.
DROPPED, BLANK, KEPT, WIDE = 0, 1, 2, 3

Table = npt.NDArray[np.int32]


class Folding(NamedTuple):
    """What is known of each code point; read-only."""

    place: Table  # where its normal form stands in `forms`: the number of code points, then these; 0: it is its own
    forms: Table
    order: npt.NDArray[np.uint8]  # canonical combining class
    flags: npt.NDArray[np.uint8]  # the bits above


@functools.cache
def folding() -> Folding:
    """The tables of this interpreter's Unicode database, made in half a second."""
    place = np.zeros(CODE_POINTS, np.int32)
    forms = [0]
    order, flags = np.zeros(CODE_POINTS, np.uint8), np.zeros(CODE_POINTS, np.uint8)
    for code in [*range(LAST), *_TAGS]:
        char = chr(code)
        order[code] = unicodedata.combining(char)
        cased = f"{char}Σ".lower().endswith("ς")
        flags[code] = (
            char.isnumeric() * NUMERIC
            | cased * CASED
            | (not cased and f"a{char}Σ".lower().endswith("ς")) * IGNORED
            | (char.istitle() and not char.isupper()) * TITLE
        )
        form = unicodedata.normalize("NFD", char.lower())
        if form != char and not 0xD800 <= code < 0xE000:
            place[code] = len(forms)
            forms += [len(form), *map(ord, form)]
    made = Folding(place, np.array(forms, np.int32), order, flags)
    for array in made:
        array.flags.writeable = False
    return made


@functools.cache
def kinds() -> npt.NDArray[np.uint8]:
    """Byte -> DROPPED, BLANK, KEPT or WIDE; read-only."""
    table = np.full(256, KEPT, np.uint8)
    table[[ord(char) for char in string.punctuation]] = DROPPED
    table[[code for code in range(128) if chr(code).isspace()]] = BLANK
    table[128:] = WIDE
    table.flags.writeable = False
    return table


class Normal(NamedTuple):
    """Room for the words of one text in normal form. Word w is `out[start[w]:stop[w]]`, a blank behind it."""

    out: Bytes
    scratch: Bytes
    start: Counts
    stop: Counts
    line_words: Counts  # how many words stand before the end of each line
    places: Table


def normal_room(longest: int) -> Normal:
    """Room for texts of at most so many bytes."""
    out, scratch = np.empty((2, GROWTH * longest + 16), np.uint8)
    start, stop = np.empty((2, longest // 2 + 3), np.int32)
    return Normal(out, scratch, start, stop, np.empty(longest + 2, np.int32), np.zeros(257, np.int32))


@loop
def normal_words(
    data: Bytes, lo: int, hi: int, kind: npt.NDArray[np.uint8], classes: Classes, known: Folding, normal: Normal
) -> int:
    """Write the words of `data[lo:hi]` in normal form to `normal`; how many there are."""
    size, words, begin, lines = 0, 0, 0, 0
    last, messy = np.int64(0), False  # the class of the mark written last; whether marks of the word are in disorder
    i = lo
    while i < hi:
        run = word_end(data, i, hi)
        if run > i:
            size = _lower(data, i, run, normal.out, size)
            i, last = run, np.int64(0)
            continue
        found = kind[data[i]]
        if found == BLANK:
            size, words = _end_word(known, normal, begin, size, words, messy)
            begin, messy = size, False
            if data[i] == 10:
                normal.line_words[lines] = words
                lines += 1
            i += 1
        elif found == DROPPED:
            i += 1
        elif found == KEPT:
            normal.out[size] = data[i]
            size += 1
            i += 1
            last = np.int64(0)
        else:
            # a run of characters beyond ASCII
            while i < hi and data[i] >= 0x80:
                code, after = decode(data, i, hi)
                if classes[code] & SPACE:
                    size, words = _end_word(known, normal, begin, size, words, messy)
                    begin, messy = size, False
                elif code == _SIGMA and _is_final(data, lo, i, after, hi, kind, known.flags):
                    size = encode(_FINAL_SIGMA, normal.out, size)
                    last = np.int64(0)
                else:
                    size, last, disorder = _write(code, last, known, normal.out, size)
                    messy = messy | disorder
                i = after
    size, words = _end_word(known, normal, begin, size, words, messy)
    normal.line_words[lines] = words
    return words


@inlined
def _lower(data: Bytes, i: int, end: int, out: Bytes, size: int) -> int:
    """Write the ASCII letters and digits `data[i:end]` in lower case; the new size. What is written behind is written over."""
    while i < end:
        eight = lower_eight(eight_bytes(data, i)) if i + 8 <= len(data) else _last_bytes(data, i)
        for k in range(8):
            out[size + k] = np.uint8(eight >> np.uint64(8 * k))
        step = min(end - i, 8)
        size += step
        i += step
    return size


@inlined
def _end_word(known: Folding, normal: Normal, begin: int, size: int, words: int, messy: bool) -> tuple[int, int]:
    """The word written from `begin` on is done, if there is one: the new size and number of words."""
    if size == begin:
        return size, words
    if messy:
        _reorder(normal.out, begin, size, known.order, normal.scratch, normal.places)
    normal.start[words], normal.stop[words] = begin, size
    normal.out[size] = 32
    return size + 1, words + 1


@loop
def _last_bytes(data: Bytes, i: int) -> np.uint64:
    """The bytes from `i` to the end of `data`, fewer than eight, in lower case."""
    eight = np.uint64(0)
    for k in range(len(data) - i):
        eight |= np.uint64(data[i + k]) << np.uint64(8 * k)
    return lower_eight(eight)


@inlined
def _write(code: int, last: int, known: Folding, out: Bytes, size: int) -> tuple[int, int, bool]:
    """Write the normal form of a code point; the new size, the class of what is last, whether marks are in disorder.

    `last` is the class of the code point before.
    """
    at, forms, order = known.place[code], known.forms, known.order
    if at == 0:
        mark = np.int64(order[code])
        return encode(code, out, size), mark, (mark > 0) & (mark < last)
    messy = False
    for k in range(at + 1, at + 1 + forms[at]):
        mark = np.int64(order[forms[k]])
        messy = messy | ((mark > 0) & (mark < last))
        last = mark
        size = encode(forms[k], out, size)
    return size, last, messy


@loop
def _reorder(out: Bytes, lo: int, hi: int, order: npt.NDArray[np.uint8], scratch: Bytes, places: Table) -> None:
    """Sort each run of combining marks in `out[lo:hi]` by class; equal ones stay in order. `places` has 257 entries."""
    i = lo
    while i < hi:
        begin = i
        places[:] = 0
        while i < hi:
            code, after = decode(out, i, hi)
            mark = np.int64(order[code])
            if mark == 0:
                break
            places[mark + 1] += after - i
            i = after
        for mark in range(1, 257):
            places[mark] += places[mark - 1]
        at = begin
        while at < i:
            code, after = decode(out, at, i)
            mark = np.int64(order[code])
            for k in range(at, after):
                scratch[places[mark]] = out[k]
                places[mark] += 1
            at = after
        for k in range(begin, i):
            out[k] = scratch[k - begin]
        while i < hi and order[decode(out, i, hi)[0]] == 0:
            i = decode(out, i, hi)[1]


@loop
def _is_final(
    data: Bytes, lo: int, at: int, after: int, hi: int, kind: npt.NDArray[np.uint8], flags: npt.NDArray[np.uint8]
) -> bool:
    """Whether the sigma at `data[at:after]` ends a word: a cased letter before it, none behind it."""
    i = at
    found = False
    while i > lo:
        i = previous(data, lo, i)
        code = decode(data, i, at)[0]
        if kind[data[i]] == DROPPED or flags[code] & IGNORED:
            continue
        found = flags[code] & CASED != 0
        break
    if not found:
        return False
    i = after
    while i < hi:
        code, following = decode(data, i, hi)
        if kind[data[i]] == DROPPED or flags[code] & IGNORED:
            i = following
            continue
        return flags[code] & CASED == 0
    return True
