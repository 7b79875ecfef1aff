"""What kernels know about code points: a UTF-8 decoder, and tables made once from Python's own str methods.

The tables agree with `str.isalpha`, `str.isspace`, `re`'s `\\w`, ... of the running interpreter, and are kept in the
kernels' cache folder under the version of its Unicode database.
"""

from __future__ import annotations

import functools
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from curate.kernels import loop
from curate.kernels.cache import folder_of
from curate.text import Bytes

# Beyond this code point no character has a class or a lower case (tags, variation selectors, private use).
LAST = 0x323B0
CODE_POINTS = 0x110000

# Bits of `Tables.classes`.
ALPHA = 1 << 0  # str.isalpha
ALNUM = 1 << 1  # str.isalnum
SPACE = 1 << 2  # str.isspace
DIGIT = 1 << 3  # str.isdigit
UPPER = 1 << 4  # str.isupper
LOWER = 1 << 5  # str.islower
LETTER = 1 << 6  # a letter or a combining mark: what words of any script are made of
BREAK = 1 << 7  # ends a line for str.splitlines
TERMINAL = 1 << 8  # ends a sentence: TERMINAL_RANGES
SYMBOL = 1 << 9  # a word of these alone is no word: SYMBOL_RANGES and the terminal ones
EDGE = (
    1 << 10
)  # split off the edges of a word one by one: EDGE_RANGES, what ends sentences beyond ASCII, quotes, pictographs
QUOTE = 1 << 11  # QUOTE_RANGES
PICTOGRAPH = 1 << 12  # general category So
CURRENCY = 1 << 13  # general category Sc
PUNCTUATION = 1 << 14  # general categories P*
DECIMAL = 1 << 15  # str.isdecimal

# Sentence-ending characters of all scripts and what counts as a symbol: the sets of datatrove 0.10 (utils/text.py,
# Apache-2.0), so that decisions agree. Hexadecimal code points and inclusive ranges.
TERMINAL_RANGES = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6
17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E
2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52
FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6
111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944
11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F
1DA88
"""
SYMBOL_RANGES = """
0-8 B-1F 21-2F 3A-40 5B-60 7B-9F AB B4 BB 2013-2014 2019 201C-201E 2026 2236 2501 25BA 3001-3002 3008-300D 3010-3011
FF01 FF05 FF08-FF09 FF0C FF0E FF11 FF1A-FF1B FF1F FF5E
"""
# Punctuation and quotes that spaCy 3.8 splits from the edges of words (lang/char_classes.py, MIT); in the last line those of
# scripts that it has no marks of: Armenian, Hebrew, Syriac, N'Ko, Tibetan, Ethiopic, Mongolian, Lisu, Vai, Bamum.
EDGE_RANGES = """
21 23 26 28-2A 2C 3A-3C 3E-3F 5B 5D 5F 7B 7D A1 B7 BF 60C 61B 61F 66A 6D4 964 2026 3001-3002 FF01 FF0C FF1A-FF1B FF1F
FF5E
55D 5C3 703-70A 7F8 F0D-F12 F14 1362-1368 1802 1804-1805 1808 A4FE A60D A6F4-A6F6
"""
QUOTE_RANGES = "22 27 2C 60 AB B4 BB 2018-201A 201C-201E 2329-232A 27E6-27E7 3008-3011 3014-3015 FF08-FF09"
BREAK_RANGES = "A-D 1C-1E 85 2028-2029"


class Tables(NamedTuple):
    """What is known of each code point; every array has `CODE_POINTS` entries and is read-only."""

    classes: npt.NDArray[np.uint16]  # the bits above
    word: npt.NDArray[np.uint8]  # 1 where `re` matches \w
    lower: npt.NDArray[np.uint32]  # simple lower case: one code point to one


@functools.cache
def tables() -> Tables:
    """The tables of this interpreter; made in half a second, then read from the cache folder."""
    packed = kept_array(folder_of(__file__) / f"code_points_{unicodedata.unidata_version}.npy", _make)
    classes = (packed >> 32).astype(np.uint16)
    word = (packed >> 48).astype(np.uint8)
    made = Tables(classes, word, packed.astype(np.uint32))
    for array in made:
        array.flags.writeable = False
    return made


def kept_array(path: Path, make: Callable[[], npt.NDArray]) -> npt.NDArray:
    """The array in a file, made and put there where it is missing or broken."""
    try:
        return cast(npt.NDArray, np.load(path))
    except (OSError, ValueError, EOFError):
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npy")
        np.save(beside, made)
        beside.replace(path)
        return made


def _make() -> npt.NDArray[np.uint64]:
    """Of each code point, in one number: bits 0-31 its lower case, 32-47 its classes, 48 whether it is of a word."""
    chars = [chr(i) for i in range(LAST)]
    categories = [unicodedata.category(char) for char in chars]
    classes = np.zeros(CODE_POINTS, np.uint64)
    alnum = np.array([char.isalnum() for char in chars])
    letter = [char.isalpha() or category[0] == "M" for char, category in zip(chars, categories, strict=True)]
    found = {
        ALPHA: [char.isalpha() for char in chars],
        ALNUM: alnum,
        SPACE: [char.isspace() for char in chars],
        DIGIT: [char.isdigit() for char in chars],
        DECIMAL: [char.isdecimal() for char in chars],
        UPPER: [char.isupper() for char in chars],
        LOWER: [char.islower() for char in chars],
        LETTER: letter,
        PICTOGRAPH: [category == "So" for category in categories],
        CURRENCY: [category == "Sc" for category in categories],
        PUNCTUATION: [category[0] == "P" for category in categories],
    }
    for bit, members in found.items():
        classes[:LAST][np.array(members)] |= np.uint64(bit)
    classes[_members(TERMINAL_RANGES)] |= np.uint64(TERMINAL | SYMBOL)
    classes[_members(SYMBOL_RANGES)] |= np.uint64(SYMBOL)
    classes[_members(QUOTE_RANGES)] |= np.uint64(QUOTE)
    classes[_members(BREAK_RANGES)] |= np.uint64(BREAK)
    classes[_members(EDGE_RANGES)] |= np.uint64(EDGE)
    # a full stop may be part of what it ends, an abbreviation
    classes[0x80:][(classes[0x80:] & np.uint64(TERMINAL)) > 0] |= np.uint64(EDGE)
    classes[(classes & np.uint64(QUOTE | PICTOGRAPH)) > 0] |= np.uint64(EDGE)
    word = np.zeros(CODE_POINTS, np.uint64)
    word[:LAST][alnum] = 1
    word[ord("_")] = 1
    lower = np.arange(CODE_POINTS, dtype=np.uint64)
    # U+0130 alone has a lower case of two code points; its simple one is the first
    lower[:LAST] = [ord(char.lower()[0]) for char in chars]
    packed: npt.NDArray[np.uint64] = lower | classes << np.uint64(32) | word << np.uint64(48)
    return packed


def _members(ranges: str) -> list[int]:
    """ "21 61D-61F" -> [0x21, 0x61D, 0x61E, 0x61F]"""
    pairs = [(part.split("-")[0], part.split("-")[-1]) for part in ranges.split()]
    return [code for first, last in pairs for code in range(int(first, 16), int(last, 16) + 1)]


@loop
def decode(data: Bytes, i: int, stop: int) -> tuple[int, int]:
    """The code point that starts at byte `i < stop`, and where the next one starts. Never reads at or beyond `stop`.

    A byte that starts no complete sequence is U+FFFD, alone; overlong forms are not looked for: texts are valid.
    """
    byte: Any = np.int64(data[i])
    # small, so that it is inlined: most bytes are ASCII
    return (byte, i + 1) if byte < 0x80 else _decode_sequence(data, i, stop)


@loop
def _decode_sequence(data: Bytes, i: int, stop: int) -> tuple[int, int]:
    byte: Any = np.int64(data[i])
    high: Any
    if 0xC0 <= byte < 0xE0 and i + 1 < stop:
        return (byte & 0x1F) << 6 | (np.int64(data[i + 1]) & 0x3F), i + 2
    if 0xE0 <= byte < 0xF0 and i + 2 < stop:
        high = (byte & 0x0F) << 12 | (np.int64(data[i + 1]) & 0x3F) << 6
        return high | (np.int64(data[i + 2]) & 0x3F), i + 3
    if 0xF0 <= byte < 0xF5 and i + 3 < stop:
        high = (byte & 0x07) << 18 | (np.int64(data[i + 1]) & 0x3F) << 12
        code: Any = high | (np.int64(data[i + 2]) & 0x3F) << 6 | (np.int64(data[i + 3]) & 0x3F)
        return min(code, np.int64(0x10FFFF)), i + 4
    return np.int64(0xFFFD), i + 1
