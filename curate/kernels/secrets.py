"""Keys and tokens: by the prefixes of their makers, private key blocks, and random strings assigned to a secret's name."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.marks import is_alnum, is_digit, is_letter, is_upper, is_wordy
from curate.kernels.nearby import SECRET_WORDS, Words, is_near
from curate.kernels.pii_kinds import AWS, GITHUB, GITLAB, GOOGLE, HUGGINGFACE, JWT, NPM, PYPI, SK, SLACK, STRIPE
from curate.text import Bytes

Entropy = npt.NDArray[np.int64]
# An assigned secret has so many characters, a token at most.
LEAST, MOST, TOKEN = 16, 128, 4096
# Bits a character that tell a random string from words, in letters and digits of all kinds and in hexadecimal ones.
BITS, BITS_HEX = 3.5, 3.0
_UNIT = 1 << 20


@functools.cache
def entropy_table() -> Entropy:
    """n log2 n for n up to `MOST`, as integers, so that sums are the same everywhere."""
    return np.array([0, *(round(n * math.log2(n) * _UNIT) for n in range(1, MOST + 1))], np.int64)


@loop
def is_random(data: Bytes, start: int, stop: int, entropy: Entropy, bits: float) -> bool:
    """Whether the at most `MOST` bytes have an entropy of at least so many bits a character."""
    total = 0
    for i in range(start, stop):
        count, first = 0, True
        for k in range(start, stop):
            if data[k] == data[i]:
                count += 1
                first &= k >= i
        if first:
            total += entropy[count]
    size = stop - start
    return entropy[size] - total >= np.int64(bits * _UNIT) * size


@inlined
def _is_key(byte: int) -> bool:
    """The characters of base64 for URLs: letters, digits, - and _"""
    return is_wordy(byte) or byte == ord("-")


@loop
def _run(data: Bytes, i: int, hi: int, dashes: bool) -> int:
    """Where the run of letters and digits (with - and _ if `dashes`) from `i` ends."""
    end = min(hi, i + TOKEN)
    while i < end and (is_alnum(data[i]) or (dashes and _is_key(data[i]))):
        i += 1
    return i


@loop
def _is(data: Bytes, i: int, hi: int, text: bytes) -> bool:
    """Whether `text` stands at `i`, in its case."""
    if i < 0 or i + len(text) > hi:
        return False
    for k in range(len(text)):  # noqa: SIM110
        if data[i + k] != text[k]:
            return False
    return True


@inlined
def _apart(data: Bytes, lo: int, i: int) -> bool:
    return i >= lo and (i == lo or not _is_key(data[i - 1]))


@loop
def token_at(data: Bytes, lo: int, i: int, hi: int, entropy: Entropy) -> tuple[int, int, int]:
    """The token whose prefix has the A, J, - or _ at `i`: (kind, start, stop), kind -1 if none."""
    byte = data[i]
    if byte == ord("A"):
        return _capital(data, lo, i, hi)
    if byte == ord("J"):
        stop = _jwt_end(data, i, hi) if i - 2 >= lo and _is(data, i - 2, hi, b"eyJ") and _apart(data, lo, i - 2) else 0
        return (JWT, i - 2, stop) if stop else (-1, 0, 0)
    if byte == ord("-"):
        return _hyphenated(data, lo, i, hi, entropy)
    return _underscored(data, lo, i, hi)


@loop
def _capital(data: Bytes, lo: int, i: int, hi: int) -> tuple[int, int, int]:
    """AWS access key ids (AKIA and 16 capitals and digits) and Google API keys (AIza and 35 characters)."""
    if not _apart(data, lo, i):
        return -1, 0, 0
    if _is(data, i, hi, b"AIza"):
        stop = _run(data, i + 4, hi, True)
        return (GOOGLE, i, stop) if stop == i + 39 else (-1, 0, 0)
    if not (_is(data, i, hi, b"AKIA") or _is(data, i, hi, b"ASIA")):
        return -1, 0, 0
    stop = _run(data, i + 4, hi, True)
    if stop != i + 20:
        return -1, 0, 0
    for k in range(i + 4, stop):
        if not (is_upper(data[k]) or is_digit(data[k])):
            return -1, 0, 0
    return AWS, i, stop


@loop
def _jwt_end(data: Bytes, i: int, hi: int) -> int:
    """Where the JSON web token ends whose header has its J at `i`, or 0: header.payload.signature (RFC 7519)."""
    dot = _run(data, i, hi, True)
    if dot - i < 10 or not _is(data, dot, hi, b".eyJ"):
        return 0
    second = _run(data, dot + 1, hi, True)
    if second - dot < 10 or second >= hi or data[second] != ord("."):
        return 0
    return _run(data, second + 1, hi, True)


@loop
def _hyphenated(data: Bytes, lo: int, i: int, hi: int, entropy: Entropy) -> tuple[int, int, int]:
    """Slack (xoxb-), GitLab (glpat-), PyPI (pypi-AgE) and keys that begin with sk-"""
    if _is(data, i - 4, hi, b"xox") and _apart(data, lo, i - 4) and is_letter(data[i - 1]):
        stop = _run(data, i + 1, hi, True)
        return (SLACK, i - 4, stop) if stop - i > 16 else (-1, 0, 0)
    if _is(data, i - 5, hi, b"glpat") and _apart(data, lo, i - 5):
        stop = _run(data, i + 1, hi, True)
        return (GITLAB, i - 5, stop) if stop - i > 20 else (-1, 0, 0)
    if _is(data, i - 4, hi, b"pypi-AgE") and _apart(data, lo, i - 4):
        stop = _run(data, i + 1, hi, True)
        return (PYPI, i - 4, stop) if stop - i > 50 else (-1, 0, 0)
    if _is(data, i - 2, hi, b"sk") and _apart(data, lo, i - 2):
        stop = _run(data, i + 1, hi, True)
        mixed = stop - i > 20 and _is_mixed(data, i + 1, stop) and _has_capital(data, i + 1, stop)
        if mixed and is_random(data, i + 1, min(stop, i + 1 + MOST), entropy, BITS):
            return SK, i - 2, stop
    return -1, 0, 0


@loop
def _underscored(data: Bytes, lo: int, i: int, hi: int) -> tuple[int, int, int]:
    """GitHub (ghp_, github_pat_), Stripe (sk_live_), Hugging Face (hf_) and npm (npm_)."""
    stop = _run(data, i + 1, hi, False)
    if _is(data, i - 3, hi, b"gh") and _apart(data, lo, i - 3):
        owner = data[i - 1]
        known = owner == ord("p") or owner == ord("o") or owner == ord("u") or owner == ord("s") or owner == ord("r")
        return (GITHUB, i - 3, stop) if known and stop - i > 36 else (-1, 0, 0)
    if _is(data, i - 10, hi, b"github_pat_") and _apart(data, lo, i - 10):
        stop = _run(data, i + 1, hi, True)
        return (GITHUB, i - 10, stop) if stop - i > 60 else (-1, 0, 0)
    for live in (b"_live_", b"_test_"):
        if _is(data, i - 5, hi, live) and (_is(data, i - 7, hi, b"sk") or _is(data, i - 7, hi, b"rk")):
            return (STRIPE, i - 7, stop) if _apart(data, lo, i - 7) and stop - i > 16 else (-1, 0, 0)
    if _is(data, i - 2, hi, b"hf") and _apart(data, lo, i - 2):
        return (HUGGINGFACE, i - 2, stop) if stop - i > 33 else (-1, 0, 0)
    if _is(data, i - 3, hi, b"npm") and _apart(data, lo, i - 3):
        return (NPM, i - 3, stop) if stop - i == 37 else (-1, 0, 0)
    return -1, 0, 0


@loop
def _is_mixed(data: Bytes, start: int, stop: int) -> bool:
    """Whether there are letters and digits both."""
    digit, letter = False, False
    for i in range(start, stop):
        digit |= is_digit(data[i])
        letter |= is_letter(data[i])
    return digit and letter


@loop
def _has_capital(data: Bytes, start: int, stop: int) -> bool:
    """Whether there is a capital: sk-ssh-ed25519 and its like have none."""
    for i in range(start, stop):  # noqa: SIM110
        if is_upper(data[i]):
            return True
    return False


@loop
def key_block_at(data: Bytes, lo: int, i: int, hi: int) -> int:
    """Where the private key block that starts at `i` ends, or 0: at its END line, or its BEGIN line if it has none."""
    if (i > lo and data[i - 1] == ord("-")) or not _is(data, i, hi, b"-----BEGIN "):
        return 0
    at = i + 11
    while at < hi and at - i < 64 and (is_upper(data[at]) or data[at] == ord(" ")):
        at += 1
    if not _is(data, at, hi, b"-----") or not (
        _is(data, at - 11, hi, b"PRIVATE KEY") or _is(data, at - 17, hi, b"PRIVATE KEY BLOCK")
    ):
        return 0
    begun = at + 5
    at = begun
    while at < hi and not _is(data, at, hi, b"-----"):
        at += 1
    if not _is(data, at, hi, b"-----END "):
        return begun
    end = at + 9
    while end < hi and end - at < 64 and (is_upper(data[end]) or data[end] == ord(" ")):
        end += 1
    return end + 5 if _is(data, end, hi, b"-----") else begun


@inlined
def _is_secret(byte: int) -> bool:
    """The characters of base64 in both alphabets, and full stops."""
    return (
        _is_key(byte)
        or byte == ord("+")
        or byte == ord("/")
        or byte == ord("=")
        or byte == ord(".")
        or (byte == ord("~"))
    )


@loop
def assigned_at(data: Bytes, lo: int, at: int, hi: int, near: Words, entropy: Entropy) -> tuple[int, int]:
    """The random string behind the : or = at `at` whose name is a secret's: (start, stop), or (0, 0).

    The name stands right before it, with quotes and blanks between: `"api_key": "...", password = ...`. A path is none.
    """
    end = at
    while end > lo and at - end < 4 and (data[end - 1] == ord(" ") or data[end - 1] == 34 or data[end - 1] == 39):
        end -= 1
    begin = end
    while begin > lo and end - begin < 32 and _is_key(data[begin - 1]):
        begin -= 1
    if begin == end:
        return 0, 0
    start = at + 1
    while start < hi and start - at < 6 and _is_between(data[start]):
        start += 1
    stop = start
    while stop < hi and stop - start <= MOST and _is_secret(data[stop]):
        stop += 1
    while stop > start and data[stop - 1] == ord("."):
        stop -= 1
    if stop - start < LEAST or stop - start > MOST or data[start] == ord("/") or not _is_mixed(data, start, stop):
        return 0, 0
    if not is_near(data, begin, end, near, SECRET_WORDS):
        return 0, 0
    bits = BITS_HEX if _is_hex(data, start, stop) else BITS
    return (start, stop) if is_random(data, start, stop, entropy, bits) else (0, 0)


@inlined
def _is_between(byte: int) -> bool:
    """What may stand between the mark and the value: blanks, quotes, = and > of := and =>"""
    return byte == 32 or byte == 34 or byte == 39 or byte == ord("=") or byte == ord(">")


@loop
def _is_hex(data: Bytes, start: int, stop: int) -> bool:
    for i in range(start, stop):  # noqa: SIM110
        if not is_digit(data[i]) and not ord("a") <= (data[i] | 32) <= ord("f"):
            return False
    return True
