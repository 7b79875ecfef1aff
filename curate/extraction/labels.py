"""Labels of blocks: which part of each block stands in a reference text, by the alignment of their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.alignment import aligned

#: pages and reference texts whose lengths in words multiply to more are left out: the alignment takes a byte for each
MOST_CELLS = 600_000_000
_WORD = re.compile(r"\w+")


class Labels(NamedTuple):
    """Of each block of a page."""

    share: npt.NDArray[np.float64]  # of its words, those in the reference text: 0 to 1
    words: npt.NDArray[np.int64]  # how many words it has
    wanted: int  # words of the reference text


def words(text: str) -> list[str]:
    """The words by which texts are compared, in lower case."""
    return _WORD.findall(text.lower())


def labels(blocks: Sequence[str], reference: str) -> Labels | None:
    """The labels of the blocks of a page, in the order of the page; None if the two are too long to align."""
    numbers: dict[str, int] = {}
    split = [words(block) for block in blocks]
    page = np.array([numbers.setdefault(word, len(numbers)) for block in split for word in block], np.int32)
    gold = np.array([numbers.get(word, -1) for word in words(reference)], np.int32)
    if len(page) * len(gold) > MOST_CELLS:
        return None
    hits = np.concatenate([[0], np.cumsum(aligned(page, gold))])
    counts = np.array([len(block) for block in split], np.int64)
    ends = np.cumsum(counts)
    return Labels((hits[ends] - hits[ends - counts]) / np.maximum(counts, 1), counts, len(gold))


def plain(text: str) -> str:
    """The text with all white space as single blanks, by which passages are looked for."""
    return " ".join(text.split())


def mark_passages(blocks: Sequence[str], passages: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which blocks hold one of the passages, or are part of one and not short."""
    texts, found = [plain(block) for block in blocks], np.zeros(len(blocks), np.bool_)
    for passage in map(plain, passages):
        for place, text in enumerate(texts):
            found[place] |= passage in text or (len(text) > 15 and text in passage)
    return found
