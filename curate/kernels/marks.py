"""ASCII as the finders of personal data see it: classes of bytes, runs of them, what may stand beside a number."""

from __future__ import annotations

import numpy as np

from curate.kernels import inlined, loop
from curate.text import Bytes


@inlined
def is_digit(byte: int) -> bool:
    """0 to 9."""
    return (byte >= 48) & (byte <= 57)


@inlined
def is_upper(byte: int) -> bool:
    """A to Z."""
    return (byte >= 65) & (byte <= 90)


@inlined
def is_letter(byte: int) -> bool:
    """A to Z in either case."""
    return ((byte | 32) >= 97) & ((byte | 32) <= 122)


@inlined
def is_alnum(byte: int) -> bool:
    """A letter or digit of ASCII."""
    return is_digit(byte) or is_letter(byte)


@inlined
def is_wordy(byte: int) -> bool:
    """A letter or digit of ASCII, or an underscore."""
    return is_alnum(byte) or byte == 95


@loop
def digits_end(data: Bytes, i: int, hi: int) -> int:
    """Where the run of digits from `i` ends."""
    while i < hi and is_digit(data[i]):
        i += 1
    return i


@loop
def letters_before(data: Bytes, lo: int, i: int, most: int) -> int:
    """How many letters of ASCII stand before `i`, counted to `most`."""
    count = 0
    while count < most and i - count > lo and is_letter(data[i - count - 1]):
        count += 1
    return count


@loop
def is_free_left(data: Bytes, lo: int, i: int) -> bool:
    """Whether a number may begin at `i`: not in a word or path, nor behind a digit and one of - . /"""
    if i == lo:
        return True
    before = data[i - 1]
    if is_wordy(before) or before == ord("/") or before == ord("\\") or before == ord("$"):
        return False
    joined = before == ord("-") or before == ord(".")
    return not (joined and i - 2 >= lo and is_alnum(data[i - 2]))


@loop
def is_free_right(data: Bytes, i: int, hi: int) -> bool:
    """Whether a number may end before `i`: not in a word, nor before one of - . and a digit."""
    if i >= hi:
        return True
    after = data[i]
    if is_wordy(after):
        return False
    joined = after in (ord("-"), ord("."))
    return not (joined and i + 1 < hi and is_digit(data[i + 1]))


@loop
def number_at(data: Bytes, i: int, stop: int) -> int:
    """The digits of `data[i:stop]`, at most 18, as a number; other bytes are passed over."""
    value = np.int64(0)
    while i < stop:
        if is_digit(data[i]):
            value = value * 10 + (np.int64(data[i]) - 48)
        i += 1
    return value
