"""A batch of pages to main text: scan, features, trees, the choice of blocks, the text; linear in the bytes of a page."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, kernel, loop
from curate.kernels.composition import Composition, may_change
from curate.kernels.html_attributes import FIELDS
from curate.kernels.html_choice import Chances, choose, even_tables, find_tables
from curate.kernels.html_features import page_features
from curate.kernels.html_measures import ACTIVE, HIDDEN_SHARE, TOTAL, Measures, count_blocks, measure
from curate.kernels.html_scan import scan_page
from curate.kernels.html_state import BEGIN, BLOCKS, OUT, SPACE, Known, Scratch
from curate.kernels.html_text import append_text
from curate.kernels.html_write import room_needed, write_page
from curate.kernels.trees import TOGETHER, Forest, answer
from curate.kernels.vectors import WIDTH, marks, ones
from curate.text import Bytes, Offsets

Floats = npt.NDArray[np.float32]
#: with less text than this that is not hidden, or little and this share of all hidden, hidden blocks are looked at, too
FEW, LITTLE, MUCH_HIDDEN = 250, 1500, 0.8
#: how many blocks have their features in memory at a time; no power of two, or all features of a block share few lines
#: of the processor's cache
CHUNK = 15 * TOGETHER
_FIELDS = len(FIELDS)
#: masks of `<`
_less = marks([60])


class Group(NamedTuple):
    """Where each of the k pages of a group has its rows and bytes in the tables of `Scratch`, and what is kept of it."""

    rows: npt.NDArray[np.int64]  # k + 1: of elements and blocks
    bytes: npt.NDArray[np.int64]  # k + 1: of text
    state: npt.NDArray[np.int64]  # k x STATE_FIELDS
    fields: npt.NDArray[np.int64]  # k x FIELDS x 3
    chosen: npt.NDArray[np.bool_]  # rows: the blocks that are main text


class Work(NamedTuple):
    """Room for the model and the choice."""

    x: Floats  # features x CHUNK
    odds: Floats  # CHUNK
    total: Floats  # CHUNK
    place: npt.NDArray[np.int32]  # CHUNK
    unsure: npt.NDArray[np.int32]  # CHUNK
    column_of: npt.NDArray[np.int32]  # CHUNK
    chances: Chances


class Found(NamedTuple):
    """What is said of n pages."""

    size: npt.NDArray[np.int64]  # n: bytes of text
    field_start: npt.NDArray[np.int64]  # n x FIELDS: where each field is in the fields of the page's group
    field_stop: npt.NDArray[np.int64]
    confidence: Floats  # n: the F1 to be expected if the probabilities are right, 0 without text
    blocks: npt.NDArray[np.int32]  # n: all
    kept: npt.NDArray[np.int32]  # n: those chosen
    relaxed: npt.NDArray[np.bool_]  # n: whether hidden blocks were looked at
    denormal: npt.NDArray[np.bool_]  # n: whether NFC may change the text


@kernel
def page_of(s: Scratch, g: Group, page: int) -> Scratch:
    """The part of the tables that is a page's own."""
    first, last = g.rows[page], g.rows[page + 1]
    text = s.text[g.bytes[page] : g.bytes[page + 1]]
    return Scratch(
        g.state[page], s.opened, s.elements[first:last], s.masks[first:last], s.blocks[first:last], text, s.values,
        g.fields[page],
    )  # fmt: skip


@kernel
def scan_pages(data: Bytes, offsets: Offsets, known: Known, s: Scratch, g: Group) -> None:
    """Read the pages of a group: UTF-8 bytes, k + 1 offsets. A page without a row in the tables is not looked at."""
    for page in range(len(offsets) - 1):
        if g.rows[page] < g.rows[page + 1]:
            scan_page(data, np.int64(offsets[page]), np.int64(offsets[page + 1]), known, page_of(s, g, page))


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


@loop
def judge(s: Scratch, m: Measures, forest: Forest, w: Work) -> None:
    """The probability of each block that counts that it is main text, and the tables that blocks are in."""
    first = np.int64(0)
    while first < s.state[BLOCKS]:
        last, columns = page_features(s, m, first, w.x, w.column_of)
        answer(w.x, columns, forest, w.place, w.unsure, w.total, w.odds)
        for block in range(first, last):
            column = w.column_of[block - first]
            if column >= 0:
                w.chances.probability[block] = np.float32(1) / (np.float32(1) + np.exp(-w.odds[column]))
        first = last
    find_tables(s, m, w.chances.table)
    even_tables(s, m, w.chances)


@loop
def _take_all(s: Scratch, m: Measures, chosen: npt.NDArray[np.bool_]) -> int:
    """All blocks that count; how many."""
    kept = 0
    for block in range(s.state[BLOCKS]):
        chosen[block] = m.counts[block, ACTIVE] > 0
        kept += chosen[block]
    return kept


@kernel
def judge_pages(
    data: Bytes, s: Scratch, g: Group, m: Measures, forest: Forest, w: Work, beta: float, whole: bool, found: Found
) -> None:
    """Choose the blocks of each page of a group; with `whole` all that is not hidden."""
    for page in range(len(found.size)):
        if g.rows[page] == g.rows[page + 1]:
            continue
        here, chosen = page_of(s, g, page), g.chosen[g.rows[page] : g.rows[page + 1]]
        found.relaxed[page] = measure_page(data, here, m)
        if whole:
            kept = _take_all(here, m, chosen)
            best = 1.0 if kept > 0 else 0.0
        else:
            judge(here, m, forest, w)
            best, kept = choose(here, m, beta, w.chances, chosen)
        found.confidence[page], found.kept[page], found.blocks[page] = best, kept, here.state[BLOCKS]


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
def _rooms(s: Scratch, g: Group, pages: int) -> tuple[int, int]:
    """More bytes than the text and the fields of the pages can have."""
    text = fields = np.int64(0)
    for page in range(pages):
        if g.rows[page] < g.rows[page + 1]:
            here = page_of(s, g, page)
            text += room_needed(here)
            for field in range(_FIELDS):
                fields += max(here.fields[field, 1] - here.fields[field, 0], 0)
    return text, fields


@kernel
def write_pages(
    data: Bytes,
    known: Known,
    s: Scratch,
    g: Group,
    tables: Composition,
    markdown: bool,
    bullets: bool,
    found: Found,
) -> tuple[Bytes, Bytes]:
    """The main text of the pages of a group, and their fields."""
    pages = len(found.size)
    text_room, field_room = _rooms(s, g, pages)
    text, fields = np.empty(text_room, np.uint8), np.empty(field_room, np.uint8)
    at = field_at = np.int64(0)
    for page in range(pages):
        if g.rows[page] == g.rows[page + 1]:
            continue
        here, start = page_of(s, g, page), at
        at = write_page(here, g.chosen[g.rows[page] : g.rows[page + 1]], markdown, bullets, text, at)
        found.size[page], found.denormal[page] = at - start, may_change(text, start, at, tables)
        field_at = _write_fields(data, known, here, fields, field_at, found.field_start[page], found.field_stop[page])
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
