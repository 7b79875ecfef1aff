"""Telephone numbers: by their shape where that is unmistakable, otherwise beside a word such as `phone` or `fax`."""

from __future__ import annotations

from curate.kernels import inlined, loop
from curate.kernels.digit_groups import BLANK, CLOSED, HYPHEN, SLASH, STOP, Groups, end_of, gap_of, size_of
from curate.kernels.marks import digits_end, is_digit, is_free_left, is_free_right
from curate.kernels.nearby import AFTER, PHONE_WORDS, PHONE_WORDS_AFTER, Words, is_near, is_told
from curate.text import Bytes

# E.164: the digits of an international number with its country code.
MOST_DIGITS = 15


@loop
def phone_at(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> tuple[int, int]:
    """The telephone number whose first digit is at `i`: (start, stop), or (0, 0).

    International with + or 00; North American 3-3-4; national with a 0 in front and 9 to 11 digits. Any other 7 to 12
    digits only where a word says so. Numbers of 0 and 1 alone are binary.
    """
    plus = i > lo and data[i - 1] == ord("+")
    inside = i > lo and data[i - 1] == ord("(")
    # of (905) 674-3793 the bracket is a part, of (905-674-3793) it is not
    opened = inside and gap_of(groups, 0) == CLOSED
    start = i - (plus or opened)
    if groups.total < 7 or not is_free_left(data, lo, i - (plus or inside)):
        return 0, 0
    if plus:
        stop = _international(data, i, hi, groups)
        return (start, stop) if stop else (0, 0)
    in_row = i - 2 >= lo and data[i - 1] == ord(" ") and is_digit(data[i - 2])
    if data[i] == ord("0") and i + 1 < hi and data[i + 1] == ord("0"):
        stop = 0 if in_row else _prefixed(data, i, hi, groups)
    else:
        stop = _north_american(data, lo, i, hi, groups, near)
        if stop == 0 and data[i] == ord("0") and not in_row:
            stop = _national(data, i, hi, groups, opened)
    if stop == 0:
        stop = _told(data, lo, i, hi, groups, near, opened)
    return (start, stop) if stop and not _is_binary(data, i, stop) else (0, 0)


@loop
def _is_binary(data: Bytes, i: int, stop: int) -> bool:
    for at in range(i, stop):  # noqa: SIM110
        if ord("2") <= data[at] <= ord("9"):
            return False
    return True


@inlined
def _ended(data: Bytes, stop: int, hi: int) -> int:
    return stop if is_free_right(data, stop, hi) else 0


@loop
def _international(data: Bytes, i: int, hi: int, groups: Groups) -> int:
    """Where the number behind a + ends, or 0: 8 to 15 digits, 10 or more if nothing parts them."""
    if data[i] == ord("0"):
        return 0
    if data[i] == ord("1") and size_of(groups, 0) == 1 and _is_3_3_4(groups, 1):
        return _ended(data, _extended(data, i + end_of(groups, 3), hi), hi)
    total, best = 0, 0
    for k in range(groups.count):
        total += size_of(groups, k)
        alone = k > 1 and size_of(groups, k) == 1 and gap_of(groups, k - 1) < CLOSED
        if total > MOST_DIGITS or alone:
            break
        enough = total >= 10 if k == 0 else total >= 8
        if enough and is_free_right(data, i + end_of(groups, k), hi):
            best = i + end_of(groups, k)
    return best


@loop
def _prefixed(data: Bytes, i: int, hi: int, groups: Groups) -> int:
    """Where the number that begins with 00 and a country code ends, or 0: 11 to 15 digits in three groups or more."""
    total = 0
    if size_of(groups, 0) < 3 or size_of(groups, 0) > 5 or data[i + 2] == ord("0"):
        return 0
    for k in range(groups.count):
        total += size_of(groups, k)
        last = k + 1 == groups.count or total + size_of(groups, k + 1) > MOST_DIGITS
        if last and k >= 2 and 11 <= total <= MOST_DIGITS:
            return _ended(data, _extended(data, i + end_of(groups, k), hi), hi)
    return 0


@inlined
def _is_3_3_4(groups: Groups, k: int) -> bool:
    return size_of(groups, k) == 3 and size_of(groups, k + 1) == 3 and size_of(groups, k + 2) == 4


@loop
def _north_american(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> int:
    """Where (NXX) NXX-XXXX ends, a 1 before it or not, or 0; with blanks alone only beside a word."""
    k = 1 if size_of(groups, 0) == 1 and data[i] == ord("1") else 0
    if not _is_3_3_4(groups, k):
        return 0
    first, second = gap_of(groups, k), gap_of(groups, k + 1)
    area = i if k == 0 else i + end_of(groups, 1) - 3
    if data[area] < ord("2") or first == SLASH or second in (SLASH, CLOSED):
        return 0
    if first != CLOSED and first != second:
        return 0
    stop = _ended(data, _extended(data, i + end_of(groups, k + 2), hi), hi)
    blank = first == BLANK and second == BLANK
    return 0 if blank and not _is_named(data, lo, i, stop, hi, near) else stop


@loop
def _extended(data: Bytes, stop: int, hi: int) -> int:
    """Where the extension behind `stop` ends: x123, ext. 123; `stop` if there is none."""
    i = stop
    if i < hi and data[i] == ord(" "):
        i += 1
    if i + 2 < hi and (data[i] | 32) == ord("e") and (data[i + 1] | 32) == ord("x") and (data[i + 2] | 32) == ord("t"):
        i += 3
        if i < hi and data[i] == ord("."):
            i += 1
        if i < hi and data[i] == ord(" "):
            i += 1
    elif i < hi and (data[i] | 32) == ord("x"):
        i += 1
    else:
        return stop
    end = digits_end(data, i, min(hi, i + 6))
    return end if end > i else stop


@loop
def _national(data: Bytes, i: int, hi: int, groups: Groups, opened: bool) -> int:
    """Where the number with a 0 in front ends, or 0: 9 to 11 digits, three groups or an area code marked as such."""
    size = size_of(groups, 0)
    if size < 2 or size > 5:
        return 0
    total, best, at = size, 0, i
    for k in range(1, groups.count):
        at = i + end_of(groups, k) - size_of(groups, k)
        total += size_of(groups, k)
        first, gap = gap_of(groups, 0), gap_of(groups, k - 1)
        strange = k > 1 and (gap != gap_of(groups, 1) or (gap != first and first in (BLANK, STOP)))
        if size_of(groups, k) < 2 or strange or _is_year(data, at, size_of(groups, k)) or total > 11:
            # a row of numbers, not one that ends here
            best = 0 if gap == gap_of(groups, 1) else best
            break
        marked = opened or ((gap_of(groups, 0) == HYPHEN or gap_of(groups, 0) == SLASH) and size_of(groups, 1) >= 5)
        if total >= 9 and (k >= 2 or marked) and is_free_right(data, i + end_of(groups, k), hi):
            best = i + end_of(groups, k)
    return best


@inlined
def _is_year(data: Bytes, i: int, size: int) -> bool:
    """Whether the group at `i` is a year from 1900 to 2099."""
    century = (data[i] - 48) * 10 + (data[i + 1] - 48) if size == 4 else 0
    return century == 19 or century == 20


@loop
def _told(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words, opened: bool) -> int:
    """Where the number of 7 to 12 digits ends that a word names, or 0; a date or a year is none."""
    total, best = 0, 0
    for k in range(groups.count):
        at = i + end_of(groups, k) - size_of(groups, k)
        total += size_of(groups, k)
        if size_of(groups, k) < 2 or _is_year(data, at, size_of(groups, k)) or total > 12:
            break
        if total >= 7 and is_free_right(data, i + end_of(groups, k), hi):
            best = i + end_of(groups, k)
    return best if best and _is_named(data, lo, i, best, hi, near) else 0


@loop
def _is_named(data: Bytes, lo: int, i: int, stop: int, hi: int, near: Words) -> bool:
    """Whether a word for telephones stands before the number, or right behind it."""
    if stop == 0:
        return False
    return is_told(data, lo, i, near, PHONE_WORDS) or is_near(
        data, stop, min(hi, stop + AFTER), near, PHONE_WORDS_AFTER
    )
