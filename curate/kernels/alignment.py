"""Which words of a page are those of a reference text: the best common subsequence, runs of words preferred."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel

#: a word that matches counts 1, behind another that matches 3: a heading that also stands in a menu goes with its section
RUN = 3


@kernel
def aligned(page: npt.NDArray[np.int32], gold: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which words of `page` (numbers) are aligned with one of `gold`; time and memory len(page) * len(gold) bytes."""
    n, m = len(page), len(gold)
    moves = np.zeros((n + 1, m + 1), np.uint8)
    # two states: `match` ends with the last words of both, `best` anyhow
    none = np.int32(-(1 << 30))
    match, best = np.full((2, m + 1), none, np.int32), np.zeros((2, m + 1), np.int32)
    for i in range(1, n + 1):
        old, new, word = (i - 1) % 2, i % 2, page[i - 1]
        for j in range(1, m + 1):
            code = np.uint8(0)
            here = none
            if word == gold[j - 1]:
                alone, run = best[old, j - 1] + 1, match[old, j - 1] + RUN
                here = max(alone, run)
                code = np.uint8(4) if run >= alone else code
            match[new, j] = here
            value, step = best[old, j], np.uint8(0)
            if best[new, j - 1] > value:
                value, step = best[new, j - 1], np.uint8(1)
            if here >= value:
                value, step = here, np.uint8(2)
            best[new, j] = value
            moves[i, j] = code | step
        best[new, 0] = 0
    return _traced(moves, n, m)


@kernel
def _traced(moves: npt.NDArray[np.uint8], n: int, m: int) -> npt.NDArray[np.bool_]:
    """The words on the best way back."""
    found = np.zeros(n, np.bool_)
    i: Any = n
    j: Any = m
    in_match = False
    while i > 0 and j > 0:
        if in_match:
            found[i - 1] = True
            in_match = moves[i, j] & 4 != 0
            i -= 1
            j -= 1
        elif moves[i, j] & 3 == 2:
            in_match = True
        elif moves[i, j] & 3 == 1:
            j -= 1
        else:
            i -= 1
    return found
