"""The blocks of one page as Python values: for training, and to explain what became of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.extraction.scratch import known, room
from curate.kernels.html_features import FEATURES, page_features
from curate.kernels.html_measures import ACTIVE, TOKENS
from curate.kernels.html_pages import CHUNK, look_at
from curate.kernels.html_state import BLOCKS, ELEMENT, HIDDEN, PARENT, START, STOP, TAG
from curate.kernels.html_tags import NAMES

#: how far up the path of a block is told
_PATH = 6


class Blocks(NamedTuple):
    """The n blocks of a page, in its order."""

    texts: list[str]
    features: npt.NDArray[np.float32]  # n x len(FEATURES)
    active: npt.NDArray[np.bool_]  # n: those that the model may choose
    tokens: npt.NDArray[np.int32]  # n
    hidden: npt.NDArray[np.int32]  # n: see `html_state.BY_STYLE`
    paths: list[str]  # n: the elements around, such as `article > div > p`
    relaxed: bool


def read_blocks(page: bytes) -> Blocks:
    """The blocks of a page in UTF-8."""
    data = np.frombuffer(page, np.uint8)
    here = room(len(page), page.count(b"<"))
    s, m = here.scratch, here.measures
    relaxed = bool(look_at(data, 0, len(page), known(), s, m))
    count = int(s.state[BLOCKS])
    x = np.zeros((len(FEATURES), count), np.float32)
    for first in range(0, count, CHUNK):
        last = min(first + CHUNK, count)
        part = np.zeros((len(FEATURES), CHUNK), np.float32)
        page_features(s, m, first, last, part)
        x[:, first:last] = part[:, : last - first]
    bounds = zip(s.blocks[START, :count], s.blocks[STOP, :count], strict=True)
    elements = s.blocks[ELEMENT, :count]
    return Blocks(
        [bytes(s.text[start:stop]).decode("utf-8", "replace") for start, stop in bounds],
        np.ascontiguousarray(x.T),
        m.counts[ACTIVE, :count] > 0,
        m.counts[TOKENS, :count].copy(),
        s.elements[HIDDEN, elements].copy(),
        [_path(s.elements, int(element)) for element in elements],
        relaxed,
    )


def _path(elements: npt.NDArray[np.int32], element: int) -> str:
    names: list[str] = []
    while element and len(names) < _PATH:
        tag = int(elements[TAG, element])
        names.append(NAMES[tag - 2] if tag > 1 else "?")
        element = int(elements[PARENT, element])
    return " > ".join(reversed(names)) or "page"
