"""What a page's blocks look like to the model: one column of numbers a block, from text, tags, class names, containers.

Containers are the block-level elements around a block.
"""

# isort: off
from __future__ import annotations

import numpy as np

from curate.kernels import inlined, loop
from curate.kernels.html_measures import (
    ACTIVE, ARTICLES, BLOCK_COUNT, CJK, COMMAS, DIGITS, FIRST, FIRST_ARTICLE, HIDDEN_SHARE, LAST, LETTERS, LINK_SHARE,
    LONG_SHARE, MOST_ARTICLE, MOST_KIN, MOST_OWN, PARAGRAPH_SHARE, RELAXED, ROOT, S_BLOCKS, S_COMMAS, S_LINKED, S_LONG,
    S_PARAGRAPHS, S_SIZE, SAME, SIGNS, SIZE, STOPS, TITLE_WORD, TOKENS, TOP, TOP_SCORE, TOTAL, UPPER, Measures, Numbers,
    holder_above, is_long, sum_of,
)  # fmt: skip
from curate.kernels.html_state import (
    BLOCKS, BOLD, BREAKS, DEPTH, ELEMENT, END_BLOCK, FIRST_BLOCK, GROUP, HIDDEN, IMAGES, IN_ONE, INNER, LINKED, LINKS,
    MEMBERS, PARENT, PATH, START, STOP, TAG, Scratch,
)  # fmt: skip
from curate.kernels.html_tags import (
    BLOCKQUOTE, DD, DIV, DT, FIGCAPTION, H1, H6, IN_ARTICLE, IN_LINK, IN_MAIN, LI, PRE, TD, TH, P,
)  # fmt: skip
from curate.kernels.html_words import NAMES as GROUPS

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
AROUND = ("best_score", "copies_most", "in_scored", "parent_paragraphs", "siblings_share", "siblings_of_most", "kin_share",
          "kin_of_most", "kin_count", "kin_links", "article_share", "article_of_most", "article_first")  # fmt: skip
NEIGHBOURS = (
    "size_before",
    "links_before",
    "size_behind",
    "links_behind",
    "long_near",
    "size_before_2",
    "size_behind_2",
)
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


@inlined
def _number(value: float) -> np.float32:
    return np.float32(max(value, 0))


@loop
def page_features(s: Scratch, m: Measures, first: int, last: int, x: Numbers) -> None:
    """The features of the blocks `first` to `last` into the columns of `x`: len(FEATURES) x at least last - first."""
    page, blocks = m.page, s.state[BLOCKS]
    total = max(page[TOTAL], 1.0)
    top_size = sum_of(m.sums, s.elements, np.int64(page[TOP]), S_SIZE, blocks)
    root_size = sum_of(m.sums, s.elements, np.int64(page[ROOT]), S_SIZE, blocks)
    of_page = (
        _number(page[TOTAL]), _number(page[BLOCK_COUNT]), np.float32(page[LINK_SHARE]), np.float32(page[LONG_SHARE]),
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
    x[row, column] = _number(size)
    x[row + 1, column] = _number(tokens)
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
    x[row + 3, column] = tag in (TD, TH)
    x[row + 4, column] = tag == DIV
    x[row + 5, column] = tag == PRE
    x[row + 6, column] = tag == BLOCKQUOTE
    x[row + 7, column] = tag in (DD, DT)
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
        size = sum_of(sums, elements, above, S_SIZE, blocks)
        inside = max(sum_of(sums, elements, above, S_BLOCKS, blocks), 1)
        x[row, column] = _number(size)
        x[row + 1, column] = np.float32(size / total)
        x[row + 2, column] = np.float32(sum_of(sums, elements, above, S_LINKED, blocks) / max(size, 1))
        x[row + 3, column] = _number(inside)
        x[row + 4, column] = _number(size / inside)
        x[row + 5, column] = np.float32(sum_of(sums, elements, above, S_LONG, blocks) / max(size, 1))
        x[row + 6, column] = np.float32(100 * sum_of(sums, elements, above, S_COMMAS, blocks) / max(size, 1))
        x[row + 7, column] = np.float32(m.scores[above] / top)
        copies = elements[MEMBERS, elements[GROUP, above]]
        x[row + 8, column] = _number(copies)
        most = max(most, copies)
        if level == 0:
            paragraphs = np.float32(sum_of(sums, elements, above, S_PARAGRAPHS, blocks) / max(size, 1))
        row += _EACH
    x[_AROUND0, column] = np.float32(m.best[element] / top)
    x[_AROUND0 + 1, column] = _number(most)
    x[_AROUND0 + 3, column] = paragraphs
    first, slot, article = holder_above(elements, element), m.slot[block], np.int64(elements[IN_ONE, element])
    x[_AROUND0 + 4, column] = np.float32(m.own[first] / total)
    x[_AROUND0 + 5, column] = np.float32(m.own[first] / max(m.page[MOST_OWN], 1.0))
    x[_AROUND0 + 6, column] = np.float32(m.kin[0, slot] / total)
    x[_AROUND0 + 7, column] = np.float32(m.kin[0, slot] / max(m.page[MOST_KIN], 1.0))
    x[_AROUND0 + 8, column] = _number(m.kin[2, slot])
    x[_AROUND0 + 9, column] = np.float32(m.kin[1, slot] / max(m.kin[0, slot], 1))
    of_article = sum_of(sums, elements, article, S_SIZE, blocks) if article else 0
    x[_AROUND0 + 10, column] = np.float32(of_article / total)
    x[_AROUND0 + 11, column] = np.float32(of_article / max(m.page[MOST_ARTICLE], 1.0))
    x[_AROUND0 + 12, column] = 0 if article == 0 else 1 if article == m.page[FIRST_ARTICLE] else 2


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
            x[row, block - first] = _number(m.sums[S_SIZE, block] - since)
            x[row + 1, block - first] = level
            x[row + 2, block - first] = min(headings, 20)
    seen = np.int64(max(first - 200, 0))
    for block in range(max(first - 200, 0), last):
        if block >= first:
            x[row + 3, block - first] = _number(m.sums[S_BLOCKS, block] - m.sums[S_BLOCKS, seen])
        if m.counts[ACTIVE, block] and is_long(s, m, block):
            seen = np.int64(block)
    stop = min(last + 200, s.state[BLOCKS])
    seen = np.int64(stop)
    for block in range(stop - 1, first - 1, -1):
        if block < last:
            x[row + 4, block - first] = _number(m.sums[S_BLOCKS, seen] - m.sums[S_BLOCKS, block])
        if m.counts[ACTIVE, block] and is_long(s, m, block):
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
            x[row + 2 * side, column] = _number(m.counts[SIZE, other])
            x[row + 2 * side + 1, column] = np.float32(min(s.blocks[LINKED, other] / width, 1.0))
            near += is_long(s, m, other)
            farther = _next_active(s, m, other, step)
            if farther >= 0:
                x[row + 5 + side, column] = _number(m.counts[SIZE, farther])
                near += is_long(s, m, farther)
        x[row + 4, column] = near
