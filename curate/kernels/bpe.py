"""Byte-level BPE: texts -> token ids as Hugging Face's tokenizers give them, with each distinct word merged once.

A text is cut into words by the rules of one of the patterns that GPT-2, GPT-4, Llama 3, Qwen 2, SmolLM and our own
tokenizers use; words are looked up in a table that grows; a new word is merged pair by pair, the pair of the lowest rank
first, the leftmost of equals. What a table of this Python's Unicode cannot know (characters that it has not assigned) or
what would be slow (words of kilobytes) is not encoded but reported: such a text goes through the library.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, kernel, loop
from curate.kernels.hashing import mix64
from curate.kernels.unicode import decode
from curate.text import Bytes, Offsets

# Classes of code points. NEWLINE is white space, too.
OTHER, LETTER, NUMBER, SPACE, NEWLINE, UNKNOWN = 0, 1, 2, 3, 4, 5
# Families of patterns.
GPT2, GPT4 = 0, 1
MOST_BYTES = 2048
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_0, _1, _8, _29, _32 = np.uint64(0), np.uint64(1), np.uint64(8), np.uint64(29), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)

Ids = npt.NDArray[np.uint32]
Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]


class Rules(NamedTuple):
    """How words are cut. `classes`: of each code point. `digits`: the most of a number, 0 for all; `alone`: digits stand
    apart before anything else is looked at (a pre-tokenizer of their own)."""

    classes: npt.NDArray[np.uint8]
    family: int
    digits: int
    alone: bool


class Merges(NamedTuple):
    """`bytes`: the id of each byte; a hash table of pairs: `keys` (left id << 32 | right id, plus 1; 0: empty), `ranks`, `ids`."""

    bytes: Ids
    keys: Hashes
    ranks: npt.NDArray[np.int32]
    ids: Ids


class Words(NamedTuple):
    """The words seen, as a hash table whose entry fills half a line of the cache: (hash, place of its bytes in `arena` <<
    32 | their number, place of its ids in `pool` << 32 | their number, its first 8 bytes). An only id stands in its place
    itself. An entry is empty where the number of bytes is 0. `used`: entries, bytes, ids; what is full takes up no more.
    """

    entries: Hashes
    arena: Bytes
    pool: Ids
    used: Integers


@inlined
def _class_at(data: Bytes, i: int, end: int, classes: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """The class of the character at byte i, and where the next begins; (-1, end) at the end."""
    if i >= end:
        return -1, end
    byte = data[i]
    if byte < 0x80:
        return np.int64(classes[byte]), i + 1
    point, following = decode(data, i, end)
    return np.int64(classes[point]), following


@inlined
def _run(data: Bytes, i: int, end: int, kind: int, classes: npt.NDArray[np.uint8], most: int) -> int:
    """Behind the characters of one class from i on, at most `most` of them (0: all)."""
    count = 0
    while i < end:
        found, following = _class_at(data, i, end, classes)
        if found != kind:
            break
        i = following
        count += 1
        if count == most:
            break
    return i


@inlined
def _contraction(data: Bytes, i: int, end: int, any_case: bool) -> int:
    """Behind `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d` at i, or i."""
    if data[i] != 0x27 or i + 1 >= end:
        return i
    a = np.int64(data[i + 1])
    b = np.int64(data[i + 2]) if i + 2 < end else np.int64(0)
    if any_case:
        a = a | 0x20 if 0x41 <= a <= 0x5A else a
        b = b | 0x20 if 0x41 <= b <= 0x5A else b
    if a == 0x73 or a == 0x74 or a == 0x6D or a == 0x64:
        return i + 2
    if (a == 0x72 and b == 0x65) or (a == 0x76 and b == 0x65) or (a == 0x6C and b == 0x6C):
        return i + 3
    return i


@loop
def _blanks(data: Bytes, i: int, end: int, rules: Rules) -> int:
    """The end of the word that begins with white space at i, and goes on with more of it alone."""
    at, last, line = i, i, i
    while at < end:
        found, following = _class_at(data, at, end, rules.classes)
        if found != SPACE and found != NEWLINE:
            break
        last = at
        at = following
        if found == NEWLINE:
            line = at
    if rules.family == GPT4 and line > i:
        return line
    if at < end and last > i:
        if rules.alone and _class_at(data, at, end, rules.classes)[0] == NUMBER:
            return at
        return last
    return at


@inlined
def word_end(data: Bytes, i: int, end: int, rules: Rules) -> int:
    """Where the word that begins at i ends."""
    kind, following = _class_at(data, i, end, rules.classes)
    if data[i] == 0x27:
        contracted = _contraction(data, i, end, rules.family == GPT4)
        if contracted > i:
            return contracted
    if kind == LETTER:
        return _run(data, following, end, LETTER, rules.classes, 0)
    if kind == NUMBER:
        return following if rules.digits == 1 else _run(data, following, end, NUMBER, rules.classes, rules.digits - 1)
    after, behind = _class_at(data, following, end, rules.classes)
    if rules.family == GPT4 and kind != NEWLINE and after == LETTER:
        return _run(data, behind, end, LETTER, rules.classes, 0)
    if data[i] == 0x20:
        if after == OTHER:
            kind = OTHER
        elif rules.family == GPT2 and (after == LETTER or (after == NUMBER and not rules.alone)):
            return _run(data, behind, end, after, rules.classes, 0)
    if kind == OTHER:
        at = _run(data, following, end, OTHER, rules.classes, 0)
        return _run(data, at, end, NEWLINE, rules.classes, 0) if rules.family == GPT4 else at
    return _blanks(data, i, end, rules)


@inlined
def _eight(data: Bytes, i: int, end: int) -> Any:
    """Up to eight bytes from i on as one number."""
    value, shift = _0, _0
    for k in range(i, min(end, i + 8)):
        value |= np.uint64(data[k]) << shift
        shift += _8
    return value


@inlined
def _hash(data: Bytes, i: int, end: int, head: Any) -> Any:
    value = (head ^ np.uint64(end - i)) * _PRIME
    for k in range(i + 8, end, 8):
        value = (value ^ (value >> _29) ^ _eight(data, k, end)) * _PRIME
    return mix64(value)


@inlined
def _find(words: Words, value: Any, head: Any, data: Bytes, i: int, end: int) -> int:
    """The entry of a word, or -1 - the empty one where it would stand."""
    entries, size = words.entries, np.uint64(end - i)
    mask = np.uint64(len(entries) - 1)
    at = value & mask
    while True:
        place = entries[at, 1]
        if place == _0:
            return -1 - np.int64(at)
        if entries[at, 0] == value and entries[at, 3] == head and (place & _LOW) == size:
            start = np.int64(place >> _32)
            same = True
            for k in range(8, end - i):
                if words.arena[start + k] != data[i + k]:
                    same = False
                    break
            if same:
                return np.int64(at)
        at = (at + _1) & mask


@loop
def _pair(merges: Merges, left: Any, right: Any) -> int:
    """The entry of a pair, or -1."""
    key = ((np.uint64(left) << _32) | np.uint64(right)) + _1
    mask = np.uint64(len(merges.keys) - 1)
    at = mix64(key) & mask
    while merges.keys[at] != _0:
        if merges.keys[at] == key:
            return np.int64(at)
        at = (at + _1) & mask
    return -1


@loop
def merge_word(data: Bytes, i: int, end: int, merges: Merges, out: Ids, entries: Integers) -> int:
    """The ids of one word into `out`; how many. `entries` is scratch as long as the word."""
    count = end - i
    for k in range(count):
        out[k] = merges.bytes[data[i + k]]
    for k in range(count - 1):
        entries[k] = _pair(merges, out[k], out[k + 1])
    while count > 1:
        best, rank = -1, np.int64(1 << 40)
        for k in range(count - 1):
            if entries[k] >= 0 and merges.ranks[entries[k]] < rank:
                best, rank = k, np.int64(merges.ranks[entries[k]])
        if best < 0:
            break
        out[best] = merges.ids[entries[best]]
        for k in range(best + 1, count - 1):
            out[k] = out[k + 1]
            entries[k] = entries[k + 1]
        count -= 1
        if best > 0:
            entries[best - 1] = _pair(merges, out[best - 1], out[best])
        if best < count - 1:
            entries[best] = _pair(merges, out[best], out[best + 1])
    return count


@loop
def _keep(words: Words, at: int, value: Any, head: Any, data: Bytes, i: int, end: int, ids: Ids, count: int) -> None:
    """Take up a word, if there is room."""
    used = words.used
    full = used[0] * 4 >= len(words.entries) * 3 or used[1] + end - i > len(words.arena)
    if full or used[2] + count > len(words.pool):
        return
    entry = words.entries[at]
    entry[0] = value
    entry[1] = (np.uint64(used[1]) << _32) | np.uint64(end - i)
    entry[2] = (np.uint64(ids[0] if count == 1 else used[2]) << _32) | np.uint64(count)
    entry[3] = head
    for k in range(end - i):
        words.arena[used[1] + k] = data[i + k]
    for k in range(count if count > 1 else 0):
        words.pool[used[2] + k] = ids[k]
    used[0] += 1
    used[1] += end - i
    used[2] += count if count > 1 else 0


@entry
def encode_texts(
    data: Bytes,
    offsets: Offsets,
    rules: Rules,
    merges: Merges,
    words: Words,
    ids: Ids,
    ends: Integers,
    out: Ids,
    entries: Integers,
) -> int:
    """The ids of n texts into `ids`, which has room for one a byte; where each ends into `ends`, (n,), with a minus sign,
    less 1, where a text was left out. How many ids there are. `out` and `entries` are scratch for MOST_BYTES."""
    total = np.int64(0)
    for text in range(len(offsets) - 1):
        i, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        begun, known = total, not _has_unknown(data, i, end, rules.classes)
        while known and i < end:
            stop = word_end(data, i, end, rules)
            if stop - i > MOST_BYTES:
                known = False
                break
            head = _eight(data, i, stop)
            value = _hash(data, i, stop, head)
            at = _find(words, value, head, data, i, stop)
            if at >= 0:
                found = words.entries[at, 2]
                count, first = np.int64(found & _LOW), np.int64(found >> _32)
                if count == 1:
                    ids[total] = first
                else:
                    for k in range(count):
                        ids[total + k] = words.pool[first + k]
                total += count
            else:
                count = merge_word(data, i, stop, merges, out, entries)
                for k in range(count):
                    ids[total + k] = out[k]
                total += count
                _keep(words, -1 - at, value, head, data, i, stop, out, count)
            i = stop
        if not known:
            total = begun
        ends[text] = total if known else -1 - total
    return total


@loop
def _has_unknown(data: Bytes, i: int, end: int, classes: npt.NDArray[np.uint8]) -> bool:
    while i < end:
        if data[i] < 0x80:
            i += 1
            continue
        found, i = _class_at(data, i, end, classes)
        if found == UNKNOWN:
            return True
    return False


@kernel
def add_pairs(left: Ids, right: Ids, made: Ids, merges: Merges) -> None:
    """Fill the table of pairs: pair k of rank k becomes `made[k]`."""
    mask = np.uint64(len(merges.keys) - 1)
    for k in range(len(left)):
        key = ((np.uint64(left[k]) << _32) | np.uint64(right[k])) + _1
        at = mix64(key) & mask
        while merges.keys[at] != _0:
            if merges.keys[at] == key:
                break
            at = (at + _1) & mask
        if merges.keys[at] == _0:
            merges.keys[at] = key
            merges.ranks[at] = k
            merges.ids[at] = made[k]


@kernel
def add_words(data: Bytes, offsets: Integers, made: Ids, words: Words) -> None:
    """Take up words that are one token each, whatever their merges say."""
    one = np.empty(1, np.uint32)
    for k in range(len(offsets) - 1):
        i, end = offsets[k], offsets[k + 1]
        head = _eight(data, i, end)
        value = _hash(data, i, end, head)
        at = _find(words, value, head, data, i, end)
        if at < 0:
            one[0] = made[k]
            _keep(words, -1 - at, value, head, data, i, end, one, 1)
