"""Text of a page into blocks: white space becomes one blank, character references become characters."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.html_entities import Entities, reference
from curate.kernels.vectors import WIDTH, copy_plain
from curate.text import Bytes

# see html_state, which cannot be imported from here
_OUT, _BEGIN, _SPACE, _BLOCKS = 1, 2, 3, 4
_STOP = 1
_LENGTHS = np.uint64(56)

#: what to do with a byte
PLAIN, BLANK, LESS, AMPERSAND, DROP, LOOK = range(6)


def byte_kinds() -> Bytes:
    """What to do with each byte of text."""
    kinds = np.zeros(256, np.uint8)
    kinds[:32] = kinds[127] = DROP
    kinds[[9, 10, 12, 13, 32]] = BLANK
    kinds[60], kinds[38] = LESS, AMPERSAND
    # begin the no-break space and the C1 controls, the blanks of U+2000 to 200A and the byte order mark
    kinds[[0xC2, 0xE2, 0xE3, 0xEF]] = LOOK
    kinds.flags.writeable = False
    return kinds


@loop
def _special(data: Bytes, i: int, stop: int) -> tuple[int, int]:
    """(Whether the character at `i` is PLAIN, BLANK or to DROP, its bytes)."""
    first = data[i]
    if first == 0xC2:
        if i + 1 < stop:
            if data[i + 1] == 0xA0:
                return BLANK, 2
            if data[i + 1] < 0xA0:
                return DROP, 2
        return PLAIN, 1
    if i + 2 >= stop:
        return PLAIN, 1
    second, third = data[i + 1], data[i + 2]
    if first == 0xE2 and second == 0x80 and (0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF):
        return BLANK, 3
    if first == 0xE2 and second == 0x81 and third == 0x9F:
        return BLANK, 3
    if first == 0xE3 and second == 0x80 and third == 0x80:
        return BLANK, 3
    if first == 0xEF and second == 0xBB and third == 0xBF:
        return DROP, 3
    return PLAIN, 1


@inlined
def _before(state: npt.NDArray[np.int64], text: Bytes, out: int) -> int:
    """What goes before a character: the begin of a block, or the blank or line end that is due."""
    if state[_BEGIN] < 0:
        state[_BEGIN] = out
    elif state[_SPACE]:
        text[out] = 32 if state[_SPACE] == 1 else 10
        out += 1
    state[_SPACE] = 0
    return out


@inlined
def _copy(data: Bytes, i: int, stop: int, text: Bytes, out: int, kinds: Bytes) -> tuple[int, int]:
    """Copy plain text, and single blanks in it, behind a plain character: (where it ends, where the copy ends)."""
    while i + WIDTH < stop:
        size = copy_plain(data, i, text, out)
        # as in `find_byte`
        if size < WIDTH:
            return i + size, out + size
        i += WIDTH
        out += WIDTH
    while i < stop and kinds[data[i]] == PLAIN:
        text[out] = data[i]
        out += 1
        i += 1
    return i, out


@entry
def append_text(
    data: Bytes,
    at: int,
    stop: int,
    verbatim: int,
    kinds: Bytes,
    table: Entities,
    state: npt.NDArray[np.int64],
    text: Bytes,
) -> int:
    """Append the text from `at` to the next tag to the block that is open, or begin one; where the tag is.

    With `verbatim` white space stays as it is. Adds no more bytes than it reads, a due blank or line end included, but may
    write WIDTH bytes behind them.
    """
    i, out = at, state[_OUT]
    while i < stop:
        byte = data[i]
        kind = np.int64(kinds[byte])
        width = 1
        if kind == LESS:
            if i > at:
                break
            kind = PLAIN
        if kind == LOOK:
            kind, width = _special(data, i, stop)
            if kind == BLANK:
                byte = np.uint8(32)
        if kind == AMPERSAND:
            found, following = reference(data, i, stop, table)
            size = np.int64(found >> _LENGTHS)
            if size:
                width = following - i
                kind = _entity(found, size)
                byte = np.uint8(found & np.uint64(0xFF)) if size == 1 else np.uint8(32)
                if kind == PLAIN:
                    out = _before(state, text, out)
                    for k in range(size):
                        text[out] = np.uint8(found >> np.uint64(8 * k) & np.uint64(0xFF))
                        out += 1
                    i += width
                    continue
            else:
                kind = PLAIN
        if kind == PLAIN:
            out = _before(state, text, out)
            text[out] = byte
            out += 1
            i += 1
            # most text is like this
            i, out = _copy(data, i, stop, text, out, kinds)
            continue
        if kind == BLANK:
            if verbatim:
                # a carriage return alone is a line end, one before a line feed is nothing
                if byte == 13 and (i + width >= stop or data[i + width] != 10):
                    byte = np.uint8(10)
                out = _verbatim(byte, state, text, out)
            else:
                if state[_BEGIN] >= 0 and state[_SPACE] == 0:
                    state[_SPACE] = 1
                # of many blanks, such as the indentation of tags, one counts
                i += width
                while i < stop and kinds[data[i]] == BLANK:
                    i += 1
                continue
        i += width
    state[_OUT] = out
    return i


@loop
def _verbatim(byte: Any, state: npt.NDArray[np.int64], text: Bytes, out: int) -> int:
    """White space of preformatted text; line ends before the first character are left out."""
    if byte == 13:
        return out
    if byte == 10 and state[_BEGIN] < 0:
        return out
    out = _before(state, text, out)
    text[out] = byte
    return out + 1


@loop
def _entity(found: Any, size: int) -> int:
    """What to do with a character that came of a reference."""
    two = found & np.uint64(0xFFFF)
    if size == 1:
        low = found & np.uint64(0xFF)
        if low == 32 or 9 <= low <= 13:
            return BLANK
        return DROP if low < 32 or low == 127 else PLAIN
    if size == 2 and two == np.uint64(0xA0C2):
        return BLANK
    if size == 3 and two == np.uint64(0x80E2):
        third = found >> np.uint64(16) & np.uint64(0xFF)
        if 0x80 <= third <= 0x8A or third == 0xAF:
            return BLANK
    return PLAIN


@inlined
def end_block(state: npt.NDArray[np.int64], blocks: npt.NDArray[np.int32], text: Bytes) -> None:
    """Close the block that is open, if one is; white space at its end goes, and a block of nothing else."""
    begin = state[_BEGIN]
    if begin >= 0:
        out = state[_OUT]
        while out > begin and text[out - 1] <= 32:
            out -= 1
        state[_OUT] = out
        if out > begin:
            blocks[state[_BLOCKS], _STOP] = out
            state[_BLOCKS] += 1
        state[_BEGIN] = -1
    state[_SPACE] = 0
