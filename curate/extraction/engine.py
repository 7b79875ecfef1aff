"""Pages in UTF-8 -> main text, and what their heads say, as Arrow columns: no Python object a page."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.extraction.model import Model
from curate.extraction.scratch import known, room
from curate.kernels.composition import compose, composition
from curate.kernels.html_attributes import FIELDS
from curate.kernels.html_pages import Found, How, count_markup, extract_pages
from curate.text import Bytes, buffers, from_buffers

#: F-beta that the choice of blocks maximises: below 1 a doubtful block is rather left out
BETAS = {"precision": 0.7, "balanced": 0.95, "recall": 1.4}


#: each `<` may cost 300 bytes of memory while its page is read; real pages of 10 MB have some 100,000
MOST_MARKUP = 1_000_000
#: pages are read in groups of about as many bytes, so that what a page needs is still near when its turn comes again
GROUP_BYTES = 1 << 19


class Extracted(NamedTuple):
    """What n pages hold; strings are empty where nothing was found."""

    text: pa.Array
    fields: dict[str, pa.Array]  # FIELDS
    confidence: npt.NDArray[np.float32]
    blocks: npt.NDArray[np.int32]
    kept: npt.NDArray[np.int32]
    relaxed: npt.NDArray[np.bool_]
    skipped: npt.NDArray[np.bool_]  # with more markup than MOST_MARKUP: not looked at


def extract(
    pages: pa.Array,
    model: Model,
    *,
    favor: str = "balanced",
    whole: bool = False,
    markdown: bool = False,
    bullets: bool = True,
) -> Extracted:
    """The main text of pages (binary or string, valid UTF-8); with `whole` all text that is not hidden.

    Text is in NFC. `confidence` is the F1 to be expected if the model's probabilities are right, 0 for pages without text.
    """
    data, offsets = buffers(pages)
    markup = np.zeros(len(pages), np.int64)
    count_markup(data, offsets, markup)
    skipped = markup > MOST_MARKUP
    markup, sizes = np.where(skipped, -1, markup), np.where(skipped, -1, np.diff(offsets.astype(np.int64)))
    here, places = room(np.cumsum(np.maximum(sizes, 0)) // GROUP_BYTES, sizes, markup)
    found, how = _nothing(len(pages)), How(BETAS[favor], whole, markdown, bullets)
    text, fields = extract_pages(
        data, offsets, known(), here.scratch, places, here.measures, model.trees.forest(), here.work, composition(), how, found
    )  # fmt: skip
    return _extracted(text, fields, found, skipped)


def _nothing(count: int) -> Found:
    """What is said of pages before they are read."""
    start, stop = np.zeros((count, len(FIELDS)), np.int64), np.zeros((count, len(FIELDS)), np.int64)
    blocks, kept = np.zeros(count, np.int32), np.zeros(count, np.int32)
    relaxed, denormal = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    return Found(np.zeros(count, np.int64), start, stop, np.zeros(count, np.float32), blocks, kept, relaxed, denormal)


def _extracted(data: Bytes, fields: Bytes, found: Found, skipped: npt.NDArray[np.bool_]) -> Extracted:
    """The columns of pages of their texts and fields."""
    text = from_buffers(data, np.concatenate([[0], np.cumsum(found.size)]).astype(np.int32))
    if found.denormal.any():
        denormal = pa.array(found.denormal)
        composed = from_buffers(*compose(*buffers(text.filter(denormal)), composition()))
        text = pc.replace_with_mask(text, denormal, composed)
    named = {
        name: _strings(fields, found.field_start[:, place], found.field_stop[:, place])
        for place, name in enumerate(FIELDS)
    }
    return Extracted(text, named, found.confidence, found.blocks, found.kept, found.relaxed, skipped)


def _strings(data: Bytes, start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]) -> pa.Array:
    """The strings `data[start:stop]`, which need not be next to one another."""
    sizes = stop - start
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    places = np.repeat(start - offsets[:-1], sizes) + np.arange(offsets[-1])
    return from_buffers(data[places], offsets)
