"""The engine of our own for byte-level BPEs: tables for the kernel, made from a tokenizer.json."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import bpe
from curate.kernels.bpe import Merges, Rules, Words
from curate.kernels.cache import folder_of
from curate.kernels.unicode import CODE_POINTS, kept_array

_TAIL = r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+" + _TAIL
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# The same behind a pre-tokenizer that takes each digit by itself (SmolLM): what stands before a digit is at an end, too.
GPT2_DIGITS = r"\p{N}|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"
# Ours: words are letters with their marks (of Indic scripts, too) behind at most one other sign; numbers in threes; the
# rest and line feeds in runs: the pattern of GPT-4 with \p{M}.
OWN = r"(?i:'(?:[sdmt]|ll|ve|re))|[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]+" + _TAIL
#: pattern -> (family, most digits of a number, whether digits stand apart, whether marks are letters)
PATTERNS = {
    GPT2: (bpe.GPT2, 0, False, False),
    GPT2_DIGITS: (bpe.GPT2, 1, True, False),
    _LLAMA3 % "{1,3}": (bpe.GPT4, 3, False, False),
    _LLAMA3 % "": (bpe.GPT4, 1, False, False),
    OWN: (bpe.GPT4, 3, False, True),
}
# Unicode's White_Space, which is what \s means to the engines of regular expressions.
WHITE = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
# Entries, bytes and ids of the table of words: 64 MB.
ENTRIES, ARENA, POOL = 1 << 20, 16 << 20, 4 << 20


def rules_of(pattern: str) -> Rules | None:
    """The rules of a known pattern."""
    if pattern not in PATTERNS:
        return None
    family, digits, alone, marks = PATTERNS[pattern]
    classes = _classes()
    table = np.where(classes == 6, bpe.LETTER if marks else bpe.OTHER, classes).astype(np.uint8)
    return Rules(table, family, digits, alone)


def _classes() -> npt.NDArray[np.uint8]:
    """The class of each code point; marks are 6."""
    path = folder_of(__file__) / f"bpe_classes_{unicodedata.unidata_version}.npy"
    return np.asarray(kept_array(path, _make_classes), np.uint8)


def _make_classes() -> npt.NDArray[np.uint8]:
    kinds = {"L": bpe.LETTER, "M": 6, "N": bpe.NUMBER}
    table = np.zeros(CODE_POINTS, np.uint8)
    for point in range(CODE_POINTS):
        category = unicodedata.category(chr(point))
        # what this Python's Unicode has not assigned, a newer one may call a letter
        table[point] = bpe.UNKNOWN if category == "Cn" else kinds.get(category[0], bpe.OTHER)
    for point in WHITE:
        table[point] = bpe.SPACE
    for point in (0x0A, 0x0D):
        table[point] = bpe.NEWLINE
    # (?i:'s) takes the long s for an s in some engines
    table[0x17F] = bpe.UNKNOWN
    return table


def merges_of(model: Mapping[str, Any], letters: Mapping[str, int]) -> Merges | None:
    """The table of pairs of a BPE model, or None where it is not byte-level."""
    vocabulary = model["vocab"]
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    if any(letter not in vocabulary for letter in letters):
        return None
    if any(part not in vocabulary for pair in pairs for part in (*pair, "".join(pair))):
        return None
    size = 1 << max(4, (4 * len(pairs)).bit_length())
    byte_ids = np.zeros(256, np.uint32)
    for letter, byte in letters.items():
        byte_ids[byte] = vocabulary[letter]
    table = Merges(byte_ids, np.zeros(size, np.uint64), np.zeros(size, np.int32), np.zeros(size, np.uint32))
    columns = [[vocabulary[a], vocabulary[b], vocabulary[a + b]] for a, b in pairs]
    left, right, made = np.ascontiguousarray(np.array(columns, np.uint32).reshape(-1, 3).T)
    bpe.add_pairs(left, right, made, table)
    return table


def words_of(model: Mapping[str, Any], letters: Mapping[str, int]) -> Words:
    """An empty table of words; with `ignore_merges`, one with every token of the vocabulary."""
    arena, pool = np.zeros(ARENA, np.uint8), np.zeros(POOL, np.uint32)
    made = Words(np.zeros((ENTRIES, 4), np.uint64), arena, pool, np.zeros(3, np.int64))
    if model.get("ignore_merges"):
        known = {
            bytes(letters[letter] for letter in token): number
            for token, number in model["vocab"].items()
            if token and all(letter in letters for letter in token)
        }
        ends = np.cumsum([0, *(len(raw) for raw in known)]).astype(np.int64)
        data = np.frombuffer(b"".join(known), np.uint8)
        bpe.add_words(data, ends, np.array(list(known.values()), np.uint32), made)
    return made
