"""E-mail addresses, IP addresses of the public internet, and user names with passwords in URLs."""

from __future__ import annotations

from curate.kernels import inlined, loop
from curate.kernels.marks import digits_end, is_alnum, is_digit, is_letter, is_wordy
from curate.kernels.nearby import IP_WORDS, VERSION_WORDS, Words, is_near, is_told
from curate.text import Bytes

# No address is longer (RFC 5321, 4.5.3.1).
LOCAL, DOMAIN, LABEL = 64, 253, 63


@inlined
def _is_local(byte: int) -> bool:
    return (
        is_alnum(byte)
        or byte == ord(".")
        or byte == ord("_")
        or byte == ord("%")
        or byte == ord("+")
        or (byte == ord("-"))
    )


@inlined
def _is_pair(data: Bytes, i: int, hi: int) -> bool:
    """Whether a letter of two bytes stands at `i`: Latin, Greek and Cyrillic (U+00C0 to U+053F)."""
    return i + 1 < hi and 0xC3 <= data[i] <= 0xD4 and 0x80 <= data[i + 1] <= 0xBF


@loop
def email_at(data: Bytes, lo: int, at: int, hi: int) -> tuple[int, int]:
    """The e-mail address around the @ at `at`: (start, stop), or (0, 0).

    The local part has letters, digits and . _ % + - and begins with a letter, digit or underscore; the domain has two
    labels or more, the last of them letters alone. `git@` is no person, and .png and the like is no domain.
    """
    start = at
    while start > lo and at - start < LOCAL:
        if _is_local(data[start - 1]):
            start -= 1
        elif start - 2 >= lo and _is_pair(data, start - 2, start):
            start -= 2
        else:
            break
    while start < at and not (is_wordy(data[start]) or data[start] >= 0x80):
        start += 1
    if start == at or data[at - 1] == ord("."):
        return 0, 0
    if at - start == 3 and data[start] == ord("g") and data[start + 1] == ord("i") and data[start + 2] == ord("t"):
        return 0, 0
    stop = _domain_end(data, at + 1, min(hi, at + 1 + DOMAIN))
    return (start, stop) if stop else (0, 0)


@loop
def _domain_end(data: Bytes, i: int, hi: int) -> int:
    """Where the domain from `i` ends, 0 if there is none: at the last label that may be a top-level domain."""
    stop, labels = 0, 0
    while i < hi:
        first = i
        plain = True  # letters alone
        while i < hi:
            if is_alnum(data[i]) or data[i] == ord("-"):
                plain &= is_letter(data[i])
                i += 1
            elif _is_pair(data, i, hi):
                i += 2
            else:
                break
        size = i - first
        if size == 0 or size > LABEL or data[first] == ord("-") or data[i - 1] == ord("-"):
            break
        labels += 1
        punycode = size > 4 and data[first] == ord("x") and data[first + 1] == ord("n") and data[first + 2] == ord("-")
        if labels >= 2 and size >= 2 and (plain or punycode) and not _is_file(data, first, size):
            stop = i
        if i >= hi or data[i] != ord("."):
            break
        i += 1
    return stop


@loop
def _is_file(data: Bytes, i: int, size: int) -> bool:
    """Whether a label is the suffix of an image or a script and no domain: icon@2x.png, jquery@latest.js."""
    if size < 2 or size > 4:
        return False
    code = 0
    for k in range(size):
        code = code << 8 | (data[i + k] | 32)
    return (
        code == 0x706E67  # png
        or code == 0x6A7067  # jpg
        or code == 0x6A706567  # jpeg
        or code == 0x676966  # gif
        or code == 0x737667  # svg
        or code == 0x77656270  # webp
        or code == 0x637373  # css
        or code == 0x6A73  # js
        or code == 0x68746D6C  # html
        or code == 0x706870  # php
    )


@loop
def ipv4_at(data: Bytes, lo: int, i: int, hi: int, near: Words) -> tuple[int, int]:
    """The public IPv4 address from the digit at `i`: (start, stop), or (0, 0).

    A number behind `version` is none; four numbers below 100 may be those of a section and need a word such as `host`.
    """
    if i > lo and (is_wordy(data[i - 1]) or data[i - 1] == ord(".") or data[i - 1] == ord("-")):
        return 0, 0
    value, at, largest = 0, i, 0
    for part in range(4):
        end = digits_end(data, at, min(hi, at + 4))
        if end == at or end - at > 3 or (end - at > 1 and data[at] == ord("0")):
            return 0, 0
        number = 0
        while at < end:
            number = number * 10 + (data[at] - 48)
            at += 1
        if number > 255:
            return 0, 0
        value = value << 8 | number
        largest = max(largest, number)
        if part < 3:
            if at >= hi or data[at] != ord("."):
                return 0, 0
            at += 1
    joined = at + 1 < hi and (data[at] == ord(".") or data[at] == ord("-")) and is_alnum(data[at + 1])
    if joined or (at < hi and is_wordy(data[at])) or not is_public_ipv4(value):
        return 0, 0
    if is_near(data, max(lo, i - 10), i, near, VERSION_WORDS):
        return 0, 0
    return (i, at) if largest >= 100 or is_told(data, lo, i, near, IP_WORDS) else (0, 0)


@loop
def is_public_ipv4(value: int) -> bool:
    """Whether the address is none of the special ones of the IANA registry (RFC 6890), nor multicast."""
    first, second, third = value >> 24, value >> 16 & 255, value >> 8 & 255
    if first == 0 or first == 10 or first == 127 or first >= 224:
        return False
    if first == 100:
        return second < 64 or second > 127
    if first == 169:
        return second != 254
    if first == 172:
        return second < 16 or second > 31
    if first == 192:
        return not (second == 168 or (second == 0 and (third == 0 or third == 2)))
    if first == 198:
        return not (second == 18 or second == 19 or (second == 51 and third == 100))
    return not (first == 203 and second == 0 and third == 113)


@inlined
def _hex(byte: int) -> int:
    """The value of a hexadecimal digit, or -1."""
    if is_digit(byte):
        return byte - 48
    low = byte | 32
    return low - 87 if 97 <= low <= 102 else -1


@loop
def ipv6_at(data: Bytes, lo: int, at: int, hi: int) -> tuple[int, int]:
    """The public IPv6 address whose first colon is at `at`: (start, stop), or (0, 0).

    In full, or shortened by :: to three groups or more and then of 2000::/3, the range given out so far: `std::vector`
    and 12::30 are none. Eight pairs of digits are a hardware address. A tail in dotted decimals is not read.
    """
    start = at
    while start > lo and at - start < 4 and _hex(data[start - 1]) >= 0:
        start -= 1
    if start > lo and (is_wordy(data[start - 1]) or data[start - 1] == ord(":") or data[start - 1] == ord(".")):
        return 0, 0
    if start == at:
        return 0, 0
    groups, gap, longest = 0, False, 0
    first, second = 0, 0
    i = start
    while True:
        value, size = 0, 0
        while i < hi and size < 5 and _hex(data[i]) >= 0:
            value = value << 4 | _hex(data[i])
            i, size = i + 1, size + 1
        if size > 4:
            return 0, 0
        if size == 0:  # behind ::
            break
        groups += 1
        longest = max(longest, size)
        if groups == 1:
            first = value
        elif groups == 2 and not gap:
            second = value
        if i + 1 < hi and data[i] == ord(":") and _hex(data[i + 1]) >= 0:
            i += 1
        elif i + 1 < hi and data[i] == ord(":") and data[i + 1] == ord(":") and not gap:
            gap = True
            i += 2
        else:
            break
    if i < hi and is_wordy(data[i]):
        return 0, 0
    if i + 1 < hi and data[i] == ord(":") and (data[i + 1] == ord(":") or is_alnum(data[i + 1])):
        return 0, 0
    if not (groups == 8 and not gap and longest > 2) and not (gap and 2 < groups < 8 and first >> 13 == 1):
        return 0, 0
    return (start, i) if _is_public_ipv6(first, second) else (0, 0)


@loop
def _is_public_ipv6(first: int, second: int) -> bool:
    """Whether an address that begins with these 32 bits is global: not local, multicast, documentation or a test."""
    if first >= 0xFC00 or first < 0x200 or (first == 0x2001 and second == 0xDB8) or first == 0x3FFF:
        return False
    return not ((first == 0x2001 and second < 0x200) or first == 0x2002)


@loop
def credentials_at(data: Bytes, lo: int, at: int, hi: int) -> tuple[int, int]:
    """`user:password` of the URL whose :// is at `at`: (start, stop), or (0, 0). Placeholders in brackets are none."""
    if at + 3 >= hi or data[at + 1] != ord("/") or data[at + 2] != ord("/") or at == lo or not is_alnum(data[at - 1]):
        return 0, 0
    start = at + 3
    i, colon, stop = start, 0, 0
    while i < hi and i - start < 256 and _is_userinfo(data[i]):
        if data[i] == ord(":") and not colon:
            colon = i
        elif data[i] == ord("@"):
            stop = i
        i += 1
    named = colon > start and stop > colon + 1
    return (start, stop) if named and stop + 1 < hi and is_alnum(data[stop + 1]) else (0, 0)


@inlined
def _is_userinfo(byte: int) -> bool:
    r"""Printable ASCII but / ? # quotes and < > { } [ ] ( ) \ ` | ^"""
    if byte <= 0x22 or byte >= 0x7B:
        return byte == ord("!") or byte == ord("~")
    return not (
        byte == ord("/") or byte == ord("?") or byte == ord("#") or byte == ord("'") or byte == ord("<")
        or byte == ord(">") or byte == ord("[") or byte == ord("]") or byte == ord("(") or byte == ord(")")
        or byte == ord("\\") or byte == ord("`") or byte == ord("^")
    )  # fmt: skip
