"""The words of edited texts, made of those of the texts before: a line that stayed as it was has the words that it had.

Lines end in white space, which parts words. Only texts of which a line was cut are split anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.kernels import entry
from curate.kernels.words import Positions, Words, unremembered_words
from curate.text import buffers

Places = npt.NDArray[np.int64]


class KeptLines(NamedTuple):
    """The lines of n texts that stay, text i those from `first[i]` to `first[i + 1]`."""

    begin: Positions  # int32, bytes of the texts before
    end: Positions
    new_begin: Positions  # int32, bytes of the edited texts
    first: Places  # n + 1
    cut: npt.NDArray[np.bool_]  # (n,): whether a line of the text stays in part


def carried_words(text: pa.Array, words: Words, lines: KeptLines) -> Words:
    """The words of n edited texts, given the words of the texts before and which of their lines stay."""
    cut = np.flatnonzero(lines.cut)
    column = text.take(pa.array(cut))
    fresh, room = unremembered_words(column), len(words.start)
    room += len(fresh.start)
    start, stop, first = np.empty(room, np.int32), np.empty(room, np.int32), np.empty_like(words.first)
    shift = (buffers(text)[1][cut] - buffers(column)[1][:-1]).astype(np.int32)
    count = _carry(*words, *lines, *fresh, shift, start, stop, first)
    return Words(start[:count], stop[:count], first)


@entry
def _carry(
    start: Positions,
    stop: Positions,
    first: Places,
    begin: Positions,
    end: Positions,
    new_begin: Positions,
    first_line: Places,
    cut: npt.NDArray[np.bool_],
    fresh_start: Positions,
    fresh_stop: Positions,
    fresh_first: Places,
    fresh_shift: Positions,
    new_start: Positions,
    new_stop: Positions,
    new_first: Places,
) -> int:
    count, anew = 0, 0
    for text in range(len(cut)):
        new_first[text] = count
        if cut[text]:
            shift = fresh_shift[anew]
            for k in range(fresh_first[anew], fresh_first[anew + 1]):
                new_start[count], new_stop[count] = fresh_start[k] + shift, fresh_stop[k] + shift
                count += 1
            anew += 1
            continue
        word, last = first[text], first[text + 1]
        for line in range(first_line[text], first_line[text + 1]):
            shift = new_begin[line] - begin[line]
            while word < last and start[word] < begin[line]:
                word += 1
            while word < last and start[word] < end[line]:
                new_start[count], new_stop[count] = start[word] + shift, stop[word] + shift
                count += 1
                word += 1
    new_first[len(cut)] = count
    return count
