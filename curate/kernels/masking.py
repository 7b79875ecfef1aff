"""Spans of texts replaced by a placeholder, or by texts of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from curate.kernels import entry
from curate.text import Bytes, Offsets

Integers = npt.NDArray[np.int32]


def replace_spans(
    data: Bytes, offsets: Offsets, start: Integers, stop: Integers, first: npt.NDArray[np.int64], placeholder: str
) -> tuple[Bytes, Offsets]:
    """n texts with the bytes `start` to `stop` of each span replaced: (UTF-8 bytes, n + 1 int32 offsets).

    Text i has the spans `first[i]` to `first[i + 1]`: ascending, without overlap, cut between characters.
    """
    return replace_each(data, offsets, start, stop, first, [placeholder], np.zeros(len(start), np.int64))


def replace_each(
    data: Bytes,
    offsets: Offsets,
    start: Integers,
    stop: Integers,
    first: npt.NDArray[np.int64],
    texts: Sequence[str],
    which: npt.NDArray[np.int64],
) -> tuple[Bytes, Offsets]:
    """As `replace_spans`, span k by `texts[which[k]]`."""
    encoded = [text.encode() for text in texts]
    new = np.frombuffer(b"".join(encoded), np.uint8)
    bounds = np.cumsum([0, *map(len, encoded)])
    grown = np.diff(bounds)[which] - (stop - start)
    growth = np.concatenate([[0], np.cumsum(grown)])
    sizes = np.diff(offsets) + growth[first[1:]] - growth[first[:-1]]
    made = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    out = np.empty(int(made[-1]), np.uint8)
    _replace_all(data, offsets, start, stop, first, new, bounds, which, out)
    return out, made


@entry
def _replace_all(
    data: Bytes,
    offsets: Offsets,
    start: Integers,
    stop: Integers,
    first: npt.NDArray[np.int64],
    new: Bytes,
    bounds: npt.NDArray[np.int64],
    which: npt.NDArray[np.int64],
    out: Bytes,
) -> None:
    at = 0
    for text in range(len(offsets) - 1):
        i = np.int64(offsets[text])
        for span in range(first[text], first[text + 1]):
            while i < start[span]:
                out[at] = data[i]
                at, i = at + 1, i + 1
            for k in range(bounds[which[span]], bounds[which[span] + 1]):
                out[at] = new[k]
                at += 1
            i = np.int64(stop[span])
        while i < offsets[text + 1]:
            out[at] = data[i]
            at, i = at + 1, i + 1
