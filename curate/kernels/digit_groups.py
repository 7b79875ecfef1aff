"""Groups of digits with one separator between two: what telephone, card and identity numbers are made of."""

from __future__ import annotations

from typing import NamedTuple

from curate.kernels import inlined, loop
from curate.kernels.marks import digits_end, is_digit
from curate.text import Bytes

# What may stand between two groups. A closing bracket may have a blank or hyphen behind it, an opening one before it.
BLANK, HYPHEN, STOP, SLASH, CLOSED, OPEN = 1, 2, 3, 4, 5, 6
# A group has at most 31 digits; of a number at most so many groups are read.
MOST_GROUPS = 7


class Groups(NamedTuple):
    """The groups of a number, group k at bits 5k of `sizes`, its end at bits 8k of `ends`, what follows at 3k of `gaps`."""

    count: int
    sizes: int  # digits
    gaps: int
    ends: int  # bytes from the first digit
    total: int  # digits


@inlined
def size_of(groups: Groups, k: int) -> int:
    """The digits of group k; 0 behind the last."""
    return groups.sizes >> 5 * k & 31


@inlined
def gap_of(groups: Groups, k: int) -> int:
    """What stands behind group k, 0 if it is the last."""
    return groups.gaps >> 3 * k & 7


@inlined
def end_of(groups: Groups, k: int) -> int:
    """Where group k ends, in bytes from the first digit."""
    return groups.ends >> 8 * k & 255


@loop
def groups_at(data: Bytes, lo: int, i: int, hi: int) -> Groups:
    """The groups from the digit at `i` on: as many as have at most 19 digits together, a separator between two."""
    at, gap, count, sizes, gaps, ends, total = i, 0, 0, 0, 0, 0, 0
    opened = i > lo and (data[i - 1] == ord("(") or data[i - 1] == ord("+"))
    while count < MOST_GROUPS:
        end = digits_end(data, at, min(hi, at + 20))
        size = end - at
        if size == 0 or total + size > 19:
            break
        if count:
            gaps |= gap << 3 * (count - 1)
        sizes |= size << 5 * count
        ends |= (end - i) << 8 * count
        count, total = count + 1, total + size
        gap, at = _gap(data, end, hi, opened)
        if gap == 0:
            break
        opened = gap == OPEN
    return Groups(count, sizes, gaps, ends, total)


@loop
def _gap(data: Bytes, i: int, hi: int, opened: bool) -> tuple[int, int]:
    """(the separator at `i` that a digit follows, where the digit is), or (0, i)."""
    if i + 1 >= hi:
        return 0, i
    byte, kind, at = data[i], 0, i + 1
    if byte == ord(" "):
        kind = BLANK
    elif byte == ord("-"):
        kind = HYPHEN
    elif byte == ord("."):
        kind = STOP
    elif byte == ord("/"):
        kind = SLASH
    elif byte == ord(")") and opened:
        kind = CLOSED
        at += data[at] == ord(" ") or data[at] == ord("-")
    elif byte == ord("("):
        kind = OPEN
    elif byte == 0xC2 and data[at] == 0xA0:  # a space that keeps lines together
        kind, at = BLANK, at + 1
    if (kind in (BLANK, HYPHEN)) and at < hi and data[at] == ord("("):
        kind, at = OPEN, at + 1
    if kind == OPEN:
        end = digits_end(data, at, min(hi, at + 6))
        return (kind, at) if end > at and end < hi and data[end] == ord(")") else (0, i)
    return (kind, at) if kind and at < hi and is_digit(data[at]) else (0, i)
