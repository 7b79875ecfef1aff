"""Texts for language models of tokens: the normal form of CCNet, then lines of tokens, each as a 64-bit hash."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.automaton import is_unspaced, is_word_part
from curate.kernels.groups import hash_range
from curate.kernels.unicode import CODE_POINTS, SPACE, decode, tables
from curate.text import Bytes, Offsets

Integers = npt.NDArray[np.int32]

# How CCNet writes punctuation of other scripts and typesetters (Wenzek et al. 2020), after the tables of Moses.
PUNCTUATION = {
    "，": ",", "。": ".", "、": ",", "„": '"', "”": '"', "“": '"', "«": '"', "»": '"', "」": '"', "「": '"', "《": '"',
    "》": '"', "´": "'", "∶": ":", "：": ":", "？": "?", "！": "!", "（": "(", "）": ")", "；": ";", "–": "-", "—": " - ",
    "．": ". ", "～": "~", "’": "'", "…": "...", "━": "-", "〈": "<", "〉": ">", "【": "[", "】": "]", "％": "%", "►": "-",
}  # fmt: skip
# Characters that are alike in every form: Han ideographs, surrogates and private use, and what lies beyond.
_UNCHANGED = ((0x3400, 0xA000), (0xD800, 0xF900), (0x20000, 0x2F800), (0x2FA20, CODE_POINTS))


class Form(NamedTuple):
    """What becomes of each code point."""

    ascii: Bytes  # (128,) the byte that takes its place, 0 for none
    place: Integers  # (CODE_POINTS,) -1: stays as it is; else where its bytes begin in `pool`, after their number
    pool: Bytes


class Lines(NamedTuple):
    """The tokens of n texts by line: line k has `first[k]` to `first[k + 1]`, text i the lines `texts[i]` to `[i + 1]`."""

    hashes: npt.NDArray[np.uint64]
    start: Integers
    stop: Integers
    first: npt.NDArray[np.int64]
    texts: npt.NDArray[np.int64]


def normal_form(char: str) -> str:
    """One character in CCNet's form: lower case, no accents, digits 0, plain punctuation, no control characters.

    CCNet also drops tabs, which joins two words: here a tab is a blank. Line feeds stay.
    """
    if char in "\n\t":
        return char.replace("\t", " ")
    plain = "".join(c for c in unicodedata.normalize("NFD", char.lower()) if unicodedata.category(c) != "Mn")
    plain = "".join(PUNCTUATION.get(c, c) for c in re.sub(r"\d", "0", plain))
    return re.sub("[\x00-\x1f\x7f-\x9f]", "", plain)


@functools.cache
def form() -> Form:
    """The table of `normal_form` for all characters; made in a tenth of a second."""
    ascii_ = np.array([ord(normal_form(chr(code)) or "\0") for code in range(128)], np.uint8)
    place = np.full(CODE_POINTS, -1, np.int32)
    pool = bytearray()
    edges = [128, *(edge for pair in _UNCHANGED for edge in pair)]
    for start, stop in zip(edges[::2], edges[1::2], strict=False):
        for code in range(start, stop):
            char = chr(code)
            if (plain := normal_form(char)) != char:
                encoded = plain.encode()
                place[code] = len(pool)
                pool += bytes([len(encoded)]) + encoded
    return Form(ascii_, place, np.frombuffer(bytes(pool), np.uint8))


def normalized(data: Bytes, offsets: Offsets) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """n texts as UTF-8 bytes and offsets -> the same in CCNet's form, line feeds kept."""
    # no character grows by more than that: a Hangul syllable of 3 bytes becomes three of 3
    out = np.empty(3 * int(offsets[-1] - offsets[0]) + 8, np.uint8)
    bounds = np.zeros(len(offsets), np.int64)
    _normalize(data, offsets, *form(), out, bounds)
    return out[: bounds[-1]], bounds


@entry
def _normalize(
    data: Bytes,
    offsets: Offsets,
    ascii_: Bytes,
    place: Integers,
    pool: Bytes,
    out: Bytes,
    bounds: npt.NDArray[np.int64],
) -> None:
    size = np.int64(0)
    for text in range(len(offsets) - 1):
        i, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        while i < end:
            byte = data[i]
            if byte < 0x80:
                out[size] = ascii_[byte]
                size += ascii_[byte] != 0
                i += 1
                continue
            code, after = decode(data, i, end)
            where = np.int64(place[code])
            if where < 0:
                for k in range(i, after):
                    out[size] = data[k]
                    size += 1
            else:
                for k in range(pool[where]):
                    out[size] = pool[where + 1 + k]
                    size += 1
            i = after
        bounds[text + 1] = size


def split_lines(data: Bytes, offsets: npt.NDArray[np.int64], *, words: bool) -> Lines:
    """The tokens of the lines of n texts; lines without any are left out.

    With `words`: runs of letters, digits, marks and underscores, every other visible character by itself, and so every
    letter of a script that parts no words by spaces. Without: what stands between white space.
    """
    room = int(offsets[-1] - offsets[0]) + 1
    # pages of memory that no token reaches are never touched
    hashes, start, stop = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.int32)
    first, texts = np.empty(room + 1, np.int64), np.empty(len(offsets), np.int64)
    classes, word, _ = tables()
    count, lines = _split(data, offsets, words, classes, word, hashes, start, stop, first, texts)
    return Lines(hashes[:count], start[:count], stop[:count], first[: lines + 1], texts)


@entry
def _split(
    data: Bytes,
    offsets: npt.NDArray[np.int64],
    words: bool,
    classes: npt.NDArray[np.uint16],
    word: npt.NDArray[np.uint8],
    hashes: npt.NDArray[np.uint64],
    start: Integers,
    stop: Integers,
    first: npt.NDArray[np.int64],
    texts: npt.NDArray[np.int64],
) -> tuple[int, int]:
    count, lines = np.int64(0), np.int64(0)
    first[0] = 0
    for text in range(len(offsets) - 1):
        texts[text] = lines
        i, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        begin = np.int64(-1)  # where the token began that is not over, or -1
        while i <= end:
            code, after = decode(data, i, end) if i < end else (np.int64(10), i + 1)
            space = (classes[code] & SPACE) != 0
            part = (not space) if not words else is_word_part(code, classes, word) and not is_unspaced(code)
            if not part and begin >= 0:
                count = _add(data, begin, i, hashes, start, stop, count)
                begin = np.int64(-1)
            if part and begin < 0:
                begin = i
            if not part and not space:
                count = _add(data, i, after, hashes, start, stop, count)
            if code == 10 and count > first[lines]:
                lines += 1
                first[lines] = count
            i = after
    texts[len(offsets) - 1] = lines
    return count, lines


@loop
def _add(
    data: Bytes, begin: int, end: int, hashes: npt.NDArray[np.uint64], start: Integers, stop: Integers, count: int
) -> int:
    hashes[count] = hash_range(data, begin, end)
    start[count], stop[count] = begin, end
    return count + 1


def hashes_of(data: Bytes, offsets: Offsets) -> npt.NDArray[np.uint64]:
    """The hash of each text as one token."""
    hashes = np.empty(len(offsets) - 1, np.uint64)
    _hash_all(data, offsets, hashes)
    return hashes


@entry
def _hash_all(data: Bytes, offsets: Offsets, hashes: npt.NDArray[np.uint64]) -> None:
    for i in range(len(hashes)):
        hashes[i] = hash_range(data, np.int64(offsets[i]), np.int64(offsets[i + 1]))
