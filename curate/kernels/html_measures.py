"""What is counted of a page's blocks before features are made: characters by kind, sums over elements, scores.

Nothing here needs a language: letters, digits, punctuation and ideographs are counted, no word is known. Sums over the
blocks of an element come of running sums, since blocks of an element are a range.
"""

# isort: off
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.groups import GOLDEN, hash_range
from curate.kernels.html_state import (
    BLOCKS, ELEMENT, ELEMENTS, END_BLOCK, FIRST_BLOCK, HIDDEN, HOLDER, IN_ONE, LINKED, PARENT, PATH, SIGN, START, STOP,
    TAG, Scratch,
)  # fmt: skip
from curate.kernels.html_tags import ARTICLE, IN_PRE, IN_TABLE, P
from curate.kernels.vectors import WIDTH, marks, ones
from curate.text import Bytes

Numbers = npt.NDArray[np.float32]
Sums = npt.NDArray[np.int64]

#: what is counted of the text of a block
SIZE, TOKENS, DIGITS, UPPER, COMMAS, STOPS, IDEOGRAPHS, LETTERS, FIRST, LAST, SIGNS, SAME, ACTIVE, TITLE_WORD = range(
    14
)
#: whether it is the numbers of the lines of code in the cell beside it
LINE_NUMBERS = 14
COUNTS = 15
#: what is summed over the blocks of an element
S_SIZE, S_LINKED, S_BLOCKS, S_LONG, S_COMMAS, S_PARAGRAPHS = range(6)
SUMS = 6
#: of the page: what `measure` finds once
(
    TOTAL,
    LINK_SHARE,
    BLOCK_COUNT,
    LONG_SHARE,
    PARAGRAPH_SHARE,
    ARTICLES,
    TOP,
    ROOT,
    TOP_SCORE,
    HIDDEN_SHARE,
    RELAXED,
    CJK,
) = range(12)
MOST_OWN, MOST_KIN, MOST_ARTICLE, FIRST_ARTICLE = 12, 13, 14, 15
PAGE_FIELDS = 16

#: a block of this size and few links is one of running text
LONG = 80


#: kinds of characters
OTHER, SMALL, CAPITAL, FIGURE, COMMA, FULL_STOP, IDEOGRAPH, LETTER, BLANK, SIGN_MARK, COLON, QUOTE, WIDE = range(13)
_0, _1 = np.uint64(0), np.uint64(1)
#: masks of the bytes beyond ASCII, of words, and of some kinds
_kinds = marks(
    [(128, 255)], [(97, 122), (65, 90), (48, 57), 95], [(48, 57)], [(65, 90)], [44, 59], [33, 46, 63], [47, 62, 64, 124]
)


def character_kinds() -> npt.NDArray[np.uint8]:
    """The kind of each byte; WIDE where it begins or continues a longer character."""
    kinds = np.full(256, OTHER, np.uint8)
    kinds[:33], kinds[97:123], kinds[65:91], kinds[48:58], kinds[128:] = BLANK, SMALL, CAPITAL, FIGURE, WIDE
    marks = {",;": COMMA, ".!?": FULL_STOP, "_": LETTER, "|>@/": SIGN_MARK, ":": COLON, '"': QUOTE}
    for listed, kind in marks.items():
        kinds[[ord(mark) for mark in listed]] = kind
    return kinds


class Measures(NamedTuple):
    """Room for what is counted before features are made."""

    counts: npt.NDArray[np.int32]  # COUNTS x blocks
    sums: Sums  # SUMS x (blocks + 2): running sums
    scores: Numbers  # elements: as Readability has it, paragraphs give to their parent and its parent
    best: Numbers  # elements: the highest score of it and its ancestors
    page: npt.NDArray[np.float64]  # PAGE_FIELDS
    hashes: npt.NDArray[np.uint64]  # an open table, twice the blocks and a power of two
    repeated: npt.NDArray[np.int32]  # beside it
    own: Sums  # elements: the text of the blocks whose parent it is
    kin: npt.NDArray[np.int64]  # 3 x slots of the table: size, links, number of blocks in containers of the same look
    slot: npt.NDArray[np.int32]  # blocks: where its text, and then its kin, are in the table
    kinds: npt.NDArray[np.uint8]  # of bytes: `character_kinds`


@inlined
def _wide_kind(data: Bytes, i: int, stop: int) -> tuple[int, int]:
    """(What a character beyond ASCII is, its bytes)."""
    first = data[i]
    if first < 0xE0:
        if i + 1 < stop and first == 0xD8 and (data[i + 1] == 0x8C or data[i + 1] == 0x9B or data[i + 1] == 0x9F):
            return (FULL_STOP, 2) if data[i + 1] == 0x9F else (COMMA, 2)
        if first == 0xC2:
            return (SIGN_MARK, 2) if i + 1 < stop and (data[i + 1] == 0xA9 or data[i + 1] == 0xBB) else (OTHER, 2)
        return LETTER, 2
    if first >= 0xF0:
        return OTHER, 4
    if i + 2 >= stop:
        return LETTER, 3
    second, third = data[i + 1], data[i + 2]
    if first == 0xE3 and second == 0x80:
        return (COMMA, 3) if third == 0x81 else (FULL_STOP, 3) if third == 0x82 else (OTHER, 3)
    if first == 0xEF and second == 0xBC:
        return (COMMA, 3) if third == 0x8C else (FULL_STOP, 3) if third == 0x81 or third == 0x9F else (OTHER, 3)
    if first == 0xE2:
        return OTHER, 3
    if first == 0xE0 and second == 0xA5 and third == 0xA4:
        return FULL_STOP, 3
    return (IDEOGRAPH, 3) if 0xE3 <= first <= 0xE9 else (LETTER, 3)


@loop
def count_text(text: Bytes, start: int, stop: int, m: Measures, block: int) -> None:
    """Count the characters of one block by kind; it begins and ends with no white space.

    Reads up to WIDTH bytes behind it.
    """
    size = letters = tokens = digits = capitals = commas = stops = signs = ideographs = _0
    in_word, i, last = _0, start, np.int64(m.kinds[text[stop - 1]])
    while i < stop:
        wide, word, digit, capital, comma, full_stop, sign = _kinds(text, i)
        # up to the first character beyond ASCII, or to the end
        mask = ((wide & (_0 - wide)) - _1) & ((_1 << np.uint64(min(stop - i, WIDTH))) - _1)
        count = ones(mask)
        if count:
            word &= mask
            letters += ones(word)
            tokens += ones(word & ~(word << _1 | in_word))
            in_word = word >> (count - _1)
            digits += ones(digit & mask)
            capitals += ones(capital & mask)
            commas += ones(comma & mask)
            stops += ones(full_stop & mask)
            signs += ones(sign & mask)
            size += count
            i += np.int64(count)
        while i < stop:
            if text[i] < 128:
                # a blank between two words of such characters is not worth a step of many bytes
                if text[i] != 32 or text[i + 1] < 128:
                    break
                size += _1
                in_word = _0
                i += 1
            last, width = _wide_kind(text, i, stop)
            i += width
            size += _1
            if last == LETTER:
                letters += _1
                tokens += _1 - in_word
                in_word = _1
                continue
            in_word = _0
            ideographs += np.uint64(last == IDEOGRAPH)
            commas += np.uint64(last == COMMA)
            stops += np.uint64(last == FULL_STOP)
            signs += np.uint64(last == SIGN_MARK)
    counts = m.counts
    counts[block, SIZE] = size + ideographs
    counts[block, TOKENS] = tokens + (ideographs + _1) // np.uint64(2)
    counts[block, DIGITS] = digits
    counts[block, UPPER] = capitals
    counts[block, COMMAS] = commas
    counts[block, STOPS] = stops
    counts[block, IDEOGRAPHS] = ideographs
    counts[block, LETTERS] = letters + ideographs
    first, ends = np.int64(m.kinds[text[start]]), np.int64(m.kinds[text[stop - 1]])
    counts[block, FIRST] = _wide_kind(text, start, stop)[0] if first == WIDE else first
    counts[block, LAST] = last if ends == WIDE else ends
    counts[block, SIGNS] = signs


@loop
def _count_copies(s: Scratch, m: Measures) -> None:
    """Of each block, how many blocks of the page have the same text."""
    blocks, size = s.state[BLOCKS], 8
    while size < 2 * blocks:
        size *= 2
    mask = np.uint64(size - 1)
    m.hashes[:size] = 0
    m.repeated[:size] = 0
    for block in range(blocks):
        value = hash_range(s.text, np.int64(s.blocks[block, START]), np.int64(s.blocks[block, STOP]))
        slot = (value * GOLDEN >> np.uint64(20)) & mask
        while m.hashes[slot] != np.uint64(0) and m.hashes[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        m.hashes[slot] = value
        m.repeated[slot] += 1
        m.slot[block] = np.int64(slot)
    for block in range(blocks):
        m.counts[block, SAME] = m.repeated[m.slot[block]]


@loop
def _counts_up(text: Bytes, start: int, stop: int) -> bool:
    """Whether a text is two numbers or more, a line each, every one the next of that before."""
    i, before, lines = start, np.int64(-1), 0
    while i < stop:
        number, digits = np.int64(0), 0
        while i < stop and text[i] == 32:
            i += 1
        while i < stop and 48 <= text[i] <= 57 and digits < 9:
            number = 10 * number + np.int64(text[i]) - 48
            digits += 1
            i += 1
        if digits == 0 or (i < stop and text[i] != 10) or (lines and number != before + 1):
            return False
        before, lines, i = number, lines + 1, i + 1
    return lines > 1


@loop
def count_blocks(data: Bytes, s: Scratch, m: Measures) -> None:
    """Count the text of every block, and find those that the title begins with; `data` is the page."""
    start, stop = s.fields[0, 0], s.fields[0, 1]
    for block in range(s.state[BLOCKS]):
        first, last = np.int64(s.blocks[block, START]), np.int64(s.blocks[block, STOP])
        count_text(s.text, first, last, m, block)
        same = min(last - first, np.int64(24))
        found = stop - start >= same and same >= 6
        if found:
            for k in range(same):
                if data[start + k] != s.text[first + k]:
                    found = False
                    break
        m.counts[block, TITLE_WORD] = found
        path = s.elements[s.blocks[block, ELEMENT], PATH]
        m.counts[block, LINE_NUMBERS] = path & IN_PRE and path & IN_TABLE and _counts_up(s.text, first, last)
    _count_copies(s, m)


@inlined
def is_long(s: Scratch, m: Measures, block: int) -> bool:
    size = m.counts[block, SIZE]
    width = s.blocks[block, STOP] - s.blocks[block, START]
    return size >= LONG and s.blocks[block, LINKED] * 3 < width


@inlined
def linked_size(s: Scratch, m: Measures, block: int) -> int:
    """The part of the block's size that is linked."""
    width = max(s.blocks[block, STOP] - s.blocks[block, START], 1)
    return np.int64(m.counts[block, SIZE]) * min(s.blocks[block, LINKED], width) // width


@inlined
def sum_of(sums: Sums, elements: npt.NDArray[np.int32], element: int, what: int) -> int:
    return sums[elements[element, END_BLOCK], what] - sums[elements[element, FIRST_BLOCK], what]


@inlined
def holder_above(elements: npt.NDArray[np.int32], element: int) -> int:
    """The block-level element around one; the page's own stays."""
    return np.int64(elements[elements[element, PARENT], HOLDER])


@loop
def measure(s: Scratch, m: Measures, relaxed: bool) -> None:
    """Which blocks count (`ACTIVE`; hidden ones only if `relaxed`), running sums, scores, what is said of the page."""
    blocks, sums = s.state[BLOCKS], m.sums
    sums[0, :] = 0
    hidden_size = ideographs = np.int64(0)
    total = linked = count = long = commas = paragraphs = np.int64(0)
    for block in range(blocks):
        element, size = s.blocks[block, ELEMENT], m.counts[block, SIZE]
        hidden = s.elements[element, HIDDEN] != 0
        active = (relaxed or not hidden) and not m.counts[block, LINE_NUMBERS]
        m.counts[block, ACTIVE] = active
        hidden_size += size if hidden else 0
        if active:
            total += size
            linked += linked_size(s, m, block)
            count += 1
            long += size if is_long(s, m, block) else 0
            commas += m.counts[block, COMMAS]
            paragraphs += size if s.elements[element, TAG] == P else 0
            ideographs += m.counts[block, IDEOGRAPHS]
        sums[block + 1, S_SIZE], sums[block + 1, S_LINKED], sums[block + 1, S_BLOCKS] = total, linked, count
        sums[block + 1, S_LONG], sums[block + 1, S_COMMAS], sums[block + 1, S_PARAGRAPHS] = long, commas, paragraphs
    # an element may end behind a block that came to nothing
    for what in range(SUMS):
        sums[blocks + 1, what] = sums[blocks, what]
    page = m.page
    page[TOTAL] = total
    total = max(total, 1)
    page[LINK_SHARE] = linked / total
    page[BLOCK_COUNT] = count
    page[LONG_SHARE] = long / total
    page[PARAGRAPH_SHARE] = paragraphs / total
    page[HIDDEN_SHARE] = hidden_size / (hidden_size + total)
    page[RELAXED] = relaxed
    page[CJK] = ideographs * 2 / total
    _score(s, m)
    _gather_kin(s, m)


@loop
def _gather_kin(s: Scratch, m: Measures) -> None:
    """Sum the text of blocks with the same parent, and of those whose container and parent look alike (tag and class)."""
    elements, blocks, size, page = s.elements, s.state[BLOCKS], 8, m.page
    while size < 2 * blocks:
        size *= 2
    mask = np.uint64(size - 1)
    m.hashes[:size] = 0
    m.kin[:size, :] = 0
    m.own[: s.state[ELEMENTS]] = 0
    page[MOST_OWN] = page[MOST_KIN] = page[MOST_ARTICLE] = 0
    page[FIRST_ARTICLE] = 0
    for block in range(blocks):
        if not m.counts[block, ACTIVE]:
            continue
        element = np.int64(s.blocks[block, ELEMENT])
        above = holder_above(elements, element)
        m.own[above] += m.counts[block, SIZE]
        page[MOST_OWN] = max(page[MOST_OWN], float(m.own[above]))
        value = (np.uint64(elements[element, SIGN]) << np.uint64(32) | np.uint64(elements[above, SIGN])) + np.uint64(1)
        slot = (value * GOLDEN >> np.uint64(20)) & mask
        while m.hashes[slot] != np.uint64(0) and m.hashes[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        m.hashes[slot] = value
        m.slot[block] = np.int64(slot)
        m.kin[slot, 0] += m.counts[block, SIZE]
        m.kin[slot, 1] += linked_size(s, m, block)
        m.kin[slot, 2] += 1
        page[MOST_KIN] = max(page[MOST_KIN], float(m.kin[slot, 0]))
        article = elements[element, IN_ONE]
        if article:
            page[MOST_ARTICLE] = max(page[MOST_ARTICLE], float(sum_of(m.sums, elements, np.int64(article), S_SIZE)))
            if page[FIRST_ARTICLE] == 0:
                page[FIRST_ARTICLE] = article


@loop
def _score(s: Scratch, m: Measures) -> None:
    """The scores of elements, the best of them, and the deepest that holds most of the running text."""
    elements, scores, count, blocks = s.elements, m.scores, s.state[ELEMENTS], s.state[BLOCKS]
    scores[:count] = 0
    for block in range(blocks):
        size = m.counts[block, SIZE]
        if m.counts[block, ACTIVE] and size >= 25:
            gain = np.float32(1 + m.counts[block, COMMAS] + min(size / 100, 3.0))
            above = holder_above(elements, np.int64(s.blocks[block, ELEMENT]))
            scores[above] += gain
            if above:
                above = holder_above(elements, above)
                scores[above] += gain / 2
                if above:
                    scores[holder_above(elements, above)] += gain / 4
    top, root, articles, top_score = 0, 0, 0, np.float32(0)
    what = S_LONG if m.sums[blocks, S_LONG] > 0 else S_SIZE
    half = m.sums[blocks, what] * 0.5
    for element in range(count):
        articles += elements[element, TAG] == ARTICLE
        if scores[element] > 0:
            size = sum_of(m.sums, elements, element, S_SIZE)
            linked = sum_of(m.sums, elements, element, S_LINKED)
            scores[element] *= np.float32(1 - linked / max(size, 1))
            if scores[element] > top_score and element > 0:
                top, top_score = element, scores[element]
        parent = elements[element, PARENT]
        m.best[element] = max(scores[element], m.best[parent]) if element else np.float32(0)
        if elements[element, HOLDER] == element and sum_of(m.sums, elements, element, what) > half:
            root = element
    m.page[TOP], m.page[ROOT], m.page[TOP_SCORE], m.page[ARTICLES] = top, root, top_score, articles
