"""Chosen blocks of a page back to text that reads well: paragraphs, headings, lists, code, tables; plain or Markdown."""

# isort: off
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.html_measures import holder_above
from curate.kernels.html_state import (
    BLOCKS, BREAKS, CELL_SIZE, CELLS, ELEMENT, ORDINAL, PARENT, PATH, START, STOP, TAG, Scratch,
)  # fmt: skip
from curate.kernels.html_tags import (
    BLOCKQUOTE, DD, DT, H1, H6, IN_LIST, IN_PRE, IN_QUOTE, IN_TABLE, LI, OL, PRE, TABLE, TD, TH, TR, UL, find_byte,
)  # fmt: skip
from curate.kernels.vectors import WIDTH, copy_all
from curate.text import Bytes

#: how far around a block its list, table or code is looked for
_STEPS = 24
#: a table whose cells hold more bytes than this in the mean is there for the layout; so is one that is marked for its code
_CELL, _CODE = 300, -(1 << 30)
#: as many empty cells at most are written before one
_EMPTY = 16
#: what a block may add to its own bytes: blanks, a bullet, fences, empty cells, the line under a table's head
ROOM_PER_BLOCK = 64 + 9 * _EMPTY


class Around(NamedTuple):
    """The elements around a block that decide how it is written; 0 for none."""

    item: int
    lists: int  # how many lists it is in
    pre: int
    cell: int
    row: int
    table: int
    quotes: int


@loop
def around(s: Scratch, block: int) -> Around:
    """What is around a block."""
    elements = s.elements
    element = np.int64(s.blocks[block, ELEMENT])
    path = elements[element, PATH]
    item = lists = pre = cell = row = table = quotes = np.int64(0)
    if path & (IN_LIST | IN_PRE | IN_QUOTE | IN_TABLE):
        for _ in range(_STEPS):
            tag = elements[element, TAG]
            # what is around a table has no say in how its cells are written
            if table == 0:
                if tag == LI and item == 0:
                    item = element
                elif tag in (UL, OL):
                    lists += 1
                elif tag == PRE:
                    pre = element
                elif tag == BLOCKQUOTE:
                    quotes += 1
            if (tag in (TD, TH)) and cell == 0:
                cell = element
            elif tag == TR and row == 0 and cell:
                row = element
            elif tag == TABLE and table == 0 and row:
                table = element
            if element == 0:
                break
            element = holder_above(elements, element)
    return Around(item, lists, pre, cell, row, table, quotes)


@loop
def _measure_tables(s: Scratch, chosen: npt.NDArray[np.bool_]) -> None:
    """Of each table, how many cells are chosen, and how much they hold in all; blocks beyond one a cell count double.

    The ordinal of a table is that of its first column in which anything is chosen. A cell with lines of code, which a row cannot
    hold, makes it one for the layout.
    """
    last = np.int64(0)
    for block in range(s.state[BLOCKS]):
        if chosen[block] and s.elements[s.blocks[block, ELEMENT], PATH] & IN_TABLE:
            found = around(s, block)
            if found.table:
                first, place = s.elements[found.table, ORDINAL], s.elements[found.cell, ORDINAL]
                s.elements[found.table, ORDINAL] = min(first, place) if first else place
                s.elements[found.table, CELLS] += found.cell != last
                s.elements[found.table, CELL_SIZE] += (s.blocks[block, STOP] - s.blocks[block, START]) * (
                    1 if found.cell != last else 2
                )
                if (
                    found.pre
                    and find_byte(s.text, s.blocks[block, START], s.blocks[block, STOP], 10) < s.blocks[block, STOP]
                ):
                    s.elements[found.table, CELL_SIZE] = _CODE
                last = found.cell


@inlined
def _is_data(s: Scratch, table: int) -> bool:
    """Whether a table is one of data, not of layout."""
    cells = s.elements[table, CELLS]
    return table > 0 and cells > 1 and 0 <= s.elements[table, CELL_SIZE] < _CELL * cells


@inlined
def _empty_before(s: Scratch, cell: int, ordinal: int) -> int:
    """How many cells of a row from `ordinal` on stand before one that is written."""
    return min(max(s.elements[cell, ORDINAL] - ordinal, 0), _EMPTY)


@inlined
def _put_empty(markdown: bool, count: int, out: Bytes, at: int) -> int:
    for _ in range(count):
        at = _put(out, at, b" | ") if markdown else _put(out, at, b"\t")
    return at


@inlined
def _put(out: Bytes, at: int, what: Any) -> int:
    for k in range(len(what)):
        out[at + k] = what[k]
    return at + len(what)


@loop
def _put_number(out: Bytes, at: int, number: int) -> int:
    digits = 1
    while number >= 10**digits and digits < 9:
        digits += 1
    for k in range(digits):
        out[at + digits - 1 - k] = 48 + number // 10**k % 10
    return at + digits


@loop
def write_page(s: Scratch, chosen: npt.NDArray[np.bool_], markdown: bool, bullets: bool, out: Bytes, at: int) -> int:
    """Write the chosen blocks to `out` from `at`, with room for all; where they end."""
    _measure_tables(s, chosen)
    before, begun, columns, first_row = Around(0, 0, 0, 0, 0, 0, 0), False, np.int64(0), False
    tag_before = np.int32(0)
    for block in range(s.state[BLOCKS]):
        if not chosen[block]:
            continue
        here = around(s, block)
        tag = s.elements[s.blocks[block, ELEMENT], TAG]
        if not _is_data(s, here.table):
            here = Around(here.item, here.lists, here.pre, 0, 0, 0, here.quotes)
        else:
            # bullets and fences would break a row
            here = Around(0, 0, 0, here.cell, here.row, here.table, 0)
        if begun:
            at, columns, first_row = _between(s, before, here, tag_before, tag, markdown, columns, first_row, out, at)
        elif here.table:
            columns, first_row = np.int64(1), True
        if here.row and (not begun or here.row != before.row):
            at = _put(out, at, b"| ") if markdown else at
            empty = _empty_before(s, here.cell, s.elements[here.table, ORDINAL])
            at, columns = _put_empty(markdown, empty, out, at), columns + empty
        at = _write_block(s, block, before, here, tag, markdown, bullets, out, at)
        before, tag_before, begun = here, tag, True
    if markdown and before.row:
        at = _end_row(columns, first_row, out, at)
    if markdown and before.pre:
        at = _put(out, at, b"\n```")
    return at


@loop
def _end_row(columns: int, first_row: bool, out: Bytes, at: int) -> int:
    """The end of a row in Markdown, with the line under the first."""
    at = _put(out, at, b" |")
    if first_row:
        at = _put(out, at, b"\n|")
        for _ in range(columns):
            at = _put(out, at, b" --- |")
    return at


@loop
def _between(
    s: Scratch,
    before: Around,
    here: Around,
    tag_before: int,
    tag: int,
    markdown: bool,
    columns: int,
    first_row: bool,
    out: Bytes,
    at: int,
) -> tuple[int, int, bool]:
    """What stands between two blocks: (where it ends, the columns of this row so far, whether it is a table's first)."""
    if here.table and here.table == before.table:
        if here.row == before.row:
            if here.cell == before.cell:
                return _put(out, at, b" "), columns, first_row
            steps = 1 + _empty_before(s, here.cell, s.elements[before.cell, ORDINAL] + 1)
            return _put_empty(markdown, steps, out, at), columns + steps, first_row
        if markdown:
            at = _end_row(columns, first_row, out, at)
        return _put(out, at, b"\n"), np.int64(1), False
    if here.pre and here.pre == before.pre:
        return _put(out, at, b"\n"), columns, first_row
    if markdown and before.row:
        at = _end_row(columns, first_row, out, at)
    if markdown and before.pre:
        at = _put(out, at, b"\n```")
    close = here.item and before.item or tag == DD and tag_before == DT
    at = _put(out, at, b"\n") if close and not (here.pre or before.pre) else _put(out, at, b"\n\n")
    return at, np.int64(here.table > 0), here.table > 0


@loop
def _write_block(
    s: Scratch, block: int, before: Around, here: Around, tag: int, markdown: bool, bullets: bool, out: Bytes, at: int
) -> int:
    indent = np.int64(0)
    if here.pre:
        if markdown and here.pre != before.pre:
            at = _put(out, at, b"```\n")
    elif here.item and bullets:
        indent = 2 * min(max(here.lists - 1, 0), 4)
        if here.item != before.item:
            for _ in range(indent):
                at = _put(out, at, b" ")
            if s.elements[s.elements[here.item, PARENT], TAG] == OL:
                at = _put(out, _put_number(out, at, np.int64(s.elements[here.item, ORDINAL])), b". ")
            else:
                at = _put(out, at, b"- ")
            indent += 2
        else:
            indent += 2
            for _ in range(indent):
                at = _put(out, at, b" ")
    elif markdown and H1 <= tag <= H6:
        for _ in range(tag - H1 + 1):
            at = _put(out, at, b"#")
        at = _put(out, at, b" ")
    quoted = markdown and here.quotes > 0 and not here.pre and not here.item
    if quoted:
        at = _put(out, at, b"> ")
    one_line = here.row > 0 or H1 <= tag <= H6
    if not (one_line or indent or quoted):
        first, size = np.int64(s.blocks[block, START]), np.int64(s.blocks[block, STOP] - s.blocks[block, START])
        # there is room behind the text of a page, and behind what is written: see `room_needed`
        for i in range(0, size, WIDTH):
            copy_all(s.text, first + i, out, at + i)
        return at + size
    for i in range(s.blocks[block, START], s.blocks[block, STOP]):
        byte = s.text[i]
        if byte == 10 and one_line:
            byte = np.uint8(32)
        if byte == 124 and markdown and here.row:
            at = _put(out, at, b"\\")
        out[at] = byte
        at += 1
        if byte == 10 and not here.pre:
            for _ in range(indent):
                at = _put(out, at, b" ")
            if quoted:
                at = _put(out, at, b"> ")
    return at


@loop
def room_needed(s: Scratch) -> int:
    """More bytes than `write_page` can write for the page."""
    need = np.int64(64)
    for block in range(s.state[BLOCKS]):
        # each line break inside may cost an indentation, each bar a backslash
        need += 2 * (s.blocks[block, STOP] - s.blocks[block, START]) + ROOM_PER_BLOCK + 12 * s.blocks[block, BREAKS]
    return need
