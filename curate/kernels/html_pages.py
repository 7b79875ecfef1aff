"""A batch of pages to main text: scan, features, trees, the choice of blocks, the text; linear in the bytes of a page."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, kernel, loop
from curate.kernels.html_attributes import FIELDS
from curate.kernels.html_features import page_features
from curate.kernels.html_measures import ACTIVE, HIDDEN_SHARE, TOKENS, TOTAL, Measures, count_blocks, measure
from curate.kernels.html_scan import scan_page
from curate.kernels.html_state import BEGIN, BLOCKS, OUT, SPACE, Known, Scratch
from curate.kernels.html_text import append_text
from curate.kernels.html_write import room_needed, write_page
from curate.kernels.trees import add_trees
from curate.kernels.unicode import decode
from curate.text import Bytes, Offsets

Floats = npt.NDArray[np.float32]
#: with less text than this that is not hidden, or little and this share of all hidden, hidden blocks are looked at, too
FEW, LITTLE, MUCH_HIDDEN = 250, 1500, 0.8
#: steps of probability in which blocks are chosen
LEVELS = 1024
#: how many blocks have their features in memory at a time; no power of two, or all features of a block share few lines
#: of the processor's cache
CHUNK = 250
_FIELDS = len(FIELDS)


class Work(NamedTuple):
    """Room for the model and the choice."""

    x: Floats  # features x CHUNK
    odds: Floats  # CHUNK
    place: npt.NDArray[np.int32]  # CHUNK
    probability: Floats  # blocks
    chosen: npt.NDArray[np.bool_]  # blocks
    tokens: npt.NDArray[np.float64]  # LEVELS
    hits: npt.NDArray[np.float64]  # LEVELS


class Forest(NamedTuple):
    """The trees of `curate.extraction.model`."""

    base: float
    feature: npt.NDArray[np.int32]
    threshold: Floats
    leaves: Floats


class Found(NamedTuple):
    """What n pages hold."""

    text: Bytes
    offsets: npt.NDArray[np.int64]  # n + 1
    fields: Bytes
    field_start: npt.NDArray[np.int64]  # FIELDS x n
    field_stop: npt.NDArray[np.int64]
    confidence: Floats  # n: the F1 to be expected if the probabilities are right, 0 without text
    blocks: npt.NDArray[np.int32]  # n: all
    kept: npt.NDArray[np.int32]  # n: those chosen
    relaxed: npt.NDArray[np.bool_]  # n: whether hidden blocks were looked at
    denormal: npt.NDArray[np.bool_]  # n: whether NFC may change the text


@loop
def look_at(data: Bytes, start: int, stop: int, known: Known, s: Scratch, m: Measures) -> bool:
    """Scan a page and measure its blocks; whether hidden ones count."""
    scan_page(data, start, stop, known, s)
    count_blocks(data, s, m)
    measure(s, m, False)
    total, share = m.page[TOTAL], m.page[HIDDEN_SHARE]
    relaxed = bool((total < FEW and share > 0) or (total < LITTLE and share > MUCH_HIDDEN))
    if relaxed:
        measure(s, m, True)
    return relaxed


@loop
def judge(s: Scratch, m: Measures, forest: Forest, w: Work) -> None:
    """The probability of each block that it is main text."""
    blocks = s.state[BLOCKS]
    for first in range(0, blocks, CHUNK):
        last = min(first + CHUNK, blocks)
        page_features(s, m, first, last, w.x)
        rows = last - first
        w.odds[:rows] = np.float32(forest.base)
        add_trees(w.x, rows, forest.feature, forest.threshold, forest.leaves, w.place, w.odds)
        for k in range(rows):
            w.probability[first + k] = np.float32(1) / (np.float32(1) + np.exp(-w.odds[k]))


@loop
def choose(s: Scratch, m: Measures, beta: float, w: Work) -> tuple[float, int]:
    """The blocks above the probability at which the F-measure to be expected is highest: (it, how many blocks).

    If `p` are the probabilities and `t` the tokens of blocks, choosing those above a level gives sum(p t) hits, sum(t)
    tokens, of sum(p t) over all that are wanted. The best level always takes at least one block.
    """
    w.tokens[:] = 0
    w.hits[:] = 0
    blocks, wanted = s.state[BLOCKS], 0.0
    for block in range(blocks):
        w.chosen[block] = False
        if m.counts[ACTIVE, block]:
            tokens, p = float(m.counts[TOKENS, block]), float(w.probability[block])
            level = min(int(p * LEVELS), LEVELS - 1)
            w.tokens[level] += tokens
            w.hits[level] += p * tokens
            wanted += p * tokens
    best, at, tokens, hits = 0.0, LEVELS, 0.0, 0.0
    square = beta * beta
    for level in range(LEVELS - 1, -1, -1):
        if w.tokens[level] > 0:
            tokens += w.tokens[level]
            hits += w.hits[level]
            value = (1 + square) * hits / (tokens + square * wanted)
            if value > best:
                best, at = value, level
    kept = 0
    for block in range(blocks):
        if m.counts[ACTIVE, block] and min(int(float(w.probability[block]) * LEVELS), LEVELS - 1) >= at:
            w.chosen[block] = True
            kept += 1
    return best, kept


@inlined
def _may_compose(text: Bytes, start: int, stop: int, maybe: npt.NDArray[np.uint8]) -> bool:
    """Whether the text has a character that NFC may change."""
    i = start
    while i < stop:
        if text[i] < 0xCC:
            i += 1
            continue
        code, i = decode(text, i, stop)
        if maybe[code]:
            return True
    return False


@loop
def _write_fields(
    data: Bytes, known: Known, s: Scratch, page: int, out: Bytes, at: int, start: npt.NDArray, stop: npt.NDArray
) -> int:
    """The fields of a page, references resolved and white space squeezed, to `out`; where they end."""
    for field in range(_FIELDS):
        start[field, page] = stop[field, page] = at
        i, last = s.fields[field, 0], s.fields[field, 1]
        s.state[BEGIN], s.state[SPACE] = -1, 0
        begin = s.state[OUT]
        while i < last:
            i = append_text(data, i, last, 0, known.kinds, known.entities, s.state, s.text)
        for k in range(begin, s.state[OUT]):
            out[at] = s.text[k]
            at += 1
        s.state[OUT] = begin
        stop[field, page] = at
    return at


@loop
def count_markup(data: Bytes, offsets: Offsets, counts: npt.NDArray[np.int64]) -> None:
    """How often `<` stands in each page: no page has more elements or blocks than that and one."""
    for page in range(len(offsets) - 1):
        found = 0
        for i in range(np.uint64(offsets[page]), np.uint64(offsets[page + 1])):
            found += data[i] == 60
        counts[page] = found


@kernel
def _grown(held: Bytes, used: int, more: int) -> Bytes:
    if used + more <= len(held):
        return held
    made = np.empty(max(2 * len(held), used + more), np.uint8)
    made[:used] = held[:used]
    return made


@kernel
def extract_pages(
    data: Bytes,
    offsets: Offsets,
    known: Known,
    s: Scratch,
    m: Measures,
    forest: Forest,
    w: Work,
    maybe: npt.NDArray[np.uint8],
    skipped: npt.NDArray[np.bool_],
    beta: float,
    whole: bool,
    markdown: bool,
    bullets: bool,
) -> Found:
    """The main text and the fields of n pages (UTF-8 bytes, n + 1 offsets); with `whole` all text that is not hidden.

    Those that are `skipped` are taken for empty.
    """
    count = len(offsets) - 1
    text, fields = np.empty(1 << 16, np.uint8), np.empty(1 << 12, np.uint8)
    found = Found(
        text, np.zeros(count + 1, np.int64), fields, np.zeros((_FIELDS, count), np.int64),
        np.zeros((_FIELDS, count), np.int64), np.zeros(count, np.float32), np.zeros(count, np.int32),
        np.zeros(count, np.int32), np.zeros(count, np.bool_), np.zeros(count, np.bool_),
    )  # fmt: skip
    at = field_at = np.int64(0)
    for page in range(count):
        start, stop = np.int64(offsets[page]), np.int64(offsets[page + 1])
        if skipped[page]:
            stop = start
        found.relaxed[page] = look_at(data, start, stop, known, s, m)
        if whole:
            kept = 0
            for block in range(s.state[BLOCKS]):
                w.chosen[block] = m.counts[ACTIVE, block] > 0
                kept += w.chosen[block]
            found.confidence[page], found.kept[page] = np.float32(kept > 0), kept
        else:
            judge(s, m, forest, w)
            best, kept = choose(s, m, beta, w)
            found.confidence[page], found.kept[page] = np.float32(best), kept
        found.blocks[page] = s.state[BLOCKS]
        text = _grown(text, at, room_needed(s))
        end = write_page(s, m, w.chosen, markdown, bullets, text, at)
        found.denormal[page] = _may_compose(text, at, end, maybe)
        at = end
        found.offsets[page + 1] = at
        size = np.int64(64)
        for field in range(_FIELDS):
            size += max(s.fields[field, 1] - s.fields[field, 0], 0)
        fields = _grown(fields, field_at, size)
        field_at = _write_fields(data, known, s, page, fields, field_at, found.field_start, found.field_stop)
    return Found(
        text[:at].copy(), found.offsets, fields[:field_at].copy(), found.field_start, found.field_stop, found.confidence,
        found.blocks, found.kept, found.relaxed, found.denormal,
    )  # fmt: skip
