"""Which blocks of a page are its main text, given how likely each one is."""

# isort: off
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.html_measures import ACTIVE, TOKENS, Measures
from curate.kernels.html_state import BLOCKS, CELL_SIZE, CELLS, ELEMENT, PATH, TAG, Scratch
from curate.kernels.html_tags import H1, H6, IN_TABLE
from curate.kernels.html_write import around

Flags = npt.NDArray[np.bool_]
#: steps of probability in which blocks are chosen
LEVELS = 1024
#: a table of data has as many cells, and at most so many tokens a cell in the mean
FEW_CELLS, CELL_TOKENS = 4, 60
#: a heading below the first level, right before a chosen block, need not be likelier than this
LIKELY_HEADING = 0.3


class Chances(NamedTuple):
    """What the choice needs of the blocks of a page, and room for it."""

    probability: npt.NDArray[np.float32]  # blocks; before the choice the logarithm of the odds
    table: npt.NDArray[np.int32]  # blocks: the element of the table of data that one is in, or 0
    tokens: npt.NDArray[np.int32]  # blocks: -1 for those that do not count
    size: npt.NDArray[np.float64]  # LEVELS
    hits: npt.NDArray[np.float64]  # LEVELS


@entry
def weigh(s: Scratch, m: Measures, chances: Chances) -> None:
    """The tokens of each block of a page, and the table of data that it is in."""
    last, elements, tokens, table, seen = np.int64(0), s.elements, chances.tokens, chances.table, False
    for block in range(s.state[BLOCKS]):
        tokens[block], table[block] = -1, 0
        if m.counts[block, ACTIVE]:
            tokens[block] = m.counts[block, TOKENS]
            if elements[s.blocks[block, ELEMENT], PATH] & IN_TABLE:
                found = around(s, block)
                table[block] = found.table
                elements[found.table, CELLS] += found.cell != last
                elements[found.table, CELL_SIZE] += tokens[block]
                last, seen = found.cell, True
    if seen:
        _keep_data(s, table)


@loop
def _keep_data(s: Scratch, table: npt.NDArray[np.int32]) -> None:
    """Of tables for the layout 0; what was counted of any is taken back."""
    elements = s.elements
    for block in range(s.state[BLOCKS]):
        cells = elements[table[block], CELLS]
        if cells < FEW_CELLS or elements[table[block], CELL_SIZE] > CELL_TOKENS * cells:
            table[block] *= -1
    for block in range(s.state[BLOCKS]):
        elements[abs(table[block]), CELLS] = elements[abs(table[block]), CELL_SIZE] = 0
        table[block] = max(table[block], np.int32(0))


@loop
def find_probabilities(s: Scratch, m: Measures, chances: Chances) -> None:
    """Odds to probabilities; all cells of a table of data have that of one of its words in the mean: it is taken whole or not.

    What is in `scores` and `best` of `m` is lost.
    """
    p, table, hits, size = chances.probability, chances.table, m.scores, m.best
    for block in range(s.state[BLOCKS]):
        p[block] = np.float32(1) / (np.float32(1) + np.exp(-p[block]))
        hits[table[block]] = size[table[block]] = 0
    for block in range(s.state[BLOCKS]):
        if table[block]:
            tokens = np.float32(max(chances.tokens[block], 1))
            hits[table[block]] += tokens * p[block]
            size[table[block]] += tokens
    for block in range(s.state[BLOCKS]):
        if table[block]:
            p[block] = hits[table[block]] / size[table[block]]


@loop
def choose(s: Scratch, beta: float, chances: Chances, chosen: Flags) -> tuple[float, int]:
    """The blocks above the probability at which the F-measure to be expected is highest: (it, how many blocks).

    If `p` are the probabilities and `t` the tokens of blocks, choosing those above a level gives sum(p t) hits, sum(t)
    tokens, of sum(p t) over all that are wanted. The best level always takes at least one block.
    """
    chances.size[:] = 0
    chances.hits[:] = 0
    blocks, wanted = s.state[BLOCKS], 0.0
    for block in range(blocks):
        if chances.tokens[block] >= 0:
            tokens, p = float(chances.tokens[block]), float(chances.probability[block])
            level = min(int(p * LEVELS), LEVELS - 1)
            chances.size[level] += tokens
            chances.hits[level] += p * tokens
            wanted += p * tokens
    best, at, tokens, hits = 0.0, LEVELS, 0.0, 0.0
    square = beta * beta
    for level in range(LEVELS - 1, -1, -1):
        if chances.size[level] > 0:
            tokens += chances.size[level]
            hits += chances.hits[level]
            value = (1 + square) * hits / (tokens + square * wanted)
            if value > best:
                best, at = value, level
    return best, _take(s, chances, at, chosen)


@loop
def _take(s: Scratch, chances: Chances, least: int, chosen: Flags) -> int:
    """Choose the blocks from a level on, and headings before them; how many."""
    kept, before = 0, False
    for block in range(s.state[BLOCKS] - 1, -1, -1):
        chosen[block] = False
        if chances.tokens[block] >= 0:
            p, tag = float(chances.probability[block]), s.elements[s.blocks[block, ELEMENT], TAG]
            heads = before and H1 < tag <= H6 and p >= LIKELY_HEADING
            before = min(int(p * LEVELS), LEVELS - 1) >= least or heads
            chosen[block] = before
            kept += before
    return kept
