"""What a page's blocks look like to the model: one column of numbers a block, from text, tags, class names, containers.

Containers are the block-level elements around a block.
"""

# isort: off
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
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

Integers = npt.NDArray[np.int32]

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


@entry
def page_features(s: Scratch, m: Measures, first: int, x: Numbers, column: int, column_of: Integers) -> tuple[int, int]:
    """The features of the blocks from `first` on that count, one a column of `x` from `column` on.

    (The last block and one, the last column and one.) `x` is len(FEATURES) x columns; `column_of` has room for as many blocks
    as are looked at, and holds the column of each, -1 for those that do not count.
    """
    page, blocks = m.page, s.state[BLOCKS]
    total = max(page[TOTAL], 1.0)
    top_size = sum_of(m.sums, s.elements, np.int64(page[TOP]), S_SIZE)
    root_size = sum_of(m.sums, s.elements, np.int64(page[ROOT]), S_SIZE)
    of_page = (
        _number(page[TOTAL]), _number(page[BLOCK_COUNT]), np.float32(page[LINK_SHARE]), np.float32(page[LONG_SHARE]),
        np.float32(page[PARAGRAPH_SHARE]), np.float32(min(page[ARTICLES], 20.0)), np.float32(top_size / total),
        np.float32(root_size / total), np.float32(page[HIDDEN_SHARE]), np.float32(page[RELAXED]), np.float32(page[CJK]),
    )  # fmt: skip
    last, columns = min(blocks, first + len(column_of)), np.int64(column)
    for block in range(first, last):
        column_of[block - first] = -1
        if m.counts[block, ACTIVE]:
            column_of[block - first] = columns
            for k in range(len(of_page)):
                x[k, columns] = of_page[k]
            _text_features(s, m, block, x, columns)
            _container_features(s, m, block, x, columns)
            columns += 1
    _place_features(s, m, first, last, x, column_of)
    return last, columns


@inlined
def _text_features(s: Scratch, m: Measures, block: int, x: Numbers, column: int) -> None:
    c, elements = m.counts, s.elements
    element = np.int64(s.blocks[block, ELEMENT])
    width = max(s.blocks[block, STOP] - s.blocks[block, START], 1)
    size, tokens, letters = c[block, SIZE], c[block, TOKENS], max(c[block, LETTERS], 1)
    row = _TEXT0
    x[row, column] = _number(size)
    x[row + 1, column] = _number(tokens)
    x[row + 2, column] = np.float32(min(s.blocks[block, LINKED] / width, 1.0))
    x[row + 3, column] = s.blocks[block, LINKS]
    x[row + 4, column] = np.float32(s.blocks[block, BOLD] / width)
    x[row + 5, column] = np.float32(c[block, DIGITS] / letters)
    x[row + 6, column] = np.float32(c[block, UPPER] / letters)
    x[row + 7, column] = c[block, COMMAS]
    x[row + 8, column] = c[block, STOPS]
    x[row + 9, column] = np.float32(c[block, STOPS] / max(tokens, 1))
    x[row + 10, column] = c[block, FIRST]
    x[row + 11, column] = c[block, LAST]
    x[row + 12, column] = np.float32(letters / max(tokens, 1))
    x[row + 13, column] = s.blocks[block, BREAKS]
    x[row + 14, column] = s.blocks[block, IMAGES]
    x[row + 15, column] = c[block, SIGNS]
    x[row + 16, column] = min(c[block, SAME], 8)
    x[row + 17, column] = c[block, TITLE_WORD]
    x[row + 18, column] = elements[element, HIDDEN]
    tag, row = elements[element, TAG], _TAG0
    path = elements[s.blocks[block, INNER], PATH]
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
    inner = np.int64(s.blocks[block, INNER])
    above = holder_above(elements, element)
    near = s.masks[inner, 0] | s.masks[element, 0] | s.masks[above, 0] | s.masks[elements[inner, PARENT], 0]
    far = s.masks[inner, 1]
    for k in range(_GROUPS):
        bit = np.uint64(k)
        x[_WORD0 + k, column] = np.float32((far >> bit & np.uint64(1)) + (near >> bit & np.uint64(1)))


@inlined
def _container_features(s: Scratch, m: Measures, block: int, x: Numbers, column: int) -> None:
    elements, sums = s.elements, m.sums
    total, top = max(m.page[TOTAL], 1.0), max(m.page[TOP_SCORE], 1e-9)
    element = np.int64(s.blocks[block, ELEMENT])
    # a paragraph is one of many by nature
    most = elements[elements[element, GROUP], MEMBERS] if elements[element, TAG] != P else 0
    above, row, paragraphs = element, _CONTAINER0, np.float32(0)
    for level in range(3):
        above = holder_above(elements, above)
        size = sum_of(sums, elements, above, S_SIZE)
        inside = max(sum_of(sums, elements, above, S_BLOCKS), 1)
        x[row, column] = _number(size)
        x[row + 1, column] = np.float32(size / total)
        x[row + 2, column] = np.float32(sum_of(sums, elements, above, S_LINKED) / max(size, 1))
        x[row + 3, column] = _number(inside)
        x[row + 4, column] = _number(size / inside)
        x[row + 5, column] = np.float32(sum_of(sums, elements, above, S_LONG) / max(size, 1))
        x[row + 6, column] = np.float32(100 * sum_of(sums, elements, above, S_COMMAS) / max(size, 1))
        x[row + 7, column] = np.float32(m.scores[above] / top)
        copies = elements[elements[above, GROUP], MEMBERS]
        x[row + 8, column] = _number(copies)
        most = max(most, copies)
        if level == 0:
            paragraphs = np.float32(sum_of(sums, elements, above, S_PARAGRAPHS) / max(size, 1))
        row += _EACH
    x[_AROUND0, column] = np.float32(m.best[element] / top)
    x[_AROUND0 + 1, column] = _number(most)
    x[_AROUND0 + 3, column] = paragraphs
    first, slot, article = holder_above(elements, element), m.slot[block], np.int64(elements[element, IN_ONE])
    x[_AROUND0 + 4, column] = np.float32(m.own[first] / total)
    x[_AROUND0 + 5, column] = np.float32(m.own[first] / max(m.page[MOST_OWN], 1.0))
    x[_AROUND0 + 6, column] = np.float32(m.kin[slot, 0] / total)
    x[_AROUND0 + 7, column] = np.float32(m.kin[slot, 0] / max(m.page[MOST_KIN], 1.0))
    x[_AROUND0 + 8, column] = _number(m.kin[slot, 2])
    x[_AROUND0 + 9, column] = np.float32(m.kin[slot, 1] / max(m.kin[slot, 0], 1))
    of_article = sum_of(sums, elements, article, S_SIZE) if article else 0
    x[_AROUND0 + 10, column] = np.float32(of_article / total)
    x[_AROUND0 + 11, column] = np.float32(of_article / max(m.page[MOST_ARTICLE], 1.0))
    x[_AROUND0 + 12, column] = 0 if article == 0 else 1 if article == m.page[FIRST_ARTICLE] else 2


@loop
def _place_features(s: Scratch, m: Measures, first: int, last: int, x: Numbers, column_of: Integers) -> None:
    """Where a block stands: in the page, to the root of the running text, to headings, to its neighbours."""
    blocks, elements, total = s.state[BLOCKS], s.elements, max(m.page[TOTAL], 1.0)
    root, top = np.int64(m.page[ROOT]), np.int64(m.page[TOP])
    begin, end = np.int64(elements[root, FIRST_BLOCK]), np.int64(min(elements[root, END_BLOCK], blocks))
    top_begin, top_end = np.int64(elements[top, FIRST_BLOCK]), np.int64(min(elements[top, END_BLOCK], blocks))
    for block in range(first, last):
        column, row = column_of[block - first], _PLACE0
        if column < 0:
            continue
        element = np.int64(s.blocks[block, ELEMENT])
        inside = begin <= block < end
        x[row, column] = np.float32(m.sums[block, S_BLOCKS] / max(m.page[BLOCK_COUNT], 1.0))
        x[row + 1, column] = np.float32(m.sums[block, S_SIZE] / total)
        x[row + 2, column] = elements[element, DEPTH]
        x[row + 3, column] = elements[element, DEPTH] - elements[root, DEPTH]
        x[row + 4, column] = inside
        x[row + 5, column] = -1 if block < begin else 0 if block < end else 1
        x[row + 6, column] = top_begin <= block < top_end and top > 0
        x[_AROUND0 + 2, column] = (elements[element, PATH] & (IN_ARTICLE | IN_MAIN)) != 0 and m.best[element] > 0
    _heading_features(s, m, first, last, x, column_of)
    _neighbour_features(s, m, first, last, x, column_of)


@loop
def _heading_features(s: Scratch, m: Measures, first: int, last: int, x: Numbers, column_of: Integers) -> None:
    """Text since the last heading, its level, how many there were; text since and to the next block of running text."""
    row, elements = _PLACE0 + 7, s.elements
    since, level, headings = np.int64(0), 0, 0
    # a stretch of blocks begins as if 200 blocks before were all that is before them
    for block in range(max(first - 200, 0), last):
        tag = elements[s.blocks[block, ELEMENT], TAG]
        if H1 <= tag <= H6 and m.counts[block, ACTIVE]:
            since, level, headings = m.sums[block, S_SIZE], tag - H1 + 1, headings + 1
        column = column_of[block - first] if block >= first else np.int32(-1)
        if column >= 0:
            x[row, column] = _number(m.sums[block, S_SIZE] - since)
            x[row + 1, column] = level
            x[row + 2, column] = min(headings, 20)
    seen = np.int64(max(first - 200, 0))
    for block in range(max(first - 200, 0), last):
        column = column_of[block - first] if block >= first else np.int32(-1)
        if column >= 0:
            x[row + 3, column] = _number(m.sums[block, S_BLOCKS] - m.sums[seen, S_BLOCKS])
        if m.counts[block, ACTIVE] and is_long(s, m, block):
            seen = np.int64(block)
    stop = min(last + 200, s.state[BLOCKS])
    seen = np.int64(stop)
    for block in range(stop - 1, first - 1, -1):
        column = column_of[block - first] if block < last else np.int32(-1)
        if column >= 0:
            x[row + 4, column] = _number(m.sums[seen, S_BLOCKS] - m.sums[block, S_BLOCKS])
        if m.counts[block, ACTIVE] and is_long(s, m, block):
            seen = np.int64(block)


@inlined
def _next_active(s: Scratch, m: Measures, block: int, step: int) -> int:
    """The next block that counts, at most 20 off; else -1."""
    for k in range(1, 21):
        other = block + k * step
        if other < 0 or other >= s.state[BLOCKS]:
            return -1
        if m.counts[other, ACTIVE]:
            return other
    return -1


@loop
def _neighbour_features(s: Scratch, m: Measures, first: int, last: int, x: Numbers, column_of: Integers) -> None:
    row = _NEIGHBOUR0
    for block in range(first, last):
        column = column_of[block - first]
        if column < 0:
            continue
        for k in range(7):
            x[row + k, column] = 0
        near = 0
        for side in range(2):
            step = -1 if side == 0 else 1
            other = _next_active(s, m, block, step)
            if other < 0:
                continue
            width = max(s.blocks[other, STOP] - s.blocks[other, START], 1)
            x[row + 2 * side, column] = _number(m.counts[other, SIZE])
            x[row + 2 * side + 1, column] = np.float32(min(s.blocks[other, LINKED] / width, 1.0))
            near += is_long(s, m, other)
            farther = _next_active(s, m, other, step)
            if farther >= 0:
                x[row + 5 + side, column] = _number(m.counts[farther, SIZE])
                near += is_long(s, m, farther)
        x[row + 4, column] = near
