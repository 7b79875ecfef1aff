"""SHA-256 (FIPS 180-4) of a slice of a byte buffer, and its remainder as a whole number: buckets of hashed features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.text import Bytes

Words = npt.NDArray[np.uint32]


def _roots(count: int, power: int) -> list[int]:
    """The first 32 bits of the fractions of the roots of the first primes: square roots for power 2, cubic for 3."""
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            # the whole root of the number times 2**(32 * power) has the fraction in its lower 32 bits
            low, high = 0, number << 32
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if middle**power <= number << (32 * power) else (low, middle)
            found.append(low & 0xFFFFFFFF)
        number += 1
    return found


_START: Words = np.array(_roots(8, 2), np.uint32)
_ROUND: Words = np.array(_roots(64, 3), np.uint32)


@inlined
def _turn(x: Any, bits: int) -> Any:
    """A uint32 rotated right."""
    return np.uint32(x >> np.uint32(bits)) | np.uint32(x << np.uint32(32 - bits))


@inlined
def _sigma(x: Any, a: int, b: int, c: int) -> Any:
    return _turn(x, a) ^ _turn(x, b) ^ _turn(x, c)


@loop
def _fill(data: Bytes, start: int, size: int, block: int, last: bool, w: Words) -> None:
    """The words of one block of the padded message: the message, a one bit, zeros, at last its length in bits."""
    for i in range(16):
        w[i] = 0
    begin = block * 64
    for k in range(begin, min(size + 1, begin + 64)):
        byte = np.uint32(data[start + k]) if k < size else np.uint32(0x80)
        w[(k - begin) >> 2] |= np.uint32(byte << np.uint32(24 - 8 * (k & 3)))
    if last:
        w[14], w[15] = np.uint32(size >> 29), np.uint32(size << 3)


@inlined
def _round(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, word: Any) -> tuple[Any, Any]:
    """The two of eight numbers that a round makes new."""
    one = np.uint32(h + _sigma(e, 6, 11, 25) + (g ^ (e & (f ^ g))) + word)
    two = np.uint32(_sigma(a, 2, 13, 22) + ((a & b) | (c & (a | b))))
    return np.uint32(d + one), np.uint32(one + two)


@loop
def _compress(state: Words, w: Words) -> None:
    for i in range(16, 64):
        x, y = w[i - 15], w[i - 2]
        first = _turn(x, 7) ^ _turn(x, 18) ^ np.uint32(x >> np.uint32(3))
        second = _turn(y, 17) ^ _turn(y, 19) ^ np.uint32(y >> np.uint32(10))
        w[i] = np.uint32(w[i - 16] + first + w[i - 7] + second)
    a, b, c, d = state[0], state[1], state[2], state[3]
    e, f, g, h = state[4], state[5], state[6], state[7]
    # eight rounds move every number to where it was
    for i in range(0, 64, 8):
        d, h = _round(a, b, c, d, e, f, g, h, np.uint32(_ROUND[i] + w[i]))
        c, g = _round(h, a, b, c, d, e, f, g, np.uint32(_ROUND[i + 1] + w[i + 1]))
        b, f = _round(g, h, a, b, c, d, e, f, np.uint32(_ROUND[i + 2] + w[i + 2]))
        a, e = _round(f, g, h, a, b, c, d, e, np.uint32(_ROUND[i + 3] + w[i + 3]))
        h, d = _round(e, f, g, h, a, b, c, d, np.uint32(_ROUND[i + 4] + w[i + 4]))
        g, c = _round(d, e, f, g, h, a, b, c, np.uint32(_ROUND[i + 5] + w[i + 5]))
        f, b = _round(c, d, e, f, g, h, a, b, np.uint32(_ROUND[i + 6] + w[i + 6]))
        e, a = _round(b, c, d, e, f, g, h, a, np.uint32(_ROUND[i + 7] + w[i + 7]))
    state[0], state[1] = np.uint32(state[0] + a), np.uint32(state[1] + b)
    state[2], state[3] = np.uint32(state[2] + c), np.uint32(state[3] + d)
    state[4], state[5] = np.uint32(state[4] + e), np.uint32(state[5] + f)
    state[6], state[7] = np.uint32(state[6] + g), np.uint32(state[7] + h)


@entry
def remainder(data: Bytes, start: int, stop: int, divisor: int, room: Words) -> int:
    """SHA-256 of `data[start:stop]`, read as a number of 256 bits, modulo 1 <= `divisor` < 2**32.

    `room` (72,) is room to work in.
    """
    size = np.int64(stop - start)
    blocks = (size + 9 + 63) // 64
    state, w = room[:8], room[8:]
    for i in range(8):
        state[i] = _START[i]
    for block in range(blocks):
        _fill(data, start, size, block, block == blocks - 1, w)
        _compress(state, w)
    rest = np.uint64(0)
    for i in range(8):
        rest = (rest << np.uint64(32) | np.uint64(state[i])) % np.uint64(divisor)
    return np.int64(rest)
