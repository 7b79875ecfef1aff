"""One spelling for what looks the same in Indic scripts, over UTF-8; joiners (ZWJ, ZWNJ) that spell something stay.

The Unicode Standard (core specification, chapter 12) names for each script the sequences not to use for a vowel letter,
a vowel sign or a final consonant. Canonical composition (NFC), which comes after, does not know of them.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined
from curate.kernels.hashing import encode
from curate.kernels.unicode import decode
from curate.text import Bytes, Offsets

FIRST, LAST = 0x900, 0xE00  # Devanagari to Malayalam and Sinhala
# Two code points that are written as one: first, second, the one.
PAIRS = """
905 946 904  905 93E 906  909 941 90A  90F 945 90D  90F 946 90E  90F 947 910  905 949 911  906 945 911  905 94A 912
906 946 912  905 94B 913  906 947 913  905 94C 914  906 948 914  905 945 972  905 93A 973  905 93B 974  906 93A 974
905 94F 975  905 956 976  905 957 977  93E 945 949  93E 946 94A  93E 947 94B  93E 948 94C
985 9BE 986  98B 9C3 9E0  98C 9E2 9E1
A05 A3E A06  A72 A3F A07  A72 A40 A08  A73 A41 A09  A73 A42 A0A  A72 A47 A0F  A05 A48 A10  A73 A4B A13  A05 A4C A14
A85 ABE A86  A85 AC5 A8D  A85 AC7 A8F  A85 AC8 A90  A85 AC9 A91  A85 ACB A93  A85 ACC A94  AC5 ABE AC9
B05 B3E B06  B0F B57 B10  B13 B57 B14  B85 BC2 B86
C12 C55 C13  C12 C4C C14  C3F C55 C40  C46 C55 C47  C4A C55 C4B  C89 CBE C8A  C92 CCC C94  C8B CBE CE0
D07 D57 D08  D09 D57 D0A  D0E D46 D10  D12 D3E D13  D12 D57 D14
"""
# A consonant that a virama and a joiner follow: the letter for it (chillu, khanda ta).
FINALS = "9A4 9CE  D23 D7A  D28 D7B  D30 D7C  D32 D7D  D33 D7E  D15 D7F"
NUKTAS = (0x93C, 0x9BC, 0xA3C, 0xABC, 0xB3C, 0xCBC)
# Dependent vowels, which a nukta stands before.
VOWEL_SIGNS = "93A-93B 93E-94C 94E-94F 955-957 9BE-9CC A3E-A4C ABE-ACC B3E-B4C CBE-CCC"
# The first of ten digits: Arabic, Persian, the Indic blocks, Ol Chiki, Meetei Mayek.
DIGITS = "660 6F0 966 9E6 A66 AE6 B66 BE6 C66 CE6 D66 1C50 ABF0"
_ZWJ, _ZWNJ, _PIPE, _DANDA = 0x200D, 0x200C, 0x7C, 0x964
# scripts that end sentences with a danda end here
_DANDA_SCRIPTS = 0xB80
_SIZE = LAST - FIRST


@functools.cache
def _tables() -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(first x second -> one, consonant -> final letter, whether a nukta, whether a vowel sign), from `FIRST` on."""
    pairs, finals = np.zeros((_SIZE, _SIZE), np.uint16), np.zeros(_SIZE, np.uint16)
    numbers = [int(word, 16) for word in PAIRS.split()]
    for a, b, one in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        pairs[a - FIRST, b - FIRST] = one
    numbers = [int(word, 16) for word in FINALS.split()]
    for a, one in zip(numbers[::2], numbers[1::2], strict=True):
        finals[a - FIRST] = one
    nuktas, signs = np.zeros(_SIZE, np.bool_), np.zeros(_SIZE, np.bool_)
    nuktas[[code - FIRST for code in NUKTAS]] = True
    for part in VOWEL_SIGNS.split():
        low, high = (int(word, 16) for word in part.split("-"))
        signs[low - FIRST : high - FIRST + 1] = True
    for table in (pairs, finals, nuktas, signs):
        table.flags.writeable = False
    return pairs, finals, nuktas, signs


def standard_spelling(
    data: Bytes, offsets: Offsets, *, spelling: bool, digits: bool
) -> tuple[Bytes, Offsets, npt.NDArray[np.int32]]:
    """n texts -> (their bytes and offsets in standard spelling, how many sequences of each were replaced).

    `spelling`: the pairs and finals above, a nukta before its vowel sign, one joiner for several, and a danda for `|`
    between an Indic letter and white space. `digits`: ASCII digits for those of Indic scripts and Arabic.
    """
    begin, end = int(offsets[0]), int(offsets[-1])
    # a danda has three bytes, the bar that it stands for one
    out = np.empty(end - begin + 2 * int(np.count_nonzero(data[begin:end] == _PIPE)), np.uint8)
    bounds, replaced = np.zeros(len(offsets), np.int32), np.zeros(len(offsets) - 1, np.int32)
    zeros = np.array([int(word, 16) for word in DIGITS.split()] if digits else [], np.int64)
    size = _all(data, offsets, spelling, zeros, *_tables(), out, bounds, replaced)
    return out[:size], bounds, replaced


@entry
def _all(
    data: Bytes,
    offsets: Offsets,
    spelling: bool,
    zeros: npt.NDArray[np.int64],
    pairs: npt.NDArray[np.uint16],
    finals: npt.NDArray[np.uint16],
    nuktas: npt.NDArray[np.bool_],
    signs: npt.NDArray[np.bool_],
    out: Bytes,
    bounds: Offsets,
    replaced: npt.NDArray[np.int32],
) -> int:
    size = 0
    for text in range(len(offsets) - 1):
        i, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        # the last two code points written, 0 for none or any outside of the scripts; a blank in between does not count
        before, last, letter = 0, 0, 0
        changed = 0
        while i < hi:
            byte = data[i]
            if byte < 0x80:
                pipes = _pipes(data, i, hi) if spelling and FIRST <= letter < _DANDA_SCRIPTS else 0
                if pipes:
                    size = encode(np.int64(_DANDA + pipes - 1), out, size)
                    changed += 1
                    i, before, last, letter = i + pipes, 0, 0, 0
                    continue
                out[size] = byte
                size += 1
                i += 1
                letter = last if byte == 0x20 else 0
                before, last = 0, 0
                continue
            code, after = decode(data, i, hi)
            if after == i + 1:  # no character
                out[size] = byte
                size, i, before, last, letter = size + 1, after, 0, 0, 0
                continue
            i = after
            digit = _digit(code, zeros)
            changed += digit != code
            code = digit
            if spelling:
                found, size, before, last, letter = _sequence(
                    code, before, last, letter, pairs, finals, nuktas, signs, out, size
                )
                if found:
                    changed += 1
                    continue
            size = encode(code, out, size)
            before, last = last, code
            letter = code
        bounds[text + 1] = size
        replaced[text] = changed
    return size


@inlined
def _sequence(
    code: int,
    before: int,
    last: int,
    letter: int,
    pairs: npt.NDArray[np.uint16],
    finals: npt.NDArray[np.uint16],
    nuktas: npt.NDArray[np.bool_],
    signs: npt.NDArray[np.bool_],
    out: Bytes,
    size: int,
) -> tuple[bool, int, int, int, int]:
    """(whether `code` ends a sequence that is spelt otherwise and is now written so, then size, before, last, letter)."""
    if FIRST <= last < LAST and FIRST <= code < LAST:
        one = np.int64(pairs[last - FIRST, code - FIRST])
        if one:
            return True, encode(one, out, size - 3), before, one, one
        # behind a letter: two signs in a row are no spelling of anything
        letters = FIRST <= before < LAST and not signs[before - FIRST]
        if nuktas[code - FIRST] and signs[last - FIRST] and letters:
            return True, encode(last, out, encode(code, out, size - 3)), code, last, letter
    elif code in (_ZWJ, _ZWNJ):
        if last == code:
            return True, size, before, last, letter
        if code == _ZWJ and _is_virama(last) and FIRST <= before < LAST and finals[before - FIRST]:
            final = np.int64(finals[before - FIRST])
            return True, encode(final, out, size - 6), 0, final, final
    return False, size, before, last, letter


@inlined
def _pipes(data: Bytes, i: int, hi: int) -> int:
    """How many | stand at `i` in place of a danda or a double one, behind which a word ends; 0 for none."""
    if data[i] != _PIPE:
        return 0
    count = 1 + (i + 1 < hi and data[i + 1] == _PIPE)
    return count if i + count == hi or data[i + count] <= 0x20 else 0


@inlined
def _digit(code: int, zeros: npt.NDArray[np.int64]) -> int:
    """The ASCII digit for a digit that follows one of `zeros`; other code points as they are."""
    for zero in zeros:
        if zero <= code < zero + 10:
            return 0x30 + code - zero
    return code


@inlined
def _is_virama(code: int) -> bool:
    return (code == 0x9CD) | (code == 0xD4D)
