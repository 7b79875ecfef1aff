"""Room for the kernels that read pages, and the tables they read, made once a process."""

from __future__ import annotations

import functools
import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.html_attributes import ATTRIBUTES, FIELDS, names
from curate.kernels.html_choice import LEVELS, Chances
from curate.kernels.html_entities import entities
from curate.kernels.html_features import FEATURES
from curate.kernels.html_measures import COUNTS, PAGE_FIELDS, SUMS, Measures, character_kinds
from curate.kernels.html_pages import CHUNK, Places, Work, page_of
from curate.kernels.html_state import BLOCK_FIELDS, ELEMENT_FIELDS, STATE_FIELDS, Known, Scratch
from curate.kernels.html_tags import COUNT, tags
from curate.kernels.html_text import byte_kinds
from curate.kernels.html_words import words
from curate.kernels.trees import waiting

Counts = npt.NDArray[np.int64]
#: bytes behind the text of a page that are written to and read, see `curate.kernels.vectors`
SLACK = 64
#: room for at most so many elements and bytes of text is kept: some 20 MB
KEPT_ROWS, KEPT_TEXT = 1 << 17, 4 << 20


@functools.cache
def known() -> Known:
    """The tables of tags, attributes, entities, keywords and bytes."""
    return Known(tags(), names(), entities(), words(), byte_kinds())


class Room(NamedTuple):
    """What the kernels write for one group of pages, and then for the next."""

    scratch: Scratch
    measures: Measures
    work: Work
    chosen: npt.NDArray[np.bool_]


def room(group: Counts, sizes: Counts, markup: Counts) -> tuple[Room, Places]:
    """Room for groups of pages, some 300 bytes for each `<`, and the places of the pages in it.

    `group` numbers the groups of pages, from 0 on; `sizes` are bytes, `markup` is how often `<` stands in each page: less than
    0 for those that are not looked at. Room of moderate size is kept for the next call of the same thread, whose pages then
    find memory that the system has given out before.
    """
    groups = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
    rows = _in_group(groups, np.where(markup < 0, 0, markup + 2))
    text = _in_group(groups, np.where(sizes < 0, 0, 2 * sizes + SLACK))
    here = _enough(int(rows.max(initial=1)), int(text.max(initial=1)), int(markup.max(initial=0)) + 2)
    return here, _places(groups, rows, text, here)


def _places(groups: Counts, rows: Counts, text: Counts, here: Room) -> Places:
    state, fields = np.zeros((len(rows), STATE_FIELDS), np.int64), np.zeros((len(rows), len(FIELDS), 3), np.int64)
    return Places(groups, rows, text, state, fields, here.chosen)


def _in_group(groups: Counts, needed: Counts) -> Counts:
    """From where to where what is needed lies, counted from the beginning of each group: n x 2."""
    stop = np.cumsum(needed)
    begin = (stop - needed)[groups[:-1]]
    return np.stack([stop - needed, stop], axis=1) - np.repeat(begin, np.diff(groups))[:, None]


def _enough(*wanted: int) -> Room:
    """Room for as many rows of a group, bytes of its text, and rows of a page."""
    rows, text, _ = wanted
    if rows > KEPT_ROWS or text > KEPT_TEXT:
        return _made(*wanted)
    if _kept.room is None or any(size > have for size, have in zip(wanted, _kept.sizes, strict=True)):
        rows, text, most = (max(size, have) for size, have in zip(wanted, _kept.sizes, strict=True))
        _kept.sizes, _kept.room = (rows, text, most), _made(rows, text, most)
    return _kept.room


class _Kept(threading.local):
    """What a thread keeps."""

    sizes: tuple[int, int, int] = (0, 0, 0)
    room: Room | None = None


_kept = _Kept()


def _made(rows: int, text: int, most: int) -> Room:
    slots = 8
    while slots < 2 * most:
        slots *= 2
    scratch = Scratch(
        np.zeros(STATE_FIELDS, np.int64),
        np.zeros(COUNT, np.int64),
        np.zeros((rows, ELEMENT_FIELDS), np.int32),
        np.zeros((rows, 2), np.uint64),
        np.zeros((rows, BLOCK_FIELDS), np.int32),
        np.zeros(text, np.uint8),
        np.zeros((len(ATTRIBUTES) + 1, 2), np.int64),
        np.zeros((len(FIELDS), 3), np.int64),
    )
    measures = Measures(
        np.zeros((most, COUNTS), np.int32),
        np.zeros((most + 1, SUMS), np.int64),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros(PAGE_FIELDS, np.float64),
        np.zeros(slots, np.uint64),
        np.zeros(slots, np.int32),
        np.zeros(most, np.int64),
        np.zeros((slots, 3), np.int64),
        np.zeros(most, np.int32),
        character_kinds(),
    )
    work = Work(
        waiting(len(FEATURES), 2 * CHUNK),
        waiting(len(FEATURES), 2 * CHUNK),
        np.zeros(CHUNK, np.int32),
        Chances(
            np.zeros(rows, np.float32),
            np.zeros(rows, np.int32),
            np.zeros(rows, np.int32),
            np.zeros(LEVELS, np.float64),
            np.zeros(LEVELS, np.float64),
        ),
    )
    return Room(scratch, measures, work, np.zeros(rows, np.bool_))


def one_page(size: int, markup: int) -> tuple[Room, Scratch]:
    """Room for one page, and its part of the tables."""
    rows, text = markup + 2, 2 * size + SLACK
    here = _made(rows, text, rows)
    return here, page_of(here.scratch, _places(np.array([0, 1]), np.array([[0, rows]]), np.array([[0, text]]), here), 0)
