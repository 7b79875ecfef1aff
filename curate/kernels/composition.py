"""Canonical composition (NFC, Unicode Standard Annex 15) of UTF-8 where a text is not composed yet.

Nearly all text is. What may change stands in short spans: from the character before one that combines to the next that
does not. A span is decomposed, its marks are put in order, and it is composed; everything else is copied.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, kernel, loop
from curate.kernels.cache import folder_of
from curate.kernels.hashing import encode
from curate.kernels.unicode import CODE_POINTS, LAST, decode, kept_array
from curate.kernels.vectors import WIDTH, before_any
from curate.text import Bytes, Offsets

Table = npt.NDArray[np.int32]

#: bits of `Composition.known`: the canonical combining class, and whether NFC may change the character, alone or behind another
CLASS, CHANGES = 0xFF, 1 << 8
#: the bytes with which characters begin that NFC may change, or that are marks; a few more, for fewer ranges
SUSPECT = ((0xCC, 0xCE), 0xD2, (0xD6, 0xE3), 0xEA, (0xEF, 0xF0))
_before_suspect = before_any(SUSPECT)
#: a text in NFC has at most this many bytes for each of its own
GROWTH = 3
#: Hangul syllables are composed by rule: first consonants, vowels and last consonants, of which 0 is none
_L, _V, _T, _S, _LS, _VS, _TS = 0x1100, 0x1161, 0x11A7, 0xAC00, 19, 21, 28
_SLOTS = 4096
_LAST_SLOT, _PRIME, _SHIFT, _HIGH = np.uint64(_SLOTS - 1), np.uint64(0x9E3779B97F4A7C15), np.uint64(52), np.uint64(32)
#: marks of one character are sorted one by one up to this number
_FEW = 16


class Composition(NamedTuple):
    """What is known of each code point; read-only."""

    suspect: npt.NDArray[np.bool_]  # 256: which bytes are in SUSPECT
    known: Table  # CODE_POINTS: the bits above
    place: Table  # CODE_POINTS: where its decomposition stands in `forms`: how many code points, then these; 0: it has none
    forms: Table
    pairs: npt.NDArray[np.uint64]  # an open table: two code points, the first in the upper half; 0 where empty
    composite: Table  # beside it: what they compose to


@functools.cache
def composition() -> Composition:
    """The tables of this interpreter's Unicode database; made in a second, then read from the cache folder."""
    packed = kept_array(folder_of(__file__) / f"composition_{unicodedata.unidata_version}.npy", _make)
    known, place, forms = packed[:CODE_POINTS], packed[CODE_POINTS : 2 * CODE_POINTS], packed[2 * CODE_POINTS :]
    pairs, composite = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.int32)
    for code in np.flatnonzero(place).tolist():
        parts = [int(part, 16) for part in unicodedata.decomposition(chr(code)).split()]
        if len(parts) == 2 and unicodedata.normalize("NFC", "".join(map(chr, parts))) == chr(code):
            key = parts[0] << 32 | parts[1]
            slot = key * int(_PRIME) % (1 << 64) >> int(_SHIFT)
            while pairs[slot]:
                slot = (slot + 1) % _SLOTS
            pairs[slot], composite[slot] = key, code
    suspect = np.zeros(256, np.bool_)
    for one in SUSPECT:
        first, last = one if isinstance(one, tuple) else (one, one)
        suspect[first : last + 1] = True
    made = Composition(suspect, known, place, forms, pairs, composite)
    for array in made:
        array.flags.writeable = False
    return made


def _make() -> Table:
    known, place, forms = np.zeros(CODE_POINTS, np.int32), np.zeros(CODE_POINTS, np.int32), [0]
    for code in range(LAST):
        char = chr(code)
        known[code] |= unicodedata.combining(char)
        if not unicodedata.is_normalized("NFC", char):
            known[code] |= CHANGES
        form = unicodedata.normalize("NFD", char)
        if form != char and not _S <= code < _S + _LS * _VS * _TS:
            place[code] = len(forms)
            forms += [len(form), *map(ord, form)]
        parts = unicodedata.decomposition(char).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            known[int(parts[1], 16)] |= CHANGES
    known[_V : _V + _VS] |= CHANGES
    known[_T + 1 : _T + _TS] |= CHANGES
    return np.concatenate([known, place, np.array(forms, np.int32)])


@inlined
def _next_suspect(text: Bytes, at: int, stop: int, tables: Composition) -> int:
    """Where the first byte of SUSPECT from `at` on is, or `stop`."""
    i = at
    while i + WIDTH <= stop:
        before = _before_suspect(text, i)
        if before < WIDTH:
            return i + before
        i += WIDTH
    while i < stop and not tables.suspect[text[i]]:
        i += 1
    return i


@loop
def may_change(text: Bytes, start: int, stop: int, tables: Composition) -> bool:
    """Whether NFC may change the text: the quick check of the annex (a mark out of order, or what may compose)."""
    i, last = start, np.int32(0)
    while i < stop:
        ahead = _next_suspect(text, i, stop, tables)
        if ahead > i:
            i, last = ahead, np.int32(0)
            continue
        code, i = decode(text, i, stop)
        bits = tables.known[code]
        if bits & CHANGES or 0 < bits < last:
            return True
        last = bits
    return False


@kernel
def compose(data: Bytes, offsets: Offsets, tables: Composition) -> tuple[Bytes, Offsets]:
    """Texts (UTF-8, n + 1 offsets) -> the same in NFC."""
    longest = np.int64(0)
    for text in range(len(offsets) - 1):
        longest = max(longest, np.int64(offsets[text + 1] - offsets[text]))
    out = np.empty(GROWTH * (np.int64(offsets[-1]) - np.int64(offsets[0])) + 8, np.uint8)
    ends = np.zeros(len(offsets), np.int32)
    # a character of two bytes may be three code points, and none is more for its bytes
    codes, sorted_codes = np.empty(2 * longest + 8, np.int32), np.empty(2 * longest + 8, np.int32)
    counts, at = np.zeros(CLASS + 2, np.int64), np.int64(0)
    for text in range(len(offsets) - 1):
        at = _compose(
            data, np.int64(offsets[text]), np.int64(offsets[text + 1]), tables, codes, sorted_codes, counts, out, at
        )
        ends[text + 1] = at
    return out[:at].copy(), ends


@loop
def _compose(
    data: Bytes,
    start: int,
    stop: int,
    tables: Composition,
    codes: Table,
    room: Table,
    counts: npt.NDArray[np.int64],
    out: Bytes,
    at: int,
) -> int:
    """One text to `out` from `at` on; where it ends."""
    i, before = start, np.int64(-1)  # where the character before begins
    while i < stop:
        following = i + 1
        code = np.int64(data[i])
        if data[i] >= 0x80:
            code, following = decode(data, i, stop)
        if tables.known[code] == 0:
            for k in range(i, following):
                out[at] = data[k]
                at += 1
            i, before = following, i
            continue
        size = np.int64(0)
        if before >= 0:
            at -= i - before
            size = _decompose(decode(data, before, i)[0], tables, codes, size)
        while i < stop:
            code, following = decode(data, i, stop)
            if tables.known[code] == 0:
                break
            size = _decompose(code, tables, codes, size)
            i = following
        _order(codes, size, tables.known, room, counts)
        size = _join(codes, size, tables)
        for k in range(size):
            at = encode(np.int64(codes[k]), out, at)
        before = np.int64(-1)
    return at


@inlined
def _decompose(code: int, tables: Composition, codes: Table, size: int) -> int:
    """The code points of a character behind those in `codes`; how many there are."""
    place = tables.place[code]
    if place == 0:
        codes[size] = code
        return size + 1
    for k in range(tables.forms[place]):
        codes[size + k] = tables.forms[place + 1 + k]
    return size + tables.forms[place]


@loop
def _order(codes: Table, size: int, known: Table, room: Table, counts: npt.NDArray[np.int64]) -> None:
    """Sort each run of marks by class; those of one class stay in order."""
    i = np.int64(0)
    while i < size:
        if known[codes[i]] & CLASS == 0:
            i += 1
            continue
        first = i
        while i < size and known[codes[i]] & CLASS:
            i += 1
        if i - first <= _FEW:
            for k in range(first + 1, i):
                code, j = codes[k], k
                while j > first and known[codes[j - 1]] & CLASS > known[code] & CLASS:
                    codes[j] = codes[j - 1]
                    j -= 1
                codes[j] = code
        else:
            _sort_many(codes, first, i, known, room, counts)


@loop
def _sort_many(codes: Table, first: int, last: int, known: Table, room: Table, counts: npt.NDArray[np.int64]) -> None:
    """As `_order` for one run of any length, in linear time."""
    counts[:] = 0
    for k in range(first, last):
        counts[(known[codes[k]] & CLASS) + 1] += 1
    for mark in range(1, len(counts)):
        counts[mark] += counts[mark - 1]
    for k in range(first, last):
        mark = known[codes[k]] & CLASS
        room[counts[mark]] = codes[k]
        counts[mark] += 1
    for k in range(first, last):
        codes[k] = room[k - first]


@inlined
def _pair(first: int, second: int, tables: Composition) -> int:
    """What two code points compose to, or 0."""
    if _L <= first < _L + _LS and _V <= second < _V + _VS:
        return _S + ((first - _L) * _VS + (second - _V)) * _TS
    if _S <= first < _S + _LS * _VS * _TS and (first - _S) % _TS == 0 and _T < second < _T + _TS:
        return first + second - _T
    key = np.uint64(first) << _HIGH | np.uint64(second)
    slot = key * _PRIME >> _SHIFT
    while tables.pairs[slot] != np.uint64(0):
        if tables.pairs[slot] == key:
            return np.int64(tables.composite[slot])
        slot = (slot + np.uint64(1)) & _LAST_SLOT
    return np.int64(0)


@loop
def _join(codes: Table, size: int, tables: Composition) -> int:
    """Compose what is in `codes`, decomposed and in order; how many code points are left."""
    starter, last, kept = np.int64(-1), np.int64(0), np.int64(0)
    for k in range(size):
        code = np.int64(codes[k])
        mark = np.int64(tables.known[code] & CLASS)
        # a mark of the same class, or any character between, keeps two apart
        if starter >= 0 and (last < mark or last == 0):
            made = _pair(np.int64(codes[starter]), code, tables)
            if made:
                codes[starter] = made
                continue
        if mark == 0:
            starter = kept
        last = mark
        codes[kept] = code
        kept += 1
    return kept
