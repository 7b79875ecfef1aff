"""Addresses in canonical form (RFC 3986, section 6; white space and backslashes as in the WHATWG URL standard).

Scheme and host in lower case, no default port, no user, no fragment but `#!`; percent-encoding of what needs it and of
nothing else, in capitals; no dot segments, no session ids, no tracking parameters; parameters in order of their bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.keys import START, Hashes, KeyTable, Values, key_of, look_up, step
from curate.text import Bytes, Offsets

Integers = npt.NDArray[np.int32]

# Bits of the options of `canonical_urls`.
STRIP_WWW, KEEP_SLASH = 1, 2
# What the table of tracking parameters says of a name: it is one, or all that begin with it are.
EXACT, PREFIX = 1, 2

_UNRESERVED, _PATH, _QUERY, _SCHEME = 1, 2, 4, 8
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KINDS = np.zeros(256, np.uint8)
_KINDS[list(_LETTERS + b"0123456789-._~")] = _UNRESERVED | _PATH | _QUERY
_KINDS[list(b"!$&'()*+,;=:@/")] = _PATH | _QUERY
_KINDS[list(b"?")] |= _QUERY
_KINDS[list(_LETTERS + b"0123456789+-.")] |= _SCHEME
_HEX = np.frombuffer(b"0123456789ABCDEF", np.uint8)
_SESSION = np.frombuffer(b";jsessionid=", np.uint8)
# (scheme, its port): a blank behind each
_PORTS = np.frombuffer(b"http 80 https 443 ws 80 wss 443 ftp 21 ", np.uint8)


class Canonical(NamedTuple):
    """n addresses: their bytes and offsets, and where in these bytes the host of each begins and ends."""

    data: Bytes
    offsets: Offsets
    host_start: Integers
    host_stop: Integers
    odd: npt.NDArray[np.bool_]  # the host has other characters than ASCII, or is percent-encoded


def canonical_urls(data: Bytes, offsets: Offsets, tracked: KeyTable, options: int) -> Canonical:
    """n addresses in canonical form; those of other than hierarchical schemes (`mailto:`) keep what is behind it."""
    count, longest = len(offsets) - 1, int(np.diff(offsets).max(initial=0))
    # a byte becomes three at most, a host alone gets a slash
    out = np.empty(3 * int(offsets[-1] - offsets[0]) + 4 * count + 16, np.uint8)
    ends = np.zeros(len(offsets), np.int32)
    start, stop, odd = np.zeros(count, np.int32), np.zeros(count, np.int32), np.zeros(count, np.bool_)
    clean, scratch, spans = (
        np.empty(longest, np.uint8), np.empty(3 * longest + 16, np.uint8), np.empty(2 * longest + 4, np.int32)
    )  # fmt: skip
    size = _all(data, offsets, *tracked, options, clean, scratch, spans, out, ends, start, stop, odd)
    return Canonical(out[:size], ends, start, stop, odd)


@entry
def _all(
    data: Bytes,
    offsets: Offsets,
    keys: Hashes,
    values: Values,
    options: int,
    clean: Bytes,
    scratch: Bytes,
    spans: Integers,
    out: Bytes,
    ends: Integers,
    start: Integers,
    stop: Integers,
    odd: npt.NDArray[np.bool_],
) -> int:
    size = 0
    for i in range(len(start)):
        length = _cleaned(data, np.int64(offsets[i]), np.int64(offsets[i + 1]), clean)
        start[i] = stop[i] = size
        size, at, has_host = _scheme(clean, length, out, size)
        if at >= 0:
            begin = np.int64(ends[i])
            bare = has_host and size == begin
            if has_host:
                size, at, lo, hi = _authority(clean, at, length, options, out, size, begin)
                start[i], stop[i] = lo, hi
                for k in range(lo, hi):
                    odd[i] |= (out[k] >= 0x80) | (out[k] == ord("%"))
            size, at = _path(clean, at, length, options, out, size, has_host and not (bare and start[i] == stop[i]))
            size, at = _query(clean, at, length, keys, values, scratch, spans, out, size)
            if at + 1 < length and clean[at] == ord("#") and clean[at + 1] == ord("!"):
                out[size], out[size + 1] = ord("#"), ord("!")
                size = _encoded(clean, at + 2, length, _QUERY, out, size + 2)
        ends[i + 1] = size
    return size


@loop
def _cleaned(data: Bytes, lo: int, hi: int, clean: Bytes) -> int:
    """The address without blanks at its ends, and without tabs and line ends; its length."""
    while lo < hi and data[lo] <= 32:
        lo += 1
    while lo < hi and data[hi - 1] <= 32:
        hi -= 1
    size = 0
    for i in range(lo, hi):
        if data[i] not in (9, 10, 13):
            clean[size] = data[i]
            size += 1
    return size


@loop
def _scheme(clean: Bytes, length: int, out: Bytes, size: int) -> tuple[int, int, bool]:
    """Write the scheme; (the new size, where the rest starts or -1 if it was written too, whether a host comes first)."""
    colon, dotted = 0, False
    while colon < length and _KINDS[clean[colon]] & _SCHEME:
        dotted |= clean[colon] == ord(".")
        colon += 1
    letter = length > 0 and ord("a") <= clean[0] | 32 <= ord("z")
    slashes = colon + 2 < length and clean[colon + 1] == ord("/") and clean[colon + 2] == ord("/")
    if letter and colon < length and clean[colon] == ord(":") and not (dotted and _only_port(clean, colon + 1, length)):
        size = _lowered(clean, 0, colon + 1, out, size)
        for i in range(colon + 1, colon + 3 if slashes else length):
            out[size] = clean[i]
            size += 1
        return size, colon + 3 if slashes else -1, slashes
    if length > 1 and clean[0] == ord("/") and clean[1] == ord("/"):
        out[size] = out[size + 1] = ord("/")
        return size + 2, 2, True
    return size, 0, length > 0 and not _ends_host(clean[0])


@inlined
def _ends_host(byte: int) -> bool:
    return byte == ord("/") or byte == ord("?") or byte == ord("#") or byte == ord("\\")


@loop
def _only_port(clean: Bytes, i: int, length: int) -> bool:
    """Whether digits stand at `i` and then the host's end: `example.org:80/` has no scheme."""
    begin = i
    while i < length and ord("0") <= clean[i] <= ord("9"):
        i += 1
    return i > begin and (i == length or _ends_host(clean[i]))


@loop
def _lowered(clean: Bytes, lo: int, hi: int, out: Bytes, size: int) -> int:
    for i in range(lo, hi):
        byte = clean[i]
        out[size] = byte + 32 if ord("A") <= byte <= ord("Z") else byte
        size += 1
    return size


@loop
def _authority(
    clean: Bytes, at: int, length: int, options: int, out: Bytes, size: int, begin: int
) -> tuple[int, int, int, int]:
    """Write host and port; (the new size, where the path starts, where the host begins and ends in `out`)."""
    end = at
    while end < length and not _ends_host(clean[end]):
        if clean[end] == ord("@"):
            at = end + 1
        end += 1
    behind = end
    if at < end and clean[at] == ord("["):
        while behind > at and clean[behind - 1] != ord("]"):
            behind -= 1
        behind = behind if behind > at else end
    else:
        behind = at
        while behind < end and clean[behind] != ord(":"):
            behind += 1
    last = behind
    while last > at and clean[last - 1] == ord("."):
        last -= 1
    # what is stripped from the start of an address must not stand at the start of its host either
    while at < last and (clean[at] <= 0x20 or (options & STRIP_WWW and _is_www(clean, at, last))):
        at += 1 if clean[at] <= 0x20 else 4
    scheme_end = size
    start = size
    size = _lowered(clean, at, last, out, size)
    stop = size
    digits = behind + 1
    while digits < end - 1 and clean[digits] == ord("0"):
        digits += 1
    if behind < end and not (
        clean[behind] == ord(":") and (digits >= end or _is_default(out, begin, scheme_end - 3, clean, digits, end))
    ):
        out[size] = clean[behind]
        size += 1
        for i in range(digits if _only_port(clean, digits, end) else behind + 1, end):
            out[size] = clean[i]
            size += 1
    return size, end, start, stop


@loop
def _is_www(clean: Bytes, lo: int, hi: int) -> bool:
    """Whether a host begins with `www.`, and a domain of two labels at least follows."""
    if hi - lo < 5 or clean[lo + 3] != ord("."):
        return False
    for i in range(lo, lo + 3):
        if clean[i] | 32 != ord("w"):
            return False
    dots = 0
    for i in range(lo + 4, hi):
        dots += clean[i] == ord(".")
    return dots > 0


@loop
def _is_default(out: Bytes, lo: int, hi: int, clean: Bytes, digits: int, end: int) -> bool:
    """Whether the port `clean[digits:end]` is that of the scheme `out[lo:hi]`."""
    i = 0
    while i < len(_PORTS):
        same, k = True, lo
        while _PORTS[i] != 32:
            same = same and k < hi and out[k] == _PORTS[i]
            k += 1
            i += 1
        same = same and k == hi
        i, k = i + 1, digits
        while _PORTS[i] != 32:
            same = same and k < end and clean[k] == _PORTS[i]
            k += 1
            i += 1
        if same and k == end:
            return True
        i += 1
    return False


@inlined
def _nibble(byte: int) -> int:
    """The value of a hexadecimal digit, -1 for another byte."""
    if ord("0") <= byte <= ord("9"):
        return byte - ord("0")
    byte |= 32
    return byte - ord("a") + 10 if ord("a") <= byte <= ord("f") else -1


@loop
def _encoded(clean: Bytes, lo: int, hi: int, allowed: int, out: Bytes, size: int) -> int:
    """Write `clean[lo:hi]`, percent-encoded where it must be and nowhere else."""
    while lo < hi:
        byte, escaped = np.int64(clean[lo]), False
        if byte == ord("%") and lo + 2 < hi:
            high, low = _nibble(np.int64(clean[lo + 1])), _nibble(np.int64(clean[lo + 2]))
            if high >= 0 and low >= 0:
                byte, escaped = 16 * high + low, True
                lo += 2
        if byte == ord("\\") and not escaped and allowed == _PATH:
            byte = ord("/")
        if _KINDS[byte] & (_UNRESERVED if escaped else allowed):
            out[size] = byte
            size += 1
        else:
            out[size], out[size + 1], out[size + 2] = ord("%"), _HEX[byte >> 4], _HEX[byte & 15]
            size += 3
        lo += 1
    return size


@loop
def _path(clean: Bytes, at: int, length: int, options: int, out: Bytes, size: int, host: bool) -> tuple[int, int]:
    """Write the path; (the new size, where the query starts)."""
    end = at
    while end < length and clean[end] != ord("?") and clean[end] != ord("#"):
        end += 1
    begin = size
    size = _encoded(clean, at, end, _PATH, out, size)
    size = _without_dots(out, begin, _without_session(out, begin, size))
    if not options & KEEP_SLASH:
        while size > begin + 1 and out[size - 1] == ord("/"):
            size -= 1
    if not host:
        # two slashes at the beginning would make a host of what is none
        extra = 0
        while begin + extra + 1 < size and out[begin + extra] == ord("/") and out[begin + extra + 1] == ord("/"):
            extra += 1
        for i in range(begin, size - extra):
            out[i] = out[i + extra]
        size -= extra
    elif size == begin:
        out[size] = ord("/")
        size += 1
    return size, end


@loop
def _without_session(out: Bytes, begin: int, size: int) -> int:
    """The size without `;jsessionid=...` at the end of a path."""
    for i in range(begin, size - len(_SESSION) + 1):
        if out[i] == ord(";"):
            same = True
            for k in range(1, len(_SESSION)):
                same = same and (out[i + k] | 32 if out[i + k] != ord("=") else out[i + k]) == _SESSION[k]
            if same:
                return i
    return size


@loop
def _without_dots(out: Bytes, begin: int, size: int) -> int:
    """The size without the segments `.` and `..` (RFC 3986, section 5.2.4), in place."""
    read = write = begin
    while read < size:
        end = read + 1
        while end < size and out[end] != ord("/"):
            end += 1
        dots = end - read - 1
        if dots in (1, 2) and out[read] == ord("/") and out[read + 1] == ord(".") and out[end - 1] == ord("."):
            if dots == 2:
                while write > begin:
                    write -= 1
                    if out[write] == ord("/"):
                        break
            if end == size:
                out[write] = ord("/")
                write += 1
        else:
            for i in range(read, end):
                out[write] = out[i]
                write += 1
        read = end
    return write


@loop
def _query(
    clean: Bytes,
    at: int,
    length: int,
    keys: Hashes,
    values: Values,
    scratch: Bytes,
    spans: Integers,
    out: Bytes,
    size: int,
) -> tuple[int, int]:
    """Write the parameters that stay, sorted; (the new size, where the fragment starts)."""
    if at >= length or clean[at] != ord("?"):
        return size, at
    count, used = 0, 0
    while at < length and clean[at] != ord("#"):
        at += 1
        begin, end = used, at
        while end < length and clean[end] != ord("&") and clean[end] != ord("#"):
            end += 1
        used = _encoded(clean, at, end, _QUERY, scratch, used)
        if used == begin or _is_tracked(scratch, begin, used, keys, values):
            used = begin
        else:
            spans[2 * count], spans[2 * count + 1] = begin, used
            count += 1
        at = end
    _sort(scratch, spans, count)
    for i in range(count):
        out[size] = ord("&") if i else ord("?")
        size += 1
        for k in range(spans[2 * i], spans[2 * i + 1]):
            out[size] = scratch[k]
            size += 1
    return size, at


@loop
def _is_tracked(text: Bytes, lo: int, hi: int, keys: Hashes, values: Values) -> bool:
    """Whether the name of the parameter is in the table, or begins like one of it."""
    state = START
    for i in range(lo, hi):
        if text[i] == ord("="):
            break
        byte = text[i]
        state = step(state, byte + 32 if ord("A") <= byte <= ord("Z") else byte)
        found = look_up(keys, values, key_of(state))
        if found & PREFIX or (found & EXACT and (i + 1 == hi or text[i + 1] == ord("="))):
            return True
    return False


@loop
def _sort(text: Bytes, spans: Integers, count: int) -> None:
    """Heap sort of the spans by their bytes: equal ones are equal, so it need not be stable."""
    for top in range(count // 2 - 1, -1, -1):
        _sift(text, spans, top, count)
    for last in range(count - 1, 0, -1):
        _swap(spans, 0, last)
        _sift(text, spans, 0, last)


@loop
def _sift(text: Bytes, spans: Integers, top: int, count: int) -> None:
    while 2 * top + 1 < count:
        child = 2 * top + 1
        if child + 1 < count and _less(text, spans, child, child + 1):
            child += 1
        if not _less(text, spans, top, child):
            return
        _swap(spans, top, child)
        top = child


@inlined
def _swap(spans: Integers, a: int, b: int) -> None:
    for k in range(2):
        held = spans[2 * a + k]
        spans[2 * a + k] = spans[2 * b + k]
        spans[2 * b + k] = held


@loop
def _less(text: Bytes, spans: Integers, a: int, b: int) -> bool:
    i, k = spans[2 * a], spans[2 * b]
    while i < spans[2 * a + 1] and k < spans[2 * b + 1]:
        if text[i] != text[k]:
            return text[i] < text[k]
        i += 1
        k += 1
    return i == spans[2 * a + 1] and k < spans[2 * b + 1]
