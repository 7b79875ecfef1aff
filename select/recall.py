"""How many of the true neighbours a search found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def recalls(found: Rows, wanted: Rows) -> npt.NDArray[np.float64]:
    """(m, k) and (m, l) rows, -1 for none -> (m,) the share of a line of `wanted` that is in that of `found`; 1 of nothing."""
    hits = np.array([len(set(a) & (set(b) - {-1})) for a, b in zip(found.tolist(), wanted.tolist(), strict=True)])
    counts = (wanted >= 0).sum(axis=1)
    shares: npt.NDArray[np.float64] = np.where(counts > 0, hits / np.maximum(1, counts), 1.0)
    return shares


def recall_at(found: Rows, wanted: Rows) -> float:
    """The share of the rows in `wanted` (m, k) that are in the same line of `found`."""
    counts = (wanted >= 0).sum(axis=1)
    return float(recalls(found, wanted) @ counts) / max(1, int(counts.sum()))
