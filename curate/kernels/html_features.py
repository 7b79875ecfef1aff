"""What a page's blocks look like to the model: one column of numbers a block, from text, tags, class names, containers.

Nothing here needs a language: letters, digits, punctuation and ideographs are counted, no word is known. Containers are
the block-level elements around a block: sums over their blocks come of running sums, since blocks of an element are a range.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.groups import GOLDEN, hash_range
from curate.kernels.html_scan import (
    BLOCKS, BOLD, BREAKS, CHILDREN, DEPTH, ELEMENT, ELEMENTS, END_BLOCK, FIRST_BLOCK, GROUP, HIDDEN, HOLDER, IMAGES, INNER,
    LINKED, LINKS, MEMBERS, PARENT, PATH, START, STOP, TAG, Scratch,
)  # fmt: skip
from curate.kernels.html_tags import (
    ARTICLE, BLOCKQUOTE, DD, DIV, DT, FIGCAPTION, H1, H6, IN_ARTICLE, IN_LINK, IN_MAIN, LI, P, PRE, TD, TH,
)  # fmt: skip
from curate.kernels.html_words import NAMES as GROUPS
from curate.text import Bytes

Numbers = npt.NDArray[np.float32]
Sums = npt.NDArray[np.int64]

#: what is counted of the text of a block
SIZE, TOKENS, DIGITS, UPPER, COMMAS, STOPS, IDEOGRAPHS, LETTERS, FIRST, LAST, SIGNS, SAME, ACTIVE, TITLE_WORD = range(14)
COUNTS = 14
#: what is summed over the blocks of an element
S_SIZE, S_LINKED, S_BLOCKS, S_LONG, S_COMMAS, S_PARAGRAPHS = range(6)
SUMS = 6
#: of the page: what `measure` finds once
TOTAL, LINK_SHARE, BLOCK_COUNT, LONG_SHARE, PARAGRAPH_SHARE, ARTICLES, TOP, ROOT, TOP_SCORE, HIDDEN_SHARE, RELAXED, CJK = range(12)
PAGE_FIELDS = 12

PAGE = ("page_size", "page_blocks", "page_links", "page_long", "page_paragraphs", "page_articles", "page_top_share",
        "page_root_share", "page_hidden", "page_relaxed", "page_ideographs")  # fmt: skip
TEXT = ("size", "tokens", "link_share", "links", "bold_share", "digit_share", "upper_share", "commas", "stops",
        "stop_share", "first", "last", "token_size", "breaks", "images", "signs", "copies", "in_title", "hidden")  # fmt: skip
TAGS = ("is_paragraph", "is_item", "heading", "is_cell", "is_div", "is_pre", "is_quote", "is_definition", "is_caption",
        "in_link")  # fmt: skip
PATHS = ("in_article", "in_main", "in_aside", "in_header", "in_form", "in_table", "in_list", "in_figure", "in_quote",
         "in_definitions", "in_section", "in_details", "in_pre", "in_address", "in_heading", "in_caption")  # fmt: skip
PLACE = ("place", "text_before", "depth", "root_depth", "in_root", "root_side", "in_top", "since_heading", "last_heading",
         "headings", "since_long", "to_long")  # fmt: skip
_CONTAINER = ("size", "share", "links", "blocks", "mean", "long", "commas", "score", "copies")
CONTAINERS = tuple(f"{name}_{level}" for level in (1, 2, 3) for name in _CONTAINER)
AROUND = ("best_score", "copies_most", "article_share", "parent_paragraphs")
NEIGHBOURS = ("size_before", "links_before", "size_behind", "links_behind", "long_near", "size_before_2", "size_behind_2")
WORDS = tuple(f"word_{name}" for name in GROUPS)

#: the rows of the matrix of features, in order
FEATURES = PAGE + TEXT + TAGS + PATHS + PLACE + CONTAINERS + AROUND + NEIGHBOURS + WORDS
_TEXT0 = len(PAGE)
_TAG0 = _TEXT0 + len(TEXT)
_PATH0 = _TAG0 + len(TAGS)
_PLACE0 = _PATH0 + len(PATHS)
_CONTAINER0 = _PLACE0 + len(PLACE)
_AROUND0 = _CONTAINER0 + len(CONTAINERS)
_NEIGHBOUR0 = _AROUND0 + len(AROUND)
_WORD0 = _NEIGHBOUR0 + len(NEIGHBOURS)
_GROUPS, _PATHS, _EACH = len(GROUPS), len(PATHS), len(_CONTAINER)

#: a block of this size and few links is one of running text
LONG = 80


class Measures(NamedTuple):
    """Room for what is counted before features are made."""

    counts: npt.NDArray[np.int32]  # COUNTS x blocks
    sums: Sums  # SUMS x (blocks + 1): running sums
    scores: Numbers  # elements: as Readability has it, paragraphs give to their parent and its parent
    best: Numbers  # elements: the highest score of it and its ancestors
    page: npt.NDArray[np.float64]  # PAGE_FIELDS
    hashes: npt.NDArray[np.uint64]  # an open table, twice the blocks and a power of two
    repeated: npt.NDArray[np.int32]  # beside it


@inlined
def _kind(data: Bytes, i: int, stop: int) -> tuple[int, int]:
    """(What a character is, its bytes). 0 other, 1 small, 2 capital, 3 digit, 4 comma, 5 stop, 6 ideograph, 7 letter, 8 blank."""
    first = data[i]
    if first < 0x80:
        if 97 <= first <= 122:
            return 1, 1
        if first <= 32:
            return 8, 1
        if 65 <= first <= 90:
            return 2, 1
        if 48 <= first <= 57:
            return 3, 1
        if first == 44 or first == 59:
            return 4, 1
        return (5, 1) if first == 46 or first == 33 or first == 63 else (7, 1) if first == 95 else (0, 1)
    if first < 0xE0:
        if i + 1 < stop and first == 0xD8 and (data[i + 1] == 0x8C or data[i + 1] == 0x9B or data[i + 1] == 0x9F):
            return (5, 2) if data[i + 1] == 0x9F else (4, 2)
        return (0, 2) if first == 0xC2 else (7, 2)
    if first >= 0xF0:
        return 0, 4
    if i + 2 >= stop:
        return 7, 3
    second, third = data[i + 1], data[i + 2]
    if first == 0xE3 and second == 0x80:
        return (4, 3) if third == 0x81 else (5, 3) if third == 0x82 else (0, 3)
    if first == 0xEF and second == 0xBC:
        return (4, 3) if third == 0x8C else (5, 3) if third == 0x81 or third == 0x9F else (0, 3)
    if first == 0xE2:
        return (0, 3)
    if first == 0xE0 and second == 0xA5 and third == 0xA4:
        return 5, 3
    if 0xE3 <= first <= 0xE9:
        return 6, 3
    return 7, 3


@loop
def count_text(data: Bytes, start: int, stop: int, counts: npt.NDArray[np.int32], block: int) -> None:
    """Count the characters of one block by kind."""
    i, before = start, 8
    size = tokens = digits = upper = commas = stops = ideographs = letters = signs = 0
    first = last = 0
    while i < stop:
        kind, width = _kind(data, i, stop)
        if kind <= 3 or kind == 7:
            if kind != 0:
                tokens += before == 0 or before == 4 or before == 5 or before == 6 or before == 8
                letters += 1
                upper += kind == 2
                digits += kind == 3
            else:
                byte = data[i]
                # | > » @ © /, as they stand in menus and below pages
                signs += byte == 124 or byte == 62 or byte == 64 or byte == 0xC2 or byte == 47
        elif kind == 4:
            commas += 1
        elif kind == 5:
            stops += 1
        elif kind == 6:
            ideographs += 1
        if kind != 8:
            size += 1
            if first == 0:
                first = kind + 1
            last = 9 if data[i] == 58 else 10 if data[i] == 34 else kind
        else:
            size += 1
        before = kind
        i += width
    counts[SIZE, block] = size + ideographs
    counts[TOKENS, block] = tokens + (ideographs + 1) // 2
    counts[DIGITS, block] = digits
    counts[UPPER, block] = upper
    counts[COMMAS, block] = commas
    counts[STOPS, block] = stops
    counts[IDEOGRAPHS, block] = ideographs
    counts[LETTERS, block] = letters + ideographs
    counts[FIRST, block] = first
    counts[LAST, block] = last
    counts[SIGNS, block] = signs


@loop
def _count_copies(s: Scratch, m: Measures) -> None:
    """Of each block, how many blocks of the page have the same text."""
    blocks, size = s.state[BLOCKS], 8
    while size < 2 * blocks:
        size *= 2
    mask = np.uint64(size - 1)
    m.hashes[:size] = 0
    m.repeated[:size] = 0
    for pass_ in range(2):
        for block in range(blocks):
            value = hash_range(s.text, np.int64(s.blocks[START, block]), np.int64(s.blocks[STOP, block]))
            slot = (value * GOLDEN >> np.uint64(20)) & mask
            while m.hashes[slot] != np.uint64(0) and m.hashes[slot] != value:
                slot = (slot + np.uint64(1)) & mask
            m.hashes[slot] = value
            if pass_ == 0:
                m.repeated[slot] += 1
            else:
                m.counts[SAME, block] = m.repeated[slot]


@loop
def count_blocks(data: Bytes, s: Scratch, m: Measures) -> None:
    """Count the text of every block, and find those that the title begins with; `data` is the page."""
    start, stop = s.fields[0, 0], s.fields[0, 1]
    for block in range(s.state[BLOCKS]):
        first, last = np.int64(s.blocks[START, block]), np.int64(s.blocks[STOP, block])
        count_text(s.text, first, last, m.counts, block)
        same = min(last - first, np.int64(24))
        found = stop - start >= same and same >= 6
        if found:
            for k in range(same):
                if data[start + k] != s.text[first + k]:
                    found = False
                    break
        m.counts[TITLE_WORD, block] = found
    _count_copies(s, m)


@inlined
def _is_long(s: Scratch, m: Measures, block: int) -> bool:
    size = m.counts[SIZE, block]
    width = s.blocks[STOP, block] - s.blocks[START, block]
    return size >= LONG and s.blocks[LINKED, block] * 3 < width


@inlined
def _linked(s: Scratch, m: Measures, block: int) -> int:
    """The part of the block's size that is linked."""
    width = max(s.blocks[STOP, block] - s.blocks[START, block], 1)
    return np.int64(m.counts[SIZE, block]) * min(s.blocks[LINKED, block], width) // width


@inlined
def _sum(sums: Sums, elements: npt.NDArray[np.int32], element: int, what: int, blocks: int) -> int:
    return sums[what, min(elements[END_BLOCK, element], blocks)] - sums[what, min(elements[FIRST_BLOCK, element], blocks)]


@inlined
def holder_above(elements: npt.NDArray[np.int32], element: int) -> int:
    """The block-level element around one; the page's own stays."""
    return np.int64(elements[HOLDER, elements[PARENT, element]])


@loop
def measure(s: Scratch, m: Measures, relaxed: bool) -> None:
    """Which blocks count (`ACTIVE`; hidden ones only if `relaxed`), running sums, scores, what is said of the page."""
    blocks, sums = s.state[BLOCKS], m.sums
    sums[:, 0] = 0
    hidden_size = ideographs = np.int64(0)
    for block in range(blocks):
        element, size = s.blocks[ELEMENT, block], m.counts[SIZE, block]
        hidden = s.elements[HIDDEN, element] != 0
        active = relaxed or not hidden
        m.counts[ACTIVE, block] = active
        for what in range(SUMS):
            sums[what, block + 1] = sums[what, block]
        hidden_size += size if hidden else 0
        if active:
            sums[S_SIZE, block + 1] += size
            sums[S_LINKED, block + 1] += _linked(s, m, block)
            sums[S_BLOCKS, block + 1] += 1
            sums[S_LONG, block + 1] += size if _is_long(s, m, block) else 0
            sums[S_COMMAS, block + 1] += m.counts[COMMAS, block]
            sums[S_PARAGRAPHS, block + 1] += size if s.elements[TAG, element] == P else 0
            ideographs += m.counts[IDEOGRAPHS, block]
    total = max(sums[S_SIZE, blocks], 1)
    page = m.page
    page[TOTAL] = sums[S_SIZE, blocks]
    page[LINK_SHARE] = sums[S_LINKED, blocks] / total
    page[BLOCK_COUNT] = sums[S_BLOCKS, blocks]
    page[LONG_SHARE] = sums[S_LONG, blocks] / total
    page[PARAGRAPH_SHARE] = sums[S_PARAGRAPHS, blocks] / total
    page[HIDDEN_SHARE] = hidden_size / (hidden_size + total)
    page[RELAXED] = relaxed
    page[CJK] = ideographs * 2 / total
    _score(s, m)


@loop
def _score(s: Scratch, m: Measures) -> None:
    """The scores of elements, the best of them, and the deepest that holds most of the running text."""
    elements, scores, count, blocks = s.elements, m.scores, s.state[ELEMENTS], s.state[BLOCKS]
    scores[:count] = 0
    for block in range(blocks):
        size = m.counts[SIZE, block]
        if m.counts[ACTIVE, block] and size >= 25:
            gain = np.float32(1 + m.counts[COMMAS, block] + min(size / 100, 3.0))
            above = holder_above(elements, np.int64(s.blocks[ELEMENT, block]))
            scores[above] += gain
            if above:
                above = holder_above(elements, above)
                scores[above] += gain / 2
                if above:
                    scores[holder_above(elements, above)] += gain / 4
    top, root, articles, top_score = 0, 0, 0, np.float32(0)
    what = S_LONG if m.sums[S_LONG, blocks] > 0 else S_SIZE
    half = m.sums[what, blocks] * 0.5
    for element in range(count):
        articles += elements[TAG, element] == ARTICLE
        if scores[element] > 0:
            size = _sum(m.sums, elements, element, S_SIZE, blocks)
            linked = _sum(m.sums, elements, element, S_LINKED, blocks)
            scores[element] *= np.float32(1 - linked / max(size, 1))
            if scores[element] > top_score and element > 0:
                top, top_score = element, scores[element]
        parent = elements[PARENT, element]
        m.best[element] = max(scores[element], m.best[parent]) if element else np.float32(0)
        if elements[HOLDER, element] == element and _sum(m.sums, elements, element, what, blocks) > half:
            root = element
    m.page[TOP], m.page[ROOT], m.page[TOP_SCORE], m.page[ARTICLES] = top, root, top_score, articles


@inlined
def _log(value: float) -> np.float32:
    return np.float32(math.log1p(max(value, 0.0)))


@loop
def page_features(s: Scratch, m: Measures, first: int, last: int, x: Numbers) -> None:
    """The features of the blocks `first` to `last` into the columns of `x`: len(FEATURES) x at least last - first."""
    page, blocks = m.page, s.state[BLOCKS]
    total = max(page[TOTAL], 1.0)
    top_size = _sum(m.sums, s.elements, np.int64(page[TOP]), S_SIZE, blocks)
    root_size = _sum(m.sums, s.elements, np.int64(page[ROOT]), S_SIZE, blocks)
    of_page = (
        _log(page[TOTAL]), _log(page[BLOCK_COUNT]), np.float32(page[LINK_SHARE]), np.float32(page[LONG_SHARE]),
        np.float32(page[PARAGRAPH_SHARE]), np.float32(min(page[ARTICLES], 20.0)), np.float32(top_size / total),
        np.float32(root_size / total), np.float32(page[HIDDEN_SHARE]), np.float32(page[RELAXED]), np.float32(page[CJK]),
    )  # fmt: skip
    for block in range(first, last):
        column = block - first
        for k in range(len(of_page)):
            x[k, column] = of_page[k]
        _text_features(s, m, block, x, column)
        _container_features(s, m, block, x, column)
    _place_features(s, m, first, last, x)


@inlined
def _text_features(s: Scratch, m: Measures, block: int, x: Numbers, column: int) -> None:
    c, elements = m.counts, s.elements
    element = np.int64(s.blocks[ELEMENT, block])
    width = max(s.blocks[STOP, block] - s.blocks[START, block], 1)
    size, tokens, letters = c[SIZE, block], c[TOKENS, block], max(c[LETTERS, block], 1)
    row = _TEXT0
    x[row, column] = _log(size)
    x[row + 1, column] = _log(tokens)
    x[row + 2, column] = np.float32(min(s.blocks[LINKED, block] / width, 1.0))
    x[row + 3, column] = s.blocks[LINKS, block]
    x[row + 4, column] = np.float32(s.blocks[BOLD, block] / width)
    x[row + 5, column] = np.float32(c[DIGITS, block] / letters)
    x[row + 6, column] = np.float32(c[UPPER, block] / letters)
    x[row + 7, column] = c[COMMAS, block]
    x[row + 8, column] = c[STOPS, block]
    x[row + 9, column] = np.float32(c[STOPS, block] / max(tokens, 1))
    x[row + 10, column] = c[FIRST, block]
    x[row + 11, column] = c[LAST, block]
    x[row + 12, column] = np.float32(letters / max(tokens, 1))
    x[row + 13, column] = s.blocks[BREAKS, block]
    x[row + 14, column] = s.blocks[IMAGES, block]
    x[row + 15, column] = c[SIGNS, block]
    x[row + 16, column] = min(c[SAME, block], 8)
    x[row + 17, column] = c[TITLE_WORD, block]
    x[row + 18, column] = elements[HIDDEN, element]
    tag, row = elements[TAG, element], _TAG0
    path = elements[PATH, s.blocks[INNER, block]]
    x[row, column] = tag == P
    x[row + 1, column] = tag == LI
    x[row + 2, column] = tag - H1 + 1 if H1 <= tag <= H6 else 0
    x[row + 3, column] = tag == TD or tag == TH
    x[row + 4, column] = tag == DIV
    x[row + 5, column] = tag == PRE
    x[row + 6, column] = tag == BLOCKQUOTE
    x[row + 7, column] = tag == DD or tag == DT
    x[row + 8, column] = tag == FIGCAPTION
    x[row + 9, column] = (path & IN_LINK) != 0
    for k in range(_PATHS):
        x[_PATH0 + k, column] = path >> k & 1
    # 2 where a keyword is near (the block's own elements and the one around them), 1 where it is farther out
    inner = np.int64(s.blocks[INNER, block])
    above = holder_above(elements, element)
    near = s.masks[0, inner] | s.masks[0, element] | s.masks[0, above] | s.masks[0, elements[PARENT, inner]]
    far = s.masks[1, inner]
    for k in range(_GROUPS):
        bit = np.uint64(k)
        x[_WORD0 + k, column] = np.float32((far >> bit & np.uint64(1)) + (near >> bit & np.uint64(1)))


@inlined
def _container_features(s: Scratch, m: Measures, block: int, x: Numbers, column: int) -> None:
    elements, blocks, sums = s.elements, s.state[BLOCKS], m.sums
    total, top = max(m.page[TOTAL], 1.0), max(m.page[TOP_SCORE], 1e-9)
    element = np.int64(s.blocks[ELEMENT, block])
    # a paragraph is one of many by nature
    most = elements[MEMBERS, elements[GROUP, element]] if elements[TAG, element] != P else 0
    above, row, paragraphs = element, _CONTAINER0, np.float32(0)
    for level in range(3):
        above = holder_above(elements, above)
        size = _sum(sums, elements, above, S_SIZE, blocks)
        inside = max(_sum(sums, elements, above, S_BLOCKS, blocks), 1)
        x[row, column] = _log(size)
        x[row + 1, column] = np.float32(size / total)
        x[row + 2, column] = np.float32(_sum(sums, elements, above, S_LINKED, blocks) / max(size, 1))
        x[row + 3, column] = _log(inside)
        x[row + 4, column] = _log(size / inside)
        x[row + 5, column] = np.float32(_sum(sums, elements, above, S_LONG, blocks) / max(size, 1))
        x[row + 6, column] = np.float32(100 * _sum(sums, elements, above, S_COMMAS, blocks) / max(size, 1))
        x[row + 7, column] = np.float32(m.scores[above] / top)
        copies = elements[MEMBERS, elements[GROUP, above]]
        x[row + 8, column] = _log(copies)
        most = max(most, copies)
        if level == 0:
            paragraphs = np.float32(_sum(sums, elements, above, S_PARAGRAPHS, blocks) / max(size, 1))
        row += _EACH
    x[_AROUND0, column] = np.float32(m.best[element] / top)
    x[_AROUND0 + 1, column] = _log(most)
    x[_AROUND0 + 3, column] = paragraphs


@loop
def _place_features(s: Scratch, m: Measures, first: int, last: int, x: Numbers) -> None:
    """Where a block stands: in the page, to the root of the running text, to headings, to its neighbours."""
    blocks, elements, total = s.state[BLOCKS], s.elements, max(m.page[TOTAL], 1.0)
    root, top = np.int64(m.page[ROOT]), np.int64(m.page[TOP])
    begin, end = np.int64(elements[FIRST_BLOCK, root]), np.int64(min(elements[END_BLOCK, root], blocks))
    top_begin, top_end = np.int64(elements[FIRST_BLOCK, top]), np.int64(min(elements[END_BLOCK, top], blocks))
    for block in range(first, last):
        column, row = block - first, _PLACE0
        element = np.int64(s.blocks[ELEMENT, block])
        inside = begin <= block < end
        x[row, column] = np.float32(m.sums[S_BLOCKS, block] / max(m.page[BLOCK_COUNT], 1.0))
        x[row + 1, column] = np.float32(m.sums[S_SIZE, block] / total)
        x[row + 2, column] = elements[DEPTH, element]
        x[row + 3, column] = elements[DEPTH, element] - elements[DEPTH, root]
        x[row + 4, column] = inside
        x[row + 5, column] = -1 if block < begin else 0 if block < end else 1
        x[row + 6, column] = top_begin <= block < top_end and top > 0
        x[_AROUND0 + 2, column] = (elements[PATH, element] & (IN_ARTICLE | IN_MAIN)) != 0 and m.best[element] > 0
    _heading_features(s, m, first, last, x)
    _neighbour_features(s, m, first, last, x)


@loop
def _heading_features(s: Scratch, m: Measures, first: int, last: int, x: Numbers) -> None:
    """Text since the last heading, its level, how many there were; text since and to the next block of running text."""
    row, elements = _PLACE0 + 7, s.elements
    since, level, headings = np.int64(0), 0, 0
    # a stretch of blocks begins as if 200 blocks before were all that is before them
    for block in range(max(first - 200, 0), last):
        tag = elements[TAG, s.blocks[ELEMENT, block]]
        if H1 <= tag <= H6 and m.counts[ACTIVE, block]:
            since, level, headings = m.sums[S_SIZE, block], tag - H1 + 1, headings + 1
        if block >= first:
            x[row, block - first] = _log(m.sums[S_SIZE, block] - since)
            x[row + 1, block - first] = level
            x[row + 2, block - first] = min(headings, 20)
    seen = np.int64(max(first - 200, 0))
    for block in range(max(first - 200, 0), last):
        if block >= first:
            x[row + 3, block - first] = _log(m.sums[S_BLOCKS, block] - m.sums[S_BLOCKS, seen])
        if m.counts[ACTIVE, block] and _is_long(s, m, block):
            seen = np.int64(block)
    stop = min(last + 200, s.state[BLOCKS])
    seen = np.int64(stop)
    for block in range(stop - 1, first - 1, -1):
        if block < last:
            x[row + 4, block - first] = _log(m.sums[S_BLOCKS, seen] - m.sums[S_BLOCKS, block])
        if m.counts[ACTIVE, block] and _is_long(s, m, block):
            seen = np.int64(block)


@inlined
def _next_active(s: Scratch, m: Measures, block: int, step: int) -> int:
    """The next block that counts, at most 20 off; else -1."""
    for k in range(1, 21):
        other = block + k * step
        if other < 0 or other >= s.state[BLOCKS]:
            return -1
        if m.counts[ACTIVE, other]:
            return other
    return -1


@loop
def _neighbour_features(s: Scratch, m: Measures, first: int, last: int, x: Numbers) -> None:
    row = _NEIGHBOUR0
    for block in range(first, last):
        column = block - first
        for k in range(7):
            x[row + k, column] = 0
        near = 0
        for side in range(2):
            step = -1 if side == 0 else 1
            other = _next_active(s, m, block, step)
            if other < 0:
                continue
            width = max(s.blocks[STOP, other] - s.blocks[START, other], 1)
            x[row + 2 * side, column] = _log(m.counts[SIZE, other])
            x[row + 2 * side + 1, column] = np.float32(min(s.blocks[LINKED, other] / width, 1.0))
            near += _is_long(s, m, other)
            farther = _next_active(s, m, other, step)
            if farther >= 0:
                x[row + 5 + side, column] = _log(m.counts[SIZE, farther])
                near += _is_long(s, m, farther)
        x[row + 4, column] = near
