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
from curate.kernels.html_pages import CHUNK, Group, Work, page_of
from curate.kernels.html_state import BLOCK_FIELDS, ELEMENT_FIELDS, STATE_FIELDS, Known, Scratch
from curate.kernels.html_tags import COUNT, tags
from curate.kernels.html_text import byte_kinds
from curate.kernels.html_words import words

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

    def group(self, sizes: Counts, markup: Counts) -> Group:
        """The places in this room of pages of `sizes` bytes with `markup` times `<`; less than 0 of both: not looked at."""
        rows = np.concatenate([[0], np.cumsum(np.where(markup < 0, 0, markup + 2))])
        text = np.concatenate([[0], np.cumsum(np.where(sizes < 0, 0, 2 * sizes + SLACK))])
        state = np.zeros((len(sizes), STATE_FIELDS), np.int64)
        return Group(rows, text, state, np.zeros((len(sizes), len(FIELDS), 3), np.int64), self.chosen[: rows[-1]])


def room(group: Counts, sizes: Counts, markup: Counts) -> Room:
    """Room for groups of pages: some 300 bytes for each `<`. `group` numbers the groups of pages, from 0 on.

    `sizes` are bytes, `markup` is how often `<` stands in each page. Room of moderate size is kept for the next call of the
    same thread, whose pages then find memory that the system has given out before.
    """
    rows = int(np.bincount(group, np.maximum(markup + 2, 0), 1).max())
    text = int(np.bincount(group, np.maximum(2 * sizes + SLACK, 0), 1).max())
    most = int(markup.max(initial=0)) + 2
    wanted = (rows, text, most)
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
        np.zeros((len(FEATURES), CHUNK), np.float32),
        np.zeros(CHUNK, np.float32),
        np.zeros(CHUNK, np.float32),
        np.zeros(CHUNK, np.int32),
        np.zeros(CHUNK, np.int32),
        np.zeros(CHUNK, np.int32),
        Chances(
            np.zeros(most, np.float32),
            np.zeros(most, np.int32),
            np.zeros(LEVELS, np.float64),
            np.zeros(LEVELS, np.float64),
        ),
    )
    return Room(scratch, measures, work, np.zeros(rows, np.bool_))


def one_page(size: int, markup: int) -> tuple[Room, Scratch]:
    """Room for one page, and its part of the tables."""
    here = _made(markup + 2, 2 * size + SLACK, markup + 2)
    return here, page_of(here.scratch, here.group(np.array([size]), np.array([markup])), 0)
