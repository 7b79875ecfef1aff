"""Spans of texts replaced by a placeholder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import loop
from curate.text import Bytes, Offsets

Integers = npt.NDArray[np.int32]


def replace_spans(
    data: Bytes, offsets: Offsets, start: Integers, stop: Integers, first: npt.NDArray[np.int64], placeholder: str
) -> tuple[Bytes, Offsets]:
    """n texts with the bytes `start` to `stop` of each span replaced: (UTF-8 bytes, n + 1 int32 offsets).

    Text i has the spans `first[i]` to `first[i + 1]`: ascending, without overlap, cut between characters.
    """
    new = np.frombuffer(placeholder.encode(), np.uint8)
    spans = np.diff(first)
    removed = np.concatenate([[0], np.cumsum((stop - start).astype(np.int64))])
    sizes = np.diff(offsets) + spans * len(new) - (removed[first[1:]] - removed[first[:-1]])
    made = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    out = np.empty(int(made[-1]), np.uint8)
    _replace_all(data, offsets, start, stop, first, new, out)
    return out, made


@loop
def _replace_all(
    data: Bytes,
    offsets: Offsets,
    start: Integers,
    stop: Integers,
    first: npt.NDArray[np.int64],
    new: Bytes,
    out: Bytes,
) -> None:
    at = 0
    for text in range(len(offsets) - 1):
        i = np.int64(offsets[text])
        for span in range(first[text], first[text + 1]):
            while i < start[span]:
                out[at] = data[i]
                at, i = at + 1, i + 1
            for byte in new:
                out[at] = byte
                at += 1
            i = np.int64(stop[span])
        while i < offsets[text + 1]:
            out[at] = data[i]
            at, i = at + 1, i + 1
