"""The one word splitter: words as offsets, which every kernel that counts words takes as arguments.

Words are cut as spaCy's English tokenizer cuts them, for the filters of Gopher and FineWeb as datatrove runs them were
tuned on its words: split at white space (and what divides words in its place, as tsheg does), then punctuation, quotes and pictographs come off the edges one by one, then
contractions ("do" "n't"), then hyphens, slashes and full stops between letters. Addresses and abbreviations stay
whole. The rules use classes of code points, not lists of letters, so they hold for any script.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.kernels import entry, inlined, loop
from curate.kernels.affixes import APOSTROPHE, Classes, infix_length, is_address, prefix_length, suffix_length
from curate.kernels.ascii import BLANK, CAPITAL, FIGURE, JOINT, MARK, SMALL, STOP, WIDE, Kinds, kinds, word_end
from curate.kernels.groups import Alike, Counts, Hashes, alike
from curate.kernels.segments import DIVIDER, NO_WIDTH, segmented, unspaced_kinds
from curate.kernels.specials import find_special, specials
from curate.kernels.unicode import LETTER, SPACE, decode, tables
from curate.text import Bytes, Offsets, buffers

Positions = Counts
OTHER = 256  # a byte of no kind
UNSPACED = 512  # a character of a script without spaces, or a mark behind which a space may be missing


class Words(NamedTuple):
    """The words of n texts: text i has the words `first[i]` to `first[i + 1]`, word w is `data[start[w]:stop[w]]`."""

    start: Positions  # int32, bytes
    stop: Positions  # int32, bytes
    first: npt.NDArray[np.int64]  # n + 1


_latest: tuple[pa.Buffer, int, int, Words] | None = None


def words_of(text: pa.Array) -> Words:
    """The words of a string array, those of scripts without spaces by dictionary.

    The latest answer is remembered, for steps that follow each other ask the same.
    """
    held = _latest
    buffer = text.buffers()[2]
    if held is not None and buffer is not None and text.null_count == 0:
        same = held[0].address == buffer.address and held[0].size == buffer.size
        if same and held[1:3] == (text.offset, len(text)):
            return held[3]
    words = unremembered_words(text)
    remember_words(text, words)
    return words


def unremembered_words(text: pa.Array) -> Words:
    """As `words_of`; what is remembered stays."""
    data, offsets = buffers(text)
    return segmented(data, *split(data, offsets))


def remember_words(text: pa.Array, words: Words) -> None:
    """Have `words_of` answer with `words` when it is asked about `text` next."""
    global _latest
    buffer = text.buffers()[2]
    # holding the buffer keeps its address from being used again
    _latest = None if buffer is None or text.null_count else (buffer, text.offset, len(text), words)


_latest_alike: tuple[Bytes, Words, Alike] | None = None


def alike_of(data: Bytes, words: Words) -> Alike:
    """Which words of each text are the same. The latest answer is remembered, as that of `words_of`."""
    global _latest_alike
    held = _latest_alike
    if held is not None and held[1] is words and held[0].ctypes.data == data.ctypes.data and len(held[0]) == len(data):
        return held[2]
    found = alike(data, *words)
    _latest_alike = (data, words, found)
    return found


def split_words(data: Bytes, offsets: Offsets) -> Words:
    """The words of n texts given as UTF-8 bytes and n + 1 offsets; a clause of a script without spaces is one."""
    return split(data, offsets)[0]


def split(data: Bytes, offsets: Offsets) -> tuple[Words, npt.NDArray[np.bool_]]:
    """The words, and which of the n texts have characters on account of which `segmented` may cut them again."""
    room = int(offsets[-1] - offsets[0]) + 1
    # pages of memory that no word reaches are never touched
    start, stop = np.empty(room, np.int32), np.empty(room, np.int32)
    # where the punctuation starts that came off the end of one chunk, outermost first
    peeled = np.empty(int(np.diff(offsets).max(initial=0)) + 1, np.int32)
    first = np.empty(len(offsets), np.int64)
    unspaced = np.zeros(len(offsets) - 1, np.bool_)
    count = _split_all(
        data, offsets, tables().classes, kinds(), unspaced_kinds(), specials(), start, stop, first, peeled, unspaced
    )
    return Words(start[:count], stop[:count], first), unspaced


@entry
def _split_all(
    data: Bytes,
    offsets: Offsets,
    classes: Classes,
    kind: Kinds,
    script: Kinds,
    special: Hashes,
    start: Positions,
    stop: Positions,
    first: npt.NDArray[np.int64],
    peeled: Positions,
    unspaced: npt.NDArray[np.bool_],
) -> int:
    count = 0
    for text in range(len(offsets) - 1):
        first[text] = count
        i, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        while i < end:
            word = word_end(data, i, end)
            blank = word == end or kind[data[word]] & BLANK
            if word == i and blank:
                i += 1
                continue
            # most chunks are one word, or one word and one mark
            tail, step = word, 1
            if not blank and word > i and _is_mark(data, word, kind):
                step = _blank_length(data, word + 1, end, classes, kind)
                tail += step > 0
            if (blank or tail > word) and _is_common(data, i, word, tail, kind, special):
                start[count], stop[count] = i, word
                count += 1
                if tail > word:
                    start[count], stop[count] = word, tail
                    count += 1
                i = tail + step
                continue
            word, after, seen = _chunk_end(data, i, end, classes, kind, script)
            if seen & UNSPACED:
                unspaced[text] = True
            if word == i + 1:
                start[count], stop[count] = i, word
                count += 1
            elif word > i:
                count = _split_chunk(data, i, word, seen, classes, kind, special, start, stop, count, peeled)
            i = after
    first[len(offsets) - 1] = count
    return count


@inlined
def _is_mark(data: Bytes, at: int, kind: Kinds) -> bool:
    """Whether the last character of a chunk is a mark that comes off the word of ASCII letters and digits before it."""
    found = kind[data[at]]
    return found & MARK or (found & STOP and kind[data[at - 1]] & (SMALL | FIGURE))


@inlined
def _blank_length(data: Bytes, at: int, end: int, classes: Classes, kind: Kinds) -> int:
    """The bytes of the white space at `at`, 1 at the end of the text, else 0."""
    if at == end or kind[data[at]] & BLANK:
        return 1
    if kind[data[at]] & WIDE:
        code, after = decode(data, at, end)
        return after - at if classes[code] & SPACE else 0
    return 0


@inlined
def _is_common(data: Bytes, lo: int, hi: int, end: int, kind: Kinds, special: Hashes) -> bool:
    """Whether the ASCII letters and digits `data[lo:hi]`, and the chunk to `end`, are no special words nor quantities."""
    if kind[data[lo]] & FIGURE and not kind[data[hi - 1]] & FIGURE:
        return False
    if find_special(data, lo, hi, special) >= 0:
        return False
    return hi == end or find_special(data, lo, end, special) < 0


@inlined
def _chunk_end(data: Bytes, i: int, end: int, classes: Classes, kind: Kinds, script: Kinds) -> tuple[int, int, int]:
    """Where the chunk from `i` ends, where its white space does, and the kinds of all its bytes, as bits."""
    seen = np.int64(0)
    while i < end:
        found = np.int64(kind[data[i]])
        if found & BLANK:
            return i, i + 1, seen
        after = i + 1
        if found & WIDE:
            code, after = decode(data, i, end)
            if classes[code] & SPACE:
                return i, after, seen
            if script[code]:
                if script[code] & DIVIDER or (script[code] & NO_WIDTH and seen & UNSPACED):
                    return i, after, seen
                if script[code] != NO_WIDTH:
                    seen |= UNSPACED
        # a byte without a kind is a mark of its own
        seen |= found if found else OTHER
        i = after
    return end, end + 1, seen


@inlined
def _split_chunk(
    data: Bytes,
    lo: int,
    hi: int,
    seen: int,
    classes: Classes,
    kind: Kinds,
    special: Hashes,
    start: Positions,
    stop: Positions,
    count: int,
    peeled: Positions,
) -> int:
    """Write the words of the chunk without white space `data[lo:hi]` at `count`; the new count.

    `seen` are the kinds of its bytes. What follows from them and from its first and last byte alone is asked first:
    a call costs more than most answers.
    """
    end, depth = hi, 0
    plain = seen & ~(SMALL | FIGURE | CAPITAL) == 0
    figures = seen & FIGURE != 0
    found = find_special(data, lo, hi, special)
    while lo < hi and found < 0 and not (plain and depth == 0 and not kind[data[lo]] & FIGURE):
        before = 0
        if kind[data[lo]] & MARK:
            before = 1
        elif not kind[data[lo]] & (SMALL | FIGURE | CAPITAL) or (lo + 1 < hi and data[lo + 1] == ord("$")):
            before = prefix_length(data, lo, hi, classes)
        if before:
            start[count], stop[count] = lo, lo + before
            count += 1
            lo += before
            if lo == hi:
                break
            found = find_special(data, lo, hi, special)
            if found >= 0:
                break
        behind = 0
        if kind[data[hi - 1]] & MARK:
            behind = 1
        elif not kind[data[hi - 1]] & (SMALL | FIGURE | CAPITAL) or _may_be_suffix(data, lo, hi, figures, kind):
            behind = suffix_length(data, lo, hi, classes, special)
        if behind:
            hi -= behind
            peeled[depth] = hi
            depth += 1
            found = find_special(data, lo, hi, special)
        if not before and not behind:
            break
    if lo < hi:
        if found > 0:
            count = _cut(lo, hi, found, start, stop, count)
        elif found == 0 or plain or not seen & (JOINT | WIDE):
            start[count], stop[count] = lo, hi
            count += 1
        else:
            count = _split_middle(data, lo, hi, seen, classes, kind, start, stop, count)
    for place in range(depth - 1, -1, -1):
        start[count] = peeled[place]
        stop[count] = peeled[place - 1] if place else end
        count += 1
    return count


@inlined
def _may_be_suffix(data: Bytes, lo: int, hi: int, figures: bool, kind: Kinds) -> bool:
    """Whether a chunk that ends in an ASCII letter or digit may end in a unit or in 's."""
    if kind[data[hi - 1]] & FIGURE or hi - lo < 2:
        return False
    # 0x99 is the last byte of ’
    return figures or ((data[hi - 1] | 32) == ord("s") and (data[hi - 2] == APOSTROPHE or data[hi - 2] == 0x99))


@loop
def _cut(lo: int, hi: int, cuts: int, start: Positions, stop: Positions, count: int) -> int:
    """A contraction: its parts, cut at the lengths in the bytes of `cuts`."""
    left = lo
    while cuts:
        start[count], stop[count] = left, lo + (cuts & 0xFF)
        left = lo + (cuts & 0xFF)
        count += 1
        cuts >>= 8
    start[count], stop[count] = left, hi
    return count + 1


@inlined
def _split_middle(
    data: Bytes,
    lo: int,
    hi: int,
    seen: int,
    classes: Classes,
    kind: Kinds,
    start: Positions,
    stop: Positions,
    count: int,
) -> int:
    """Words of a chunk that has lost its edges, cut at marks between letters unless it is an address."""
    left = lo  # where the word in hand starts
    group = classes[0]  # of the character before
    digit = False
    i = lo
    # an address has a full stop
    checked = not seen & STOP
    while i < hi:
        run = word_end(data, i, hi)
        if run == hi:
            break
        if run > i:
            i = run
            group = classes[data[i - 1]]
            digit = kind[data[i - 1]] & FIGURE != 0
        code, after = decode(data, i, hi)
        length = 0
        if i > lo and (kind[data[i]] & JOINT or (code >= 0x80 and not classes[code] & LETTER)):
            length = infix_length(data, i, hi, code, after, group, digit, classes)
        if length:
            if not checked:
                if is_address(data, lo, hi, classes):
                    break
                checked = True
            if i > left:
                start[count], stop[count] = left, i
                count += 1
            start[count], stop[count] = i, i + length
            count += 1
            left = i + length
            after = left
            code = 0 if length > 1 else code
        group = classes[code]
        digit = False
        i = after
    if left < hi:
        start[count], stop[count] = left, hi
        count += 1
    return count
