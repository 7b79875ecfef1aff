"""Hashes: 64-bit mixing, and MurmurHash3 x64 128 (Appleby 2011, public domain) of texts in a normal form.

Not cryptographic: somebody who wants a collision can make one; by accident two of 10^12 different texts collide with
probability 10^-15.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel
from curate.kernels.unicode import SPACE, decode
from curate.text import Bytes, Offsets

Hashes = npt.NDArray[np.uint64]

# The normal forms that `content_hashes` knows.
AS_IS, WHITESPACE, WORDS = 0, 1, 2

# Every one of these is a uint64: with an int64, numba would compute in float64.
_C1, _C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_ADD1, _ADD2, _FIVE = np.uint64(0x52DCE729), np.uint64(0x38495AB5), np.uint64(5)
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_0, _1, _33 = np.uint64(0), np.uint64(1), np.uint64(33)


def split_mix(seed: int, count: int) -> list[int]:
    """`count` 64-bit numbers of the SplitMix64 generator (Steele et al. 2014), the same everywhere."""
    mask, numbers = (1 << 64) - 1, []
    for i in range(1, count + 1):
        z = (seed + i * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        numbers.append(z ^ z >> 31)
    return numbers


@kernel
def mix64(x: Any) -> Any:
    """A bijection of uint64 in which every bit depends on every bit (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> _33)) * _MIX1
    x = (x ^ (x >> _33)) * _MIX2
    return x ^ (x >> _33)


@kernel
def rotate(x: Any, bits: int) -> Any:
    """uint64 x rotated left by 0 < bits < 64."""
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@kernel
def murmur128(words: Hashes, size: int) -> tuple[Any, Any]:
    """MurmurHash3 x64 128, seed 0, of the first `size` bytes of `words`, which are followed by 16 zero bytes."""
    h1, h2 = np.uint64(0), np.uint64(0)
    blocks = size // 16
    for block in range(blocks):
        h1 ^= rotate(words[2 * block] * _C1, 31) * _C2
        h1 = (rotate(h1, 27) + h2) * _FIVE + _ADD1
        h2 ^= rotate(words[2 * block + 1] * _C2, 33) * _C1
        h2 = (rotate(h2, 31) + h1) * _FIVE + _ADD2
    # the tail, filled up with zeros, which change nothing
    h2 ^= rotate(words[2 * blocks + 1] * _C2, 33) * _C1
    h1 ^= rotate(words[2 * blocks] * _C1, 31) * _C2
    h1 ^= np.uint64(size)
    h2 ^= np.uint64(size)
    h1 += h2
    h2 += h1
    h1 = mix64(h1)
    h2 = mix64(h2)
    h1 += h2
    h2 += h1
    return h1, h2


@kernel
def fold_table(word: npt.NDArray[np.uint8], lower: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Of each byte: 0 where it is no part of a word, its lower case where it is ASCII, else 255."""
    fold = np.full(256, 255, np.uint8)
    for byte in range(128):
        fold[byte] = lower[byte] if word[byte] else 0
    return fold


@kernel
def copy_text(data: Bytes, start: int, stop: int, out: Bytes) -> int:
    """Copy the bytes [start, stop) of `data` to `out`; how many."""
    # with unsigned positions the compiler copies many bytes at a time
    first = np.uint64(start)
    for i in range(np.uint64(stop - start)):
        out[i] = data[first + i]
    return stop - start


@kernel
def squeeze_whitespace(data: Bytes, start: int, stop: int, classes: npt.NDArray[np.uint16], out: Bytes) -> int:
    """`" ".join(text.split())` of the text [start, stop) of `data` to `out`; its bytes."""
    # 1: ASCII white space; 2: begins all other white space; 0: the rest
    kinds = np.zeros(256, np.uint8)
    for code in range(128):
        kinds[code] = 1 if classes[code] & SPACE else 0
    for lead in (0xC2, 0xE1, 0xE2, 0xE3):
        kinds[lead] = 2
    # with unsigned positions numba leaves out the check for negative ones: three times as fast
    i, end, size, after_space = np.uint64(start), np.uint64(stop), _0, _1
    while i < end:
        while i < end:
            byte = data[i]
            if byte >= 0x80:
                break
            # without a branch on white space, which no processor can guess
            kind = np.uint64(kinds[byte])
            out[size] = 32 if kind == _1 else byte
            size += _1 - (kind & after_space)
            after_space = kind
            i += _1
        while i < end:
            byte = data[i]
            if byte < 0x80:
                break
            kind = _0
            if kinds[byte] == 2:
                point, following = decode(data, np.int64(i), stop)
                if classes[point] & SPACE:
                    kind, byte = _1, np.uint8(32)
                    i = np.uint64(following) - _1
            out[size] = byte
            size += _1 - (kind & after_space)
            after_space = kind
            i += _1
    return np.int64(size) - 1 if size > _0 and after_space == _1 else np.int64(size)


@kernel
def encode(code: Any, out: Bytes, at: int) -> int:
    """Write the code point at `out[at]` in UTF-8; the position behind it."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at] = 0xC0 | (code >> 6)
        out[at + 1] = 0x80 | (code & 0x3F)
        return at + 2
    if code < 0x10000:
        out[at] = 0xE0 | (code >> 12)
        out[at + 1] = 0x80 | (code >> 6 & 0x3F)
        out[at + 2] = 0x80 | (code & 0x3F)
        return at + 3
    out[at] = 0xF0 | (code >> 18)
    out[at + 1] = 0x80 | (code >> 12 & 0x3F)
    out[at + 2] = 0x80 | (code >> 6 & 0x3F)
    out[at + 3] = 0x80 | (code & 0x3F)
    return at + 4


@kernel
def lower_words(
    data: Bytes, start: int, stop: int, word: npt.NDArray[np.uint8], lower: npt.NDArray[np.uint32], out: Bytes
) -> int:
    r"""The words (`\w+`, in simple lower case) of the text with a blank between two, to `out`; their bytes."""
    fold = fold_table(word, lower)
    i, end, size, in_word = np.uint64(start), np.uint64(stop), np.int64(0), False
    while i < end:
        byte = fold[data[i]]
        code, step = np.int64(byte), _1
        if byte == 255:
            code, following = decode(data, np.int64(i), stop)
            step = np.uint64(following) - i
            code = np.int64(lower[code]) if word[code] else 0
        i += step
        if code == 0:
            in_word = False
            continue
        if not in_word and size > 0:
            out[size] = 32
            size += 1
        in_word = True
        if code < 0x80:
            out[size] = code
            size += 1
        else:
            size = encode(code, out, size)
    return size


@kernel
def content_hashes(
    data: Bytes,
    offsets: Offsets,
    form: int,
    classes: npt.NDArray[np.uint16],
    word: npt.NDArray[np.uint8],
    lower: npt.NDArray[np.uint32],
    scratch: Hashes,
    high: Hashes,
    low: Hashes,
) -> None:
    """The 128-bit hash of each text in the normal form: `high` and `low`, (n,).

    A text without a word, whose form is WORDS, is taken in the form WHITESPACE: else all such texts would be one.
    `scratch` has at least twice the bytes of the longest text and 64 more.
    """
    out = scratch.view(np.uint8)
    for doc in range(len(offsets) - 1):
        start, stop = np.int64(offsets[doc]), np.int64(offsets[doc + 1])
        size = 0
        if form == AS_IS:
            size = copy_text(data, start, stop, out)
        elif form == WORDS:
            size = lower_words(data, start, stop, word, lower, out)
        if form == WHITESPACE or (form == WORDS and size == 0):
            size = squeeze_whitespace(data, start, stop, classes, out)
        for i in range(size, size + 32):
            out[i] = 0
        low[doc], high[doc] = murmur128(scratch, size)
