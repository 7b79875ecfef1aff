"""Room for the kernels that read pages, and the tables they read, made once a process."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from curate.kernels.html_attributes import ATTRIBUTES, FIELDS, names
from curate.kernels.html_entities import entities
from curate.kernels.html_features import FEATURES
from curate.kernels.html_measures import COUNTS, KINDS, PAGE_FIELDS, SUMS, Measures, character_kinds
from curate.kernels.html_pages import CHUNK, LEVELS, Work
from curate.kernels.html_state import BLOCK_FIELDS, ELEMENT_FIELDS, STATE_FIELDS, Known, Scratch
from curate.kernels.html_tags import COUNT, tags
from curate.kernels.html_text import byte_kinds
from curate.kernels.html_words import words


@functools.cache
def known() -> Known:
    """The tables of tags, attributes, entities, keywords and bytes."""
    return Known(tags(), names(), entities(), words(), byte_kinds())


class Room(NamedTuple):
    """What the kernels write for one page, and then for the next."""

    scratch: Scratch
    measures: Measures
    work: Work


def room(page_bytes: int, markup: int) -> Room:
    """Room for pages of up to `page_bytes` bytes with up to `markup` times `<`: some 300 bytes for each of these."""
    elements = blocks = markup + 2
    slots = 8
    while slots < 2 * blocks:
        slots *= 2
    scratch = Scratch(
        np.zeros(STATE_FIELDS, np.int64),
        np.zeros(COUNT, np.int32),
        np.zeros((ELEMENT_FIELDS, elements), np.int32),
        np.zeros((2, elements), np.uint64),
        np.zeros((BLOCK_FIELDS, blocks), np.int32),
        np.zeros(2 * page_bytes + 64, np.uint8),
        np.zeros((len(ATTRIBUTES) + 1, 2), np.int64),
        np.zeros((len(FIELDS), 3), np.int64),
    )
    measures = Measures(
        np.zeros((COUNTS, blocks), np.int32),
        np.zeros((SUMS, blocks + 1), np.int64),
        np.zeros(elements, np.float32),
        np.zeros(elements, np.float32),
        np.zeros(PAGE_FIELDS, np.float64),
        np.zeros(slots, np.uint64),
        np.zeros(slots, np.int32),
        np.zeros(elements, np.int64),
        np.zeros((3, slots), np.int64),
        np.zeros(blocks, np.int32),
        character_kinds(),
        np.zeros(KINDS, np.int64),
    )
    work = Work(
        np.zeros((len(FEATURES), CHUNK), np.float32),
        np.zeros(CHUNK, np.float32),
        np.zeros(CHUNK, np.int32),
        np.zeros(blocks, np.float32),
        np.zeros(blocks, np.bool_),
        np.zeros(LEVELS, np.float64),
        np.zeros(LEVELS, np.float64),
    )
    return Room(scratch, measures, work)
