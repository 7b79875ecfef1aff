"""The blocks of one page as Python values: for training, and to explain what became of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.extraction.scratch import known, one_page
from curate.kernels.html_choice import weigh
from curate.kernels.html_features import FEATURES, page_features
from curate.kernels.html_measures import ACTIVE, TOKENS
from curate.kernels.html_pages import CHUNK, measure_page
from curate.kernels.html_scan import scan_page
from curate.kernels.html_state import BLOCKS, ELEMENT, HIDDEN, PARENT, START, STOP, TAG
from curate.kernels.html_tags import H1, H6, NAMES

#: how far up the path of a block is told
_PATH = 6


class Blocks(NamedTuple):
    """The n blocks of a page, in its order."""

    texts: list[str]
    features: npt.NDArray[np.float32]  # n x len(FEATURES); zeros for those that are not active
    active: npt.NDArray[np.bool_]  # n: those that the model may choose
    tokens: npt.NDArray[np.int32]  # n
    hidden: npt.NDArray[np.int32]  # n: see `html_state.BY_STYLE`
    table: npt.NDArray[np.int32]  # n: the table of data that one is in, by a number above 0, or 0
    subheading: npt.NDArray[np.bool_]  # n: headings below the first level
    paths: list[str]  # n: the elements around, such as `article > div > p`
    relaxed: bool


def read_blocks(page: bytes) -> Blocks:
    """The blocks of a page in UTF-8."""
    data = np.frombuffer(page, np.uint8)
    here, s = one_page(len(page), page.count(b"<"))
    m = here.measures
    scan_page(data, 0, len(page), known(), s)
    relaxed = bool(measure_page(data, s, m))
    count = int(s.state[BLOCKS])
    x = np.zeros((count, len(FEATURES)), np.float32)
    column_of = np.zeros(CHUNK, np.int32)
    first = 0
    while first < count:
        last, columns = page_features(s, m, first, here.work.asked.x, 0, column_of)
        x[first:last][column_of[: last - first] >= 0] = here.work.asked.x[:, :columns].T
        first = last
    weigh(s, m, here.work.chances)
    bounds = zip(s.blocks[:count, START], s.blocks[:count, STOP], strict=True)
    elements = s.blocks[:count, ELEMENT]
    return Blocks(
        [bytes(s.text[start:stop]).decode("utf-8", "replace") for start, stop in bounds],
        x,
        m.counts[:count, ACTIVE] > 0,
        m.counts[:count, TOKENS].copy(),
        s.elements[elements, HIDDEN].copy(),
        here.work.chances.table[:count].copy(),
        (s.elements[elements, TAG] > H1) & (s.elements[elements, TAG] <= H6),
        [_path(s.elements, int(element)) for element in elements],
        relaxed,
    )


def _path(elements: npt.NDArray[np.int32], element: int) -> str:
    names: list[str] = []
    while element and len(names) < _PATH:
        tag = int(elements[element, TAG])
        names.append(NAMES[tag - 2] if tag > 1 else "?")
        element = int(elements[element, PARENT])
    return " > ".join(reversed(names)) or "page"
