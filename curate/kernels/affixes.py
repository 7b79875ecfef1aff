"""Marks at the edges and in the middle of a chunk without white space: how many bytes come off, what is an address.

The rules are those of spaCy's English tokenizer; classes of code points stand for its lists of letters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import loop
from curate.kernels.groups import Hashes
from curate.kernels.specials import is_unit
from curate.kernels.unicode import CURRENCY, DIGIT, EDGE, LETTER, LOWER, PICTOGRAPH, QUOTE, UPPER, decode
from curate.text import Bytes

Classes = npt.NDArray[np.uint16]

DOT, PLUS, MINUS, PERCENT, LOW_LINE = ord("."), ord("+"), ord("-"), ord("%"), ord("_")
SCHEME_MARKS = (LOW_LINE, PLUS, MINUS, DOT)
EN_DASH, EM_DASH, ELLIPSIS, APOSTROPHE, CURLY_APOSTROPHE = 0x2013, 0x2014, 0x2026, ord("'"), 0x2019


@loop
def prefix_length(data: Bytes, lo: int, hi: int, classes: Classes) -> int:
    """How many bytes of punctuation come off the front of a chunk: one character, or a run of full stops; 0 for none."""
    code, after = decode(data, lo, hi)
    group = classes[code]
    if group & (LETTER | DIGIT):
        dollar = after < hi and data[after] == ord("$")
        return after + 1 - lo if dollar and (code == ord("C") or code == ord("A")) else 0
    if code == DOT:
        while after < hi and data[after] == DOT:
            after += 1
        return after - lo if after - lo > 1 else 0
    if code == PLUS:
        return 0 if after < hi and classes[decode(data, after, hi)[0]] & DIGIT else 1
    known = code in (PERCENT, ord("="), 0xA7, EN_DASH, EM_DASH)
    return after - lo if known or group & (EDGE | CURRENCY) else 0


@loop
def previous(data: Bytes, lo: int, hi: int) -> int:
    """Where the character that ends at `hi` starts, but not before `lo`; `lo < hi`."""
    i = hi - 1
    while i > lo and data[i] & 0xC0 == 0x80:
        i -= 1
    return i


@loop
def suffix_length(data: Bytes, lo: int, hi: int, classes: Classes, special: Hashes) -> int:
    """How many bytes come off the end of a chunk: a punctuation mark, a run of full stops, 's, a unit; 0 for none."""
    at = previous(data, lo, hi)
    code = decode(data, at, hi)[0]
    group = classes[code]
    if code == DOT:
        return _full_stop(data, lo, at, classes)
    if group & EDGE or code in (EN_DASH, EM_DASH):
        return hi - at
    if at == lo:
        return 0
    before = previous(data, lo, at)
    last = decode(data, before, at)[0]
    if code == ord("s") or code == ord("S"):
        return hi - before if last in (APOSTROPHE, CURLY_APOSTROPHE) else 0
    digit = ord("0") <= last <= ord("9")
    if code in (PLUS, PERCENT) or group & CURRENCY:
        return hi - at if digit else 0
    if group & LETTER or code == 0xB2 or code == 0xB3:
        return _unit(data, lo, hi, special)
    return 0


@loop
def _full_stop(data: Bytes, lo: int, at: int, classes: Classes) -> int:
    """The suffix of a chunk that ends in a full stop at `at`: a run of them, or one that ends no abbreviation."""
    run = at
    while run > lo and data[run - 1] == DOT:
        run -= 1
    if run < at:
        return at + 1 - run
    if at == lo:
        return 0
    before = previous(data, lo, at)
    code = decode(data, before, at)[0]
    group = classes[code]
    if ord("0") <= code <= ord("9") or (group & LETTER and not group & UPPER) or group & (EDGE | QUOTE):
        return 1
    if code in (PERCENT, PLUS, MINUS, 0xB2, ord("|")):
        return 1
    if before == lo or not group & LETTER:
        return 0
    # two capitals: an acronym's own full stop would follow each of them
    second = classes[decode(data, previous(data, lo, before), before)[0]]
    return 1 if second & LETTER and not second & LOWER else 0


@loop
def _unit(data: Bytes, lo: int, hi: int, special: Hashes) -> int:
    """The length of a unit of measure that follows a digit and ends the chunk; 0 for none."""
    for i in range(hi - 1, max(lo, hi - 6) - 1, -1):
        if ord("0") <= data[i] <= ord("9"):
            return hi - i - 1 if is_unit(data, i + 1, hi, special) else 0
    return 0


@loop
def infix_length(data: Bytes, i: int, hi: int, code: int, after: int, group: int, digit: bool, classes: Classes) -> int:
    """How many bytes from `i` are a mark that parts two words; `group` and `digit` are of the character before."""
    if code == ELLIPSIS or classes[code] & PICTOGRAPH:
        return after - i
    if after >= hi:
        return 0
    following = decode(data, after, hi)[0]
    next_group = classes[following]
    letter = (group & LETTER) != 0
    if code == DOT:
        if following == DOT:
            while after < hi and data[after] == DOT:
                after += 1
            return after - i
        lower = (letter and not group & UPPER) or group & QUOTE
        upper = (next_group & LETTER and not next_group & LOWER) or next_group & QUOTE
        return 1 if lower and upper else 0
    countable = following == MINUS or ord("0") <= following <= ord("9")
    if digit and countable and code in (PLUS, MINUS, ord("*"), ord("^")):
        return 1
    if code == ord(","):
        return 1 if letter and next_group & LETTER else 0
    if not (letter or digit):
        return 0
    if code in (ord(":"), ord("/"), ord("="), ord("<"), ord(">")):
        return 1 if next_group & LETTER else 0
    if code in (MINUS, EN_DASH, EM_DASH, ord("~")):
        most = 3 if code == MINUS else 2 if code == EM_DASH else 1
        for _ in range(most):
            if next_group & LETTER:
                return after - i
            if following != code or after >= hi:
                return 0
            after = decode(data, after, hi)[1]
            if after >= hi:
                return 0
            following = decode(data, after, hi)[0]
            next_group = classes[following]
    return 0


@loop
def is_address(data: Bytes, lo: int, hi: int, classes: Classes) -> bool:
    """Whether the chunk is a URL, an e-mail address or a host or file name such as `www.example.org/a-b`."""
    i = lo
    while i < hi and (data[i] >= 0x80 or classes[data[i]] & (LETTER | DIGIT) or data[i] in SCHEME_MARKS):
        i += 1
    scheme = i - lo >= 2 and i + 2 < hi and data[i] == ord(":") and data[i + 1] == 0x2F and data[i + 2] == 0x2F
    if scheme and _is_host(data, i + 3, hi, classes):
        return True
    if _is_host(data, lo, hi, classes):
        return True
    for at in range(lo + 1, hi):  # noqa: SIM110 (numba knows no generators here)
        if data[at] == ord("@") and _is_host(data, at + 1, hi, classes):
            return True
    return False


@loop
def _is_host(data: Bytes, lo: int, hi: int, classes: Classes) -> bool:
    """Labels with full stops between, the last of two lower-case letters or more; then a port, a path, or nothing."""
    i, label, dots = lo, lo, 0
    small = True  # whether the label in hand is of lower-case letters alone
    while i < hi:
        code, after = decode(data, i, hi)
        group = classes[code]
        if code == DOT:
            edge = data[i - 1] if i > lo else MINUS
            if i == label or edge in (MINUS, LOW_LINE) or data[label] in (MINUS, LOW_LINE):
                return False
            label, dots, small = after, dots + 1, True
        elif group & (LETTER | DIGIT) or code == MINUS or code == ord("_") or code > 0xA1:
            small = small and group & LETTER != 0 and not group & UPPER
        else:
            break
        i = after
    if dots == 0 or not small or i - label < 2 or i - label > 63:
        return False
    if i < hi and data[i] == ord(":"):
        port = i + 1
        while port < hi and ord("0") <= data[port] <= ord("9"):
            port += 1
        if not 3 <= port - i <= 6:
            return False
        i = port
    return i == hi or data[i] in (ord("/"), ord("?"), ord("#"))
