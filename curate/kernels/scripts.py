"""Which scripts the letters of a text belong to, counted over UTF-8.

The Unicode database of Python has no script property; the names of characters begin with the script's, so the table is made
from them once and kept in the kernels' cache folder. Letters and combining marks of a script count, marks common to
several scripts, digits and punctuation do not.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
import numpy.typing as npt

from curate.kernels import entry
from curate.kernels.cache import folder_of
from curate.kernels.script_names import NAMES, SCRIPTS
from curate.kernels.unicode import CODE_POINTS, LAST, decode, kept_array
from curate.text import Bytes, Offsets

OTHER = len(SCRIPTS) - 1
#: no letter, or one of no script
NO_SCRIPT = 255

Scripts = npt.NDArray[np.uint8]


@functools.cache
def script_table() -> Scripts:
    """The number of each code point's script, or NO_SCRIPT; `CODE_POINTS` entries, read-only."""
    path = folder_of(__file__) / f"scripts_{unicodedata.unidata_version}.npy"
    table = kept_array(path, _make)
    table.flags.writeable = False
    return table


def _make() -> Scripts:
    table = np.full(CODE_POINTS, NO_SCRIPT, np.uint8)
    number = {prefix: SCRIPTS.index(code) for prefix, code in NAMES.items()}
    longest = sorted(number, key=len, reverse=True)
    first_words: dict[str, list[str]] = {}
    for prefix in longest:
        first_words.setdefault(prefix.split()[0], []).append(prefix)
    for code in range(LAST):
        char = chr(code)
        if unicodedata.category(char)[0] not in "LM":
            continue
        name = unicodedata.name(char, "")
        word = name.replace("-", " ").partition(" ")[0]
        found = next((p for p in first_words.get(word, []) if name.startswith(p)), None)
        if found:
            table[code] = number[found]
        elif char.isalpha() and not name.startswith("MODIFIER LETTER"):
            table[code] = OTHER
    return table


def script_counts(data: Bytes, offsets: Offsets, most: int = 1 << 31) -> npt.NDArray[np.int32]:
    """How many letters of each of `SCRIPTS` the first `most` bytes of n texts have: n x len(SCRIPTS)."""
    counts = np.zeros((len(offsets) - 1, len(SCRIPTS)), np.int32)
    _count(data, offsets, most, script_table(), counts)
    return counts


@entry
def _count(data: Bytes, offsets: Offsets, most: int, table: Scripts, counts: npt.NDArray[np.int32]) -> None:
    for text in range(len(offsets) - 1):
        i, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        hi = min(hi, i + most)
        row = counts[text]
        latin = 0
        while i < hi:
            byte = data[i]
            if byte < 0x80:
                latin += ((byte | 0x20) >= 0x61) & ((byte | 0x20) <= 0x7A)
                i += 1
                continue
            code, i = decode(data, i, hi)
            script = table[code]
            if script != NO_SCRIPT:
                row[script] += 1
        row[0] += latin
