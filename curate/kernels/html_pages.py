"""A batch of pages to main text: scan, features, trees, the choice of blocks, the text; linear in the bytes of a page."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, kernel, loop
from curate.kernels.composition import Composition, may_change
from curate.kernels.html_attributes import FIELDS, Fields
from curate.kernels.html_choice import Chances, choose, find_probabilities, weigh
from curate.kernels.html_features import page_features
from curate.kernels.html_measures import HIDDEN_SHARE, TOTAL, Measures, count_blocks, measure
from curate.kernels.html_scan import scan_page
from curate.kernels.html_state import BEGIN, BLOCKS, OUT, SPACE, Known, Scratch
from curate.kernels.html_text import append_text
from curate.kernels.html_write import room_needed, write_page
from curate.kernels.trees import TOGETHER, Forest, Waiting, answer_first, answer_rest
from curate.kernels.vectors import WIDTH, marks, ones
from curate.text import Bytes, Offsets

Floats = npt.NDArray[np.float32]
#: with less text than this that is not hidden, or little and this share of all hidden, hidden blocks are looked at, too
FEW, LITTLE, MUCH_HIDDEN = 250, 1500, 0.8
#: so many blocks of a page have their features made at a time, and twice as many of all pages wait for answers; no power of
#: two, or all features of a block share few lines of the processor's cache
CHUNK = 15 * TOGETHER
_FIELDS = len(FIELDS)
#: masks of `<`
_less = marks([60])


class Places(NamedTuple):
    """Where each of n pages has its rows and bytes in the tables of `Scratch`, and what is kept of it.

    Pages go through the kernel in groups, which use the same tables one after another.
    """

    groups: npt.NDArray[np.int64]  # groups + 1: the first page of each
    rows: npt.NDArray[np.int64]  # n x 2: of elements and blocks; none for a page that is not looked at
    bytes: npt.NDArray[np.int64]  # n x 2: of text
    state: npt.NDArray[np.int64]  # n x STATE_FIELDS
    fields: npt.NDArray[np.int64]  # n x FIELDS x 3
    chosen: npt.NDArray[np.bool_]  # rows: the blocks that are main text


class Work(NamedTuple):
    """Room for the model and the choice."""

    asked: Waiting  # 2 * CHUNK columns
    unsure: Waiting  # 2 * CHUNK columns
    column_of: npt.NDArray[np.int32]  # CHUNK
    chances: Chances  # of the blocks of all pages of the group


class How(NamedTuple):
    """What a user wants."""

    beta: float  # of the F-measure that the choice maximises
    whole: bool  # all that is not hidden, without a choice
    markdown: bool
    bullets: bool


class Found(NamedTuple):
    """What is said of n pages."""

    size: npt.NDArray[np.int64]  # n: bytes of text
    field_start: npt.NDArray[np.int64]  # n x FIELDS: where each field is in the fields of all pages
    field_stop: npt.NDArray[np.int64]
    confidence: Floats  # n: the F1 to be expected if the probabilities are right, 0 without text
    blocks: npt.NDArray[np.int32]  # n: all
    kept: npt.NDArray[np.int32]  # n: those chosen
    relaxed: npt.NDArray[np.bool_]  # n: whether hidden blocks were looked at
    denormal: npt.NDArray[np.bool_]  # n: whether NFC may change the text


@kernel
def page_of(s: Scratch, g: Places, page: int) -> Scratch:
    """The part of the tables that is a page's own."""
    first, last = g.rows[page]
    text = s.text[g.bytes[page, 0] : g.bytes[page, 1]]
    return Scratch(
        g.state[page], s.opened, s.elements[first:last], s.masks[first:last], s.blocks[first:last], text, s.values,
        g.fields[page],
    )  # fmt: skip


@entry
def measure_page(data: Bytes, s: Scratch, m: Measures) -> bool:
    """Measure the blocks of a page; whether hidden ones count."""
    count_blocks(data, s, m)
    measure(s, m, False)
    total, share = m.page[TOTAL], m.page[HIDDEN_SHARE]
    relaxed = bool((total < FEW and share > 0) or (total < LITTLE and share > MUCH_HIDDEN))
    if relaxed:
        measure(s, m, True)
    return relaxed


@kernel
def _chances_of(w: Work, g: Places, page: int) -> Chances:
    """The part of the chances that is a page's own."""
    c, (first, last) = w.chances, g.rows[page]
    return Chances(c.probability[first:last], c.table[first:last], c.tokens[first:last], c.size, c.hits)


@loop
def _ask(s: Scratch, m: Measures, forest: Forest, w: Work, row: int, asked: int, unsure: int) -> tuple[int, int]:
    """Have the blocks of a page wait for answers, which go to the chances from `row` on: (how many wait, how many unsure ones)."""
    first = np.int64(0)
    while first < s.state[BLOCKS]:
        if asked + CHUNK > len(w.asked.whose):
            unsure = answer_first(forest, w.asked, asked, w.unsure, unsure, w.chances.probability)
            asked = np.int64(0)
        last, asked = page_features(s, m, first, w.asked.x, asked, w.column_of)
        for block in range(first, last):
            column = w.column_of[block - first]
            if column >= 0:
                w.asked.whose[column] = row + block
        first = last
    return asked, unsure


@loop
def _take_all(s: Scratch, chances: Chances, chosen: npt.NDArray[np.bool_]) -> int:
    """All blocks that count; how many."""
    kept = 0
    for block in range(s.state[BLOCKS]):
        chosen[block] = chances.tokens[block] >= 0
        kept += chosen[block]
    return kept


@kernel
def _judge(
    data: Bytes,
    s: Scratch,
    g: Places,
    first: int,
    last: int,
    m: Measures,
    forest: Forest,
    w: Work,
    how: How,
    found: Found,
) -> None:
    """Choose the blocks of the pages of a group."""
    asked, unsure, odds = np.int64(0), np.int64(0), w.chances.probability
    for page in range(first, last):
        if g.rows[page, 0] < g.rows[page, 1]:
            here = page_of(s, g, page)
            found.relaxed[page] = measure_page(data, here, m)
            weigh(here, m, _chances_of(w, g, page))
            if not how.whole:
                asked, unsure = _ask(here, m, forest, w, g.rows[page, 0], asked, unsure)
    unsure = answer_first(forest, w.asked, asked, w.unsure, unsure, odds)
    answer_rest(forest, w.unsure, unsure, odds)
    for page in range(first, last):
        if g.rows[page, 0] < g.rows[page, 1]:
            here, chances = page_of(s, g, page), _chances_of(w, g, page)
            chosen = g.chosen[g.rows[page, 0] : g.rows[page, 1]]
            if how.whole:
                kept = _take_all(here, chances, chosen)
                best = 1.0 if kept > 0 else 0.0
            else:
                find_probabilities(here, m, chances)
                best, kept = choose(here, how.beta, chances, chosen)
            found.confidence[page], found.kept[page], found.blocks[page] = best, kept, here.state[BLOCKS]


@inlined
def _size_of(fields: Fields) -> int:
    """The bytes of the fields of a page, references not resolved."""
    size = np.int64(0)
    for field in range(_FIELDS):
        size += max(fields[field, 1] - fields[field, 0], 0)
    return size


@loop
def _write_fields(
    data: Bytes, known: Known, s: Scratch, out: Bytes, at: int, start: npt.NDArray, stop: npt.NDArray
) -> int:
    """The fields of a page, references resolved and white space squeezed, to `out`; where they end."""
    for field in range(_FIELDS):
        start[field] = at
        i, last = s.fields[field, 0], s.fields[field, 1]
        s.state[BEGIN], s.state[SPACE] = -1, 0
        begin = s.state[OUT]
        while i < last:
            i = append_text(data, i, last, 0, known.kinds, known.entities, s.state, s.text)
        for k in range(begin, s.state[OUT]):
            out[at] = s.text[k]
            at += 1
        s.state[OUT] = begin
        stop[field] = at
    return at


@kernel
def _with_room(out: Bytes, at: int, more: int) -> Bytes:
    """`out`, of which `at` bytes are written, with room for `more`: itself, or twice as long."""
    if at + more <= len(out):
        return out
    made = np.empty(2 * (at + more), np.uint8)
    made[:at] = out[:at]
    return made


@kernel
def extract_pages(
    data: Bytes,
    offsets: Offsets,
    known: Known,
    s: Scratch,
    g: Places,
    m: Measures,
    forest: Forest,
    w: Work,
    tables: Composition,
    how: How,
    found: Found,
) -> tuple[Bytes, Bytes]:
    """The main text of pages (UTF-8 bytes, n + 1 offsets), and their fields."""
    # seldom is there more text than markup; memory that is not written to costs nothing
    text = np.empty(np.int64(offsets[-1]) - np.int64(offsets[0]), np.uint8)
    fields, at, field_at = np.empty(0, np.uint8), np.int64(0), np.int64(0)
    for group in range(len(g.groups) - 1):
        first, last = g.groups[group], g.groups[group + 1]
        for page in range(first, last):
            if g.rows[page, 0] < g.rows[page, 1]:
                scan_page(data, np.int64(offsets[page]), np.int64(offsets[page + 1]), known, page_of(s, g, page))
        _judge(data, s, g, first, last, m, forest, w, how, found)
        for page in range(first, last):
            if g.rows[page, 0] == g.rows[page, 1]:
                continue
            here, chosen = page_of(s, g, page), g.chosen[g.rows[page, 0] : g.rows[page, 1]]
            text, fields = _with_room(text, at, room_needed(here)), _with_room(fields, field_at, _size_of(here.fields))
            stop = write_page(here, chosen, how.markdown, how.bullets, text, at)
            found.size[page], found.denormal[page] = stop - at, may_change(text, at, stop, tables)
            at, said = stop, (found.field_start[page], found.field_stop[page])
            field_at = _write_fields(data, known, here, fields, field_at, *said)
    return text[:at].copy(), fields[:field_at].copy()


@kernel
def count_markup(data: Bytes, offsets: Offsets, counts: npt.NDArray[np.int64]) -> None:
    """How often `<` stands in each page: no page has more elements or blocks than that and one."""
    for page in range(len(offsets) - 1):
        i, stop, found = np.int64(offsets[page]), np.int64(offsets[page + 1]), np.uint64(0)
        while i + WIDTH <= stop:
            found += ones(_less(data, i)[0])
            i += WIDTH
        for k in range(i, stop):
            found += np.uint64(data[k] == 60)
        counts[page] = found
