"""Phrases found in texts by one automaton (Aho and Corasick 1975): one table look-up a byte, however many phrases.

Characters match in either case (simple lower case, one code point to one) and any white space matches a blank. Where a
phrase begins or ends with a letter or digit, none may stand beside it, unless the script parts no words by spaces.
Matches do not overlap: the leftmost counts, of those that start there the longest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined_entry, loop
from curate.kernels.affixes import previous
from curate.kernels.unicode import LETTER, SPACE, decode, tables
from curate.text import Bytes, Offsets

Integers = npt.NDArray[np.int32]

# the most bytes that all phrases together may have: the table takes up to 1 kB for each
MOST_BYTES = 200_000


class Automaton(NamedTuple):
    """What is looked up: state times `width` plus class of the byte -> the next state, twice that plus 1 if one ends."""

    following: Integers
    column: npt.NDArray[np.int32]  # byte -> its class, ASCII capitals as small letters
    width: int
    phrase: Integers  # state -> the phrase that ends there, or -1
    shorter: Integers  # state -> the longest suffix of it that ends a phrase, or -1
    length: Integers  # phrase -> code points
    words: Integers  # phrase -> words
    edges: npt.NDArray[np.uint8]  # phrase -> 1 if nothing may stand before it, 2 behind it


class Matches(NamedTuple):
    """The matches in n texts: text i has the matches `first[i]` to `first[i + 1]`, each of bytes `start` to `stop`."""

    start: Integers
    stop: Integers
    phrase: Integers
    first: npt.NDArray[np.int64]  # n + 1
    words: npt.NDArray[np.int64]  # n: the words of each text, matched or not


def folded(phrase: str) -> str:
    """The phrase as the automaton sees text: simple lower case, each white space a blank."""
    lower = tables().lower
    return "".join(" " if char.isspace() else chr(lower[ord(char)]) for char in phrase)


def automaton(phrases: Sequence[str], *, boundaries: bool = True) -> Automaton:
    """The automaton of phrases, none of them empty or, folded, twice; numbered as given. ValueError if too many."""
    encoded = [folded(phrase).encode() for phrase in phrases]
    if sum(map(len, encoded)) > MOST_BYTES:
        raise ValueError(f"the phrases have more than {MOST_BYTES:,} bytes together")
    used = sorted(set(b"".join(encoded)))
    column = np.zeros(256, np.int32)
    column[used] = np.arange(1, len(used) + 1)
    for capital in range(ord("A"), ord("Z") + 1):
        column[capital] = column[capital + 32]
    for blank in (9, 10, 11, 12, 13, 28, 29, 30, 31):
        column[blank] = column[32]
    children, phrase = _trie(encoded)
    following, shorter = _completed(children, phrase, column, len(used) + 1)
    return Automaton(
        following, column, len(used) + 1, phrase, shorter,
        length=np.array([len(phrase) for phrase in phrases], np.int32),
        words=np.array([_words_in(phrase) for phrase in phrases], np.int32),
        edges=np.array([_edges(phrase) if boundaries else 0 for phrase in phrases], np.uint8),
    )  # fmt: skip


def _words_in(phrase: str) -> int:
    data = np.frombuffer(phrase.encode(), np.uint8)
    return _count_words(data, 0, len(data), tables().classes, tables().word)


def _edges(phrase: str) -> int:
    first, last = (
        bool(is_word_part(ord(char), tables().classes, tables().word)) and not is_unspaced(ord(char))
        for char in (phrase[0], phrase[-1])
    )
    return first | last << 1


def _trie(encoded: Sequence[bytes]) -> tuple[list[dict[int, int]], Integers]:
    children: list[dict[int, int]] = [{}]
    ends: dict[int, int] = {}
    for number, phrase in enumerate(encoded):
        state = 0
        for byte in phrase:
            if byte not in children[state]:
                children[state][byte] = len(children)
                children.append({})
            state = children[state][byte]
        ends[state] = number
    found = np.full(len(children), -1, np.int32)
    found[list(ends)] = list(ends.values())
    return children, found


def _completed(
    children: list[dict[int, int]], phrase: Integers, column: Integers, width: int
) -> tuple[Integers, Integers]:
    """(the flat table of following states, the links to shorter phrases), breadth first."""
    count = len(children)
    table = np.zeros((count, width), np.int64)
    shorter = np.full(count, -1, np.int32)
    fallback = np.zeros(count, np.int64)
    queue = deque([0])
    while queue:
        state = queue.popleft()
        back = fallback[state]
        if state:
            table[state] = table[back]
            shorter[state] = back if phrase[back] >= 0 else shorter[back]
        for byte, child in children[state].items():
            fallback[child] = table[back, column[byte]] if state else 0
            table[state, column[byte]] = child
            queue.append(child)
    ends = (phrase >= 0) | (shorter >= 0)
    return (table * width * 2 + ends[table]).astype(np.int32).ravel(), shorter


def find(data: Bytes, offsets: Offsets, phrases: Automaton) -> Matches:
    """The matches in n texts given as UTF-8 bytes and n + 1 offsets."""
    room = int(offsets[-1] - offsets[0]) + 1
    # pages of memory that no match reaches are never touched
    start, stop, phrase = (np.empty(room, np.int32) for _ in range(3))
    first, words = np.empty(len(offsets), np.int64), np.empty(len(offsets) - 1, np.int64)
    classes, word, lower = tables()
    count = _find_all(data, offsets, *phrases, classes, word, lower, start, stop, phrase, first, words)
    return Matches(start[:count], stop[:count], phrase[:count], first, words)


@entry
def _find_all(
    data: Bytes,
    offsets: Offsets,
    following: Integers,
    column: Integers,
    width: int,
    phrase: Integers,
    shorter: Integers,
    length: Integers,
    phrase_words: Integers,
    edges: npt.NDArray[np.uint8],
    classes: npt.NDArray[np.uint16],
    word: npt.NDArray[np.uint8],
    lower: npt.NDArray[np.uint32],
    start: Integers,
    stop: Integers,
    found: Integers,
    first: npt.NDArray[np.int64],
    words: npt.NDArray[np.int64],
) -> int:
    count = 0
    for text in range(len(offsets) - 1):
        first[text] = count
        begin, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        words[text] = _count_words(data, begin, end, classes, word)
        i, state, base = begin, np.int64(0), count
        while i < end:
            byte = data[i]
            if byte < 0x80:
                state = np.int64(following[(state >> 1) + column[byte]])
                i += 1
            else:
                state, i = _feed(data, i, end, following, column, state, classes, lower)
            if state & 1:
                here = (state >> 1) // width
                while here >= 0:
                    number = np.int64(phrase[here])
                    if number >= 0:
                        at = _back(data, begin, i, length[number])
                        if _is_apart(data, begin, at, i, end, edges[number], classes, word):
                            count = _keep(start, stop, found, base, count, at, i, number)
                    here = np.int64(shorter[here])
    first[len(offsets) - 1] = count
    return count


@loop
def _feed(
    data: Bytes,
    i: int,
    end: int,
    following: Integers,
    column: Integers,
    state: int,
    classes: npt.NDArray[np.uint16],
    lower: npt.NDArray[np.uint32],
) -> tuple[int, int]:
    """The state behind the character beyond ASCII at `i`, and where the next one starts."""
    code, after = decode(data, i, end)
    low = np.int64(lower[code])
    if classes[code] & SPACE:
        low = np.int64(32)
    if low == code:
        for k in range(i, after):
            state = np.int64(following[(state >> 1) + column[data[k]]])
        return state, after
    if low < 0x80:
        return np.int64(following[(state >> 1) + column[low]]), after
    if low < 0x800:
        state = np.int64(following[(state >> 1) + column[0xC0 | low >> 6]])
    else:
        if low < 0x10000:
            state = np.int64(following[(state >> 1) + column[0xE0 | low >> 12]])
        else:
            state = np.int64(following[(state >> 1) + column[0xF0 | low >> 18]])
            state = np.int64(following[(state >> 1) + column[0x80 | (low >> 12 & 0x3F)]])
        state = np.int64(following[(state >> 1) + column[0x80 | (low >> 6 & 0x3F)]])
    return np.int64(following[(state >> 1) + column[0x80 | (low & 0x3F)]]), after


@loop
def _back(data: Bytes, begin: int, i: int, characters: int) -> int:
    """Where the text begins that is so many characters long and ends at `i`."""
    for _ in range(characters):
        i = previous(data, begin, i)
    return i


@loop
def _is_apart(
    data: Bytes,
    begin: int,
    start: int,
    stop: int,
    end: int,
    edges: int,
    classes: npt.NDArray[np.uint16],
    word: npt.NDArray[np.uint8],
) -> bool:
    """Whether no word goes on beyond the edges of `data[start:stop]` that must be a word's."""
    if edges & 1 and start > begin:
        code, _ = decode(data, previous(data, begin, start), start)
        if is_word_part(code, classes, word):
            return False
    if edges & 2 and stop < end:
        code, _ = decode(data, stop, end)
        if is_word_part(code, classes, word):
            return False
    return True


@loop
def _keep(
    start: Integers, stop: Integers, found: Integers, base: int, count: int, at: int, end: int, number: int
) -> int:
    """Add a match that ends last of all so far, unless one that starts before it reaches into it; the new count."""
    kept = count
    while kept > base and start[kept - 1] >= at:
        if stop[kept - 1] == end and start[kept - 1] == at:
            return count
        kept -= 1
    if kept > base and stop[kept - 1] > at:
        return count
    start[kept], stop[kept], found[kept] = at, end, number
    return kept + 1


@inlined_entry
def is_word_part(code: int, classes: npt.NDArray[np.uint16], word: npt.NDArray[np.uint8]) -> bool:
    """Whether a code point is a letter, digit, underscore or combining mark."""
    return (word[code] != 0) | ((classes[code] & LETTER) != 0)


@inlined_entry
def is_unspaced(code: int) -> bool:
    """Whether a code point is of a script that parts no words by spaces: Han, kana, Thai, Lao, Khmer, Burmese."""
    if code < 0x0E00:
        return False
    return (
        (code <= 0x0EFF)
        | ((code >= 0x1000) & (code <= 0x109F))
        | ((code >= 0x1780) & (code <= 0x17FF))
        | ((code >= 0x3005) & (code <= 0x3007))
        | ((code >= 0x3040) & (code <= 0x30FF))
        | ((code >= 0x31F0) & (code <= 0x31FF))
        | ((code >= 0x3400) & (code <= 0x9FFF))
        | ((code >= 0xF900) & (code <= 0xFAFF))
        | ((code >= 0xFF66) & (code <= 0xFF9D))
        | (code >= 0x20000)
    )


@entry
def _count_words(data: Bytes, i: int, end: int, classes: npt.NDArray[np.uint16], word: npt.NDArray[np.uint8]) -> int:
    """Runs of letters, digits, underscores and marks; each letter of a script without spaces is a word of its own."""
    count, inside = 0, False
    while i < end:
        code, after = decode(data, i, end)
        part = is_word_part(code, classes, word)
        if part and is_unspaced(code):
            count += 1
            inside = False
        else:
            count += part & (not inside)
            inside = part
        i = after
    return count
