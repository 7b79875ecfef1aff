"""MTLD: the lexical diversity of texts, as the mean length of stretches of words that repeat little."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel, loop
from curate.kernels.groups import Hashes

Places = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

# The ratio of types to tokens below which a stretch ends (McCarthy & Jarvis 2010).
THRESHOLD = 0.72


def mtld(hashes: Hashes, first: Places, threshold: float = THRESHOLD) -> Values:
    """Hashes of the words of n texts, text i has `hashes[first[i]:first[i + 1]]` -> (n,) words, NaN without a word.

    Words over the number of stretches that fall below the threshold, the last one in proportion; the mean of reading
    forwards and backwards. A text in which no word comes twice has no stretch: its words are then what it has.
    """
    found = np.full(len(first) - 1, np.nan)
    _mtld(hashes, first, threshold, found)
    return found


@kernel
def _mtld(hashes: Hashes, first: Places, threshold: float, found: Values) -> None:
    for text in range(len(first) - 1):
        words = hashes[first[text] : first[text + 1]]
        count = len(words)
        if count == 0:
            continue
        order = np.argsort(words, kind="mergesort")
        # where the same word stands before, seen from either end; -1: nowhere
        before, behind = np.full(count, -1), np.full(count, -1)
        for k in range(1, count):
            if words[order[k]] == words[order[k - 1]]:
                before[order[k]] = order[k - 1]
                behind[count - 1 - order[k - 1]] = count - 1 - order[k]
        total = 0.0
        for factors in (_factors(before, threshold), _factors(behind, threshold)):
            total += count / factors if factors > 0 else float(count)
        found[text] = total / 2


@loop
def _factors(before: Places, threshold: float) -> float:
    start, types, factors = 0, 0, 0.0
    for i in range(len(before)):
        types += before[i] < start
        if types / (i - start + 1) < threshold:
            factors += 1
            start, types = i + 1, 0
    if start < len(before):
        factors += (1 - types / (len(before) - start)) / (1 - threshold)
    return factors
