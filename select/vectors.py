"""Vectors of texts without a model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.select.rarity import weights
from curate.text import buffers

# Counts beyond this weigh no more: 1 + log(count), as in sublinear tf-idf.
DAMPENED = np.concatenate([[0.0], 1 + np.log(np.arange(1, 256))]).astype(np.float32)


def static_vectors(texts: pa.Array, dimensions: int = 512) -> npt.NDArray[np.float32]:
    """(n,) texts -> (n, dimensions) float32 of length 1; zeros for a text without a word."""
    from curate.kernels.embedding import embed
    from curate.kernels.unicode import tables

    data, offsets = buffers(texts)
    out = np.empty((len(texts), dimensions), np.float32)
    embed(data, offsets, tables().word, tables().lower, weights(), DAMPENED, out)
    return out
