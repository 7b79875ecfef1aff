"""The clean-up of whitespace and invisible characters: one pass over the bytes, no text longer than it was."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel, loop
from curate.text import Bytes, Offsets

# What becomes of a character.
COPY, DROP, SPACE, TAB, NEWLINE = 0, 1, 2, 3, 4


@loop
def classify(data: Bytes, at: int, stop: int) -> tuple[int, int, int]:
    """The character at byte `at` -> (what becomes of it, how many bytes it has, whether another takes its place)."""
    first = data[at]
    if first < 0x80:
        if first > 0x20 and first != 0x7F:
            return COPY, 1, 0
        if first == 0x20:
            return SPACE, 1, 0
        if first == 0x0A:
            return NEWLINE, 1, 0
        if first == 0x09:
            return TAB, 1, 0
        if first == 0x0D:  # CR LF is one line end, CR alone as well
            if at + 1 < stop and data[at + 1] == 0x0A:
                return DROP, 1, 0
            return NEWLINE, 1, 1
        if first == 0x0B or first == 0x0C:
            return NEWLINE, 1, 1
        return DROP, 1, 0
    if first < 0xE0:
        if first == 0xC2:
            second = data[at + 1]
            if second == 0x85:  # next line
                return NEWLINE, 2, 1
            if second < 0xA0 or second == 0xAD:  # C1 controls, soft hyphen
                return DROP, 2, 0
            if second == 0xA0:
                return SPACE, 2, 1
        return COPY, 2, 0
    if first >= 0xF0:
        return COPY, 4, 0
    if first == 0xE1 or first == 0xE2 or first == 0xE3 or first == 0xEF:
        point = (np.int64(first & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | np.int64(data[at + 2] & 0x3F)
        if 0x2000 <= point <= 0x200A or point in (0x1680, 0x202F, 0x205F, 0x3000):
            return SPACE, 3, 1
        if point == 0x2028 or point == 0x2029:
            return NEWLINE, 3, 1
        if point in (0x180E, 0x200B, 0x2060, 0xFEFF):
            return DROP, 3, 0
    return COPY, 3, 0


@loop
def characters(data: Bytes, start: int, stop: int) -> int:
    """How many characters the UTF-8 bytes from `start` to `stop` are."""
    count = 0
    for at in range(start, stop):
        count += (data[at] & 0xC0) != 0x80
    return count


@kernel
def clean(
    data: Bytes, offsets: Offsets, indentation: bool
) -> tuple[Bytes, Offsets, npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Texts -> (bytes, offsets, characters removed int32, characters replaced int32, whether NFC needs a look).

    Invisible characters go; every kind of line end becomes a line feed and every kind of space a space; a run of
    spaces and tabs inside a line becomes one (a tab, if it held one), at the end of a line none, at its beginning it
    stays as it is with `indentation`, else none; at most two line feeds follow one another; no whitespace is left at
    the ends of the text. Characters below U+0300 are composed already, so a text of them needs no look.
    """
    count = len(offsets) - 1
    out = np.empty(offsets[count] - offsets[0], np.uint8)
    bounds = np.zeros(count + 1, np.int32)
    removed = np.zeros(count, np.int32)
    replaced = np.zeros(count, np.int32)
    marked = np.zeros(count, np.bool_)
    position = np.int64(0)
    for text in range(count):
        at, stop = np.int64(offsets[text]), np.int64(offsets[text + 1])
        end = np.int64(position)  # behind the last character that is no whitespace
        base = np.int64(position)  # behind that, or behind the line feeds that follow it: where a run of spaces starts
        newlines = 0
        started = False
        while at < stop:
            first = data[at]
            if 0x20 < first < 0x7F:  # nearly every byte of most texts
                out[position] = first
                position += 1
                base = end = position
                newlines = 0
                started = True
                at += 1
                continue
            if first == 0x20 and position == end and started:  # a single space in a line, the next most frequent
                out[position] = first
                position += 1
                at += 1
                continue
            kind, width, other = classify(data, at, stop)
            replaced[text] += other
            if kind == COPY:
                if first >= 0xCC:
                    marked[text] = True
                for byte in range(width):
                    out[position + byte] = data[at + byte]
                position += width
                base = end = position
                newlines = 0
                started = True
            elif kind == NEWLINE and started:
                position = base
                newlines += 1
                if newlines <= 2:
                    out[position] = 0x0A
                    position += 1
                    base = position
            elif kind != DROP and kind != NEWLINE and started:
                character = 0x09 if kind == TAB else 0x20
                if newlines == 0 and position > base:
                    if kind == TAB:
                        out[base] = 0x09
                elif newlines == 0 or indentation:
                    out[position] = character
                    position += 1
            at += width
        position = end
        bounds[text + 1] = end
        seen = characters(data, np.int64(offsets[text]), stop)
        removed[text] = seen - characters(out, np.int64(bounds[text]), end)
    return out[:position], bounds, removed, replaced, marked
