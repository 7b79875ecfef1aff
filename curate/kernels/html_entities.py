"""Character references of HTML: names and numbers -> UTF-8, never longer than what they stand for."""

from __future__ import annotations

import functools
from html.entities import html5
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.html_tags import slot_of
from curate.text import Bytes

SLOTS = 8192
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT, _0, _1, _LAST = np.uint64(51), np.uint64(0), np.uint64(1), np.uint64(SLOTS - 1)
# the longest name without a semicolon, and the longest of all, in bytes
_LEGACY, _LONGEST = 6, 32
_TURN, _BACK = np.uint64(7), np.uint64(57)


class Entities(NamedTuple):
    """An open table by the hash of a name, `;` included where it has one; 0 where empty."""

    keys: npt.NDArray[np.uint64]
    text: npt.NDArray[np.uint64]  # up to 7 bytes of UTF-8, the first lowest; their number in the highest byte
    c1: npt.NDArray[np.int32]  # 32: what browsers read `&#128;` to `&#159;` as (windows-1252)


@inlined
def hashed(value: Any, byte: Any) -> Any:
    """The hash of a name, one byte of it more; begin with 0."""
    return (value << _TURN | value >> _BACK) ^ np.uint64(byte)


def hash_name(name: str) -> int:
    """As `hashed` of all bytes of a name, in Python."""
    value, mask = 0, (1 << 64) - 1
    for byte in name.encode():
        value = (value << int(_TURN) & mask | value >> int(_BACK)) ^ byte
    return value


@functools.cache
def entities() -> Entities:
    """All names of the HTML standard whose text is not longer than they are (two are); read-only."""
    keys, text = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.uint64)
    for name, value in html5.items():
        encoded = value.encode()
        if len(encoded) > min(len(name) + 1, 7):
            continue
        key = hash_name(name)
        slot = slot_of(key, int(_SHIFT))
        while keys[slot]:
            if keys[slot] == key:
                raise ValueError(f"two references have the same hash, one is {name}")
            slot = (slot + 1) % SLOTS
        keys[slot] = key
        text[slot] = int.from_bytes(encoded, "little") | len(encoded) << 56
    c1 = [ord(bytes([byte]).decode("cp1252", "ignore") or chr(byte)) for byte in range(128, 160)]
    made = Entities(keys, text, np.array(c1, np.int32))
    for array in made:
        array.flags.writeable = False
    return made


@loop
def _named(table: Entities, value: Any) -> Any:
    slot = value * _PRIME >> _SHIFT
    while table.keys[slot] != _0:
        if table.keys[slot] == value:
            return table.text[slot]
        slot = (slot + _1) & _LAST
    return _0


@loop
def _packed(code: int) -> Any:
    """A code point as `Entities.text` has it."""
    c = np.uint64(code)
    six, low, more = np.uint64(6), np.uint64(0x3F), np.uint64(0x80)
    if code < 0x80:
        return c | _1 << np.uint64(56)
    last = (c & low) | more
    if code < 0x800:
        return (c >> six) | np.uint64(0xC0) | last << np.uint64(8) | np.uint64(2) << np.uint64(56)
    second = ((c >> six) & low) | more
    if code < 0x10000:
        lead = (c >> np.uint64(12)) | np.uint64(0xE0)
        return lead | second << np.uint64(8) | last << np.uint64(16) | np.uint64(3) << np.uint64(56)
    lead, third = (c >> np.uint64(18)) | np.uint64(0xF0), ((c >> np.uint64(12)) & low) | more
    four = lead | third << np.uint64(8) | second << np.uint64(16) | last << np.uint64(24)
    return four | np.uint64(4) << np.uint64(56)


@loop
def _number(data: Bytes, at: int, stop: int, table: Entities) -> tuple[Any, int]:
    """The reference whose `&#` ends before `at`."""
    i, code, digits = at, np.int64(0), 0
    hexadecimal = i < stop and (data[i] | 32) == 120
    i += hexadecimal
    while i < stop:
        byte = np.int64(data[i])
        if 48 <= byte <= 57:
            digit = byte - 48
        elif hexadecimal and 97 <= (byte | 32) <= 102:
            digit = (byte | 32) - 87
        else:
            break
        code = min(code * (16 if hexadecimal else 10) + digit, np.int64(0x110000))
        digits += 1
        i += 1
    if digits == 0:
        return _0, at
    if i < stop and data[i] == 59:
        i += 1
    if 128 <= code < 160:
        code = np.int64(table.c1[code - 128])
    if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        code = np.int64(0xFFFD)
    text = _packed(code)
    # `&#9` may be written without a semicolon: three bytes hold any character of that few digits
    return text, i


@loop
def reference(data: Bytes, at: int, stop: int, table: Entities) -> tuple[Any, int]:
    """What stands at the `&` at `at`: (up to 7 bytes of UTF-8 as a number, how many in its highest byte; what is next).

    0 if it is no reference. Never reads at or behind `stop`.
    """
    i = at + 1
    if i < stop and data[i] == 35:
        return _number(data, i + 1, stop, table)
    value, last = _0, min(stop, i + _LONGEST)
    text, end = _0, at
    while i < last:
        byte = np.int64(data[i])
        if byte == 59:
            found = _named(table, hashed(value, byte))
            return (found, i + 1) if found != _0 else (text, end)
        if not (48 <= byte <= 57 or 97 <= (byte | 32) <= 122):
            break
        value = hashed(value, byte)
        i += 1
        if i - at <= _LEGACY + 1:
            found = _named(table, value)
            if found != _0:
                text, end = found, i
    return text, end
