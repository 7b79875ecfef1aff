"""What a scan of a page writes: elements and blocks as flat tables, a field of all of them to a row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.html_attributes import Fields, Names, Values
from curate.kernels.html_entities import Entities
from curate.kernels.html_tags import Tags
from curate.kernels.html_words import Words
from curate.text import Bytes

Table = npt.NDArray[np.int32]

#: fields of an element
(
    PARENT,
    TAG,
    PREVIOUS,
    HOLDER,
    FIRST_BLOCK,
    END_BLOCK,
    HIDDEN,
    PATH,
    DEPTH,
    SIGN,
    GROUP,
    MEMBERS,
    LAST_CHILD,
    CHILDREN,
) = range(14)
#: closed out of order; number in its list or row; of a table: cells that count and what they hold, when blocks are chosen and written
#: and the innermost `article` that it is or stands in
DEAD, ORDINAL, CELLS, CELL_SIZE, IN_ONE = 14, 15, 16, 17, 18
ELEMENT_FIELDS = 19
#: how an element is hidden: by attributes, by what it is, no text at all, its own text alone (inline), in a short `noscript`
BY_STYLE, BY_TAG, NO_TEXT, OWN_TEXT, BY_SCRIPT = 1, 2, 4, 8, 16

#: fields of a block: where its text is, its block-level element, the innermost one at its start, and bytes of some kinds
START, STOP, ELEMENT, INNER, LINKED, BOLD, LINKS, BREAKS, IMAGES = range(9)
BLOCK_FIELDS = 9

#: the state of a scan
CUR, OUT, BEGIN, SPACE, BLOCKS, ELEMENTS, ANCHOR, XHTML, RUN_END, STEPS = range(10)
STATE_FIELDS = 10


class Known(NamedTuple):
    """The tables that never change."""

    tags: Tags
    names: Names
    entities: Entities
    words: Words
    kinds: Bytes


class Scratch(NamedTuple):
    """What a scan writes; see `room` of `html_pages` for the sizes."""

    state: npt.NDArray[np.int64]  # STATE_FIELDS
    opened: npt.NDArray[np.int64]  # COUNT: the last open element of each number, or 0
    elements: Table  # ELEMENT_FIELDS x elements; element 0 is the page
    masks: npt.NDArray[np.uint64]  # 2 x elements: own keywords, those of all ancestors too
    blocks: Table  # BLOCK_FIELDS x blocks
    text: Bytes  # the text of all blocks
    values: Values
    fields: Fields
