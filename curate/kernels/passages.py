"""Passages of texts (lines, or blocks between blank lines): where they are, keys of their normal form, and cutting them.

The normal form is CCNet's (Wenzek et al. 2020): lower case, every digit 0, no accents, letters and digits alone, one
blank where white space was. Marks that spell (vowel signs, virama, nukta, kana voicing) stay: without them words of
Indic scripts would be alike that are not. Points of Hebrew and Arabic go, as accents do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry
from curate.kernels.keys import START, Hashes, key_of, step
from curate.kernels.normal_form import Table, folding
from curate.kernels.unicode import ALNUM, DECIMAL, LETTER, SPACE, decode, tables
from curate.text import Bytes, Offsets

# Combining classes up to this one spell: 7 nukta, 8 kana voicing, 9 virama.
SPELLING = 9
_BLANK, _ZERO = 32, 48

Integers = npt.NDArray[np.int32]


class Passages(NamedTuple):
    """The passages of n texts: those of text i are `first[i]` to `first[i + 1]`, `data[start[k]:stop[k]]` each."""

    first: npt.NDArray[np.int64]
    start: Integers
    stop: Integers


def passages_of(data: Bytes, offsets: Offsets, *, blocks: bool) -> Passages:
    """The lines of n texts that are not blank, without their line feed; with `blocks` the runs of such lines."""
    lines = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == 10)) + len(offsets) - 1
    start, stop = np.empty(lines, np.int32), np.empty(lines, np.int32)
    first = np.zeros(len(offsets), np.int64)
    count = _passages(data, offsets, tables().classes, blocks, first, start, stop)
    return Passages(first, start[:count].copy(), stop[:count].copy())


@entry
def _passages(
    data: Bytes,
    offsets: Offsets,
    classes: npt.NDArray[np.uint16],
    blocks: bool,
    first: npt.NDArray[np.int64],
    start: Integers,
    stop: Integers,
) -> int:
    count = 0
    for text in range(len(offsets) - 1):
        i, hi, joined = np.int64(offsets[text]), np.int64(offsets[text + 1]), False
        while i < hi:
            begin, blank = i, True
            while i < hi and data[i] != 10:
                if blank and data[i] != _BLANK:
                    code, after = decode(data, i, hi)
                    blank = classes[code] & SPACE != 0
                    i = after
                else:
                    i += 1
            if blank:
                joined = False
            elif joined and blocks:
                stop[count - 1] = i
            else:
                start[count], stop[count] = begin, i
                count += 1
                joined = True
            i += 1
        first[text + 1] = count
    return count


def passage_keys(data: Bytes, passages: Passages) -> tuple[Hashes, Integers]:
    """(n,) keys of the normal forms, 0 for a passage without letter or digit; (n,) letters and digits of each."""
    known, fold = tables(), folding()
    keys, sizes = np.zeros(len(passages.start), np.uint64), np.zeros(len(passages.start), np.int32)
    _keys(
        data, passages.start, passages.stop, _ascii_forms(), known.classes, fold.place, fold.forms, fold.order, keys, sizes
    )  # fmt: skip
    return keys, sizes


def _ascii_forms() -> Bytes:
    """ASCII byte -> its normal form: 0 if it goes, 32 for white space."""
    forms = np.zeros(128, np.uint8)
    for code in range(128):
        char = chr(code)
        if char.isspace():
            forms[code] = _BLANK
        elif char.isalnum():
            forms[code] = _ZERO if char.isdecimal() else ord(char.lower())
    return forms


@entry
def _keys(
    data: Bytes,
    start: Integers,
    stop: Integers,
    ascii_forms: Bytes,
    classes: npt.NDArray[np.uint16],
    place: Table,
    forms: Table,
    order: npt.NDArray[np.uint8],
    keys: Hashes,
    sizes: Integers,
) -> None:
    for k in range(len(start)):
        i, hi = np.int64(start[k]), np.int64(stop[k])
        state, size, apart = START, 0, False
        while i < hi:
            byte = data[i]
            if byte < 0x80:
                form = ascii_forms[byte]
                i += 1
                if form == _BLANK:
                    apart = size > 0
                elif form != 0:
                    if apart:
                        state = step(state, _BLANK)
                        apart = False
                    state = step(state, form)
                    size += 1
                continue
            code, i = decode(data, i, hi)
            if classes[code] & SPACE:
                apart = size > 0
                continue
            at = np.int64(place[code])
            for j in range(at + 1 if at else 0, at + 1 + forms[at] if at else 1):
                part = np.int64(forms[j]) if at else np.int64(code)
                mark = order[part]
                if mark > SPELLING or not classes[part] & (LETTER | ALNUM):
                    continue
                if classes[part] & DECIMAL:
                    part = np.int64(_ZERO)
                if apart:
                    state = step(state, _BLANK)
                    apart = False
                state = step(state, part)
                size += 1
        if size:
            keys[k] = key_of(state)
            sizes[k] = size


def cut_spans(data: Bytes, offsets: Offsets, passages: Passages, cut: npt.NDArray[np.bool_]) -> Passages:
    """What to remove from n texts so that the passages of which `cut` is true are gone, one span for each of them.

    Each goes with its line feed. Blank lines that stood before and behind it do not add up, and none is left at an end.
    """
    start, stop = passages.start.copy(), passages.stop.copy()
    _extend(data, offsets, passages.first, cut, start, stop)
    first = np.concatenate([[0], np.cumsum(cut)])[passages.first]
    return Passages(first, start[cut], stop[cut])


@entry
def _extend(
    data: Bytes,
    offsets: Offsets,
    first: npt.NDArray[np.int64],
    cut: npt.NDArray[np.bool_],
    start: Integers,
    stop: Integers,
) -> None:
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        end = lo  # of what is kept, or cut, before this passage
        last = first[text] - 1  # the last passage that is kept
        after_blank = True  # whether a blank line, or nothing, stands before the passages that are cut
        for k in range(first[text], first[text + 1]):
            if not cut[k]:
                last, end = k, np.int64(stop[k])
                continue
            if last == k - 1:
                after_blank = k == first[text] or start[k] - end > 1
            # up to the next passage if blank lines would meet, else its own line feed
            i = np.int64(stop[k])
            following = np.int64(start[k + 1]) if k + 1 < first[text + 1] else hi
            stop[k] = following if after_blank else min(i + 1, hi)
            after_blank = after_blank or following > i + 1
            end = np.int64(stop[k])
        if last < first[text + 1] - 1 and first[text] < first[text + 1]:
            # everything behind the last passage that is kept, but the line feed that ends the text
            begin = np.int64(stop[last]) if last >= first[text] else lo
            closing = 1 if last >= first[text] and data[hi - 1] == 10 else 0
            for k in range(last + 1, first[text + 1]):
                start[k] = begin
                stop[k] = max(np.int64(stop[k]), begin)
                begin = np.int64(stop[k])
            stop[first[text + 1] - 1] = hi - closing


def gathered(data: Bytes, start: Integers, stop: Integers) -> tuple[Bytes, Offsets]:
    """The pieces `data[start[k]:stop[k]]` one behind the other: (bytes, offsets)."""
    offsets = np.concatenate([[0], np.cumsum(stop - start)]).astype(np.int32)
    out = np.empty(int(offsets[-1]), np.uint8)
    _gather(data, start, stop, out)
    return out, offsets


@entry
def _gather(data: Bytes, start: Integers, stop: Integers, out: Bytes) -> None:
    at = 0
    for k in range(len(start)):
        for i in range(np.int64(start[k]), np.int64(stop[k])):
            out[at] = data[i]
            at += 1
