"""How rare words are: the weights of static text vectors, learned once from texts and shipped as a table of 64 kB.

python -m curate.select.rarity FILE_OR_FOLDER ...      # writes curate/assets/embedding/rarity.u8
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.text import buffers

# An inverse document frequency (natural logarithm) of 16 and more is the byte 255.
STEP = 16 / 255


def learn(texts: Iterable[pa.Array]) -> npt.NDArray[np.uint8]:
    """The table of texts: for each of 65,536 buckets of features log((n + 1) / (document frequency + 1)), in steps."""
    from curate.kernels.embedding import document_counts
    from curate.kernels.unicode import tables

    counts, number = np.zeros(1 << 16, np.int64), 0
    for text in texts:
        document_counts(*buffers(text), tables().word, tables().lower, counts)
        number += len(text)
    rarity = np.log((number + 1) / (counts + 1))
    return np.clip(np.rint(rarity / STEP), 1, 255).astype(np.uint8)


@functools.cache
def weights() -> npt.NDArray[np.float32]:
    """(65536,) float32, the shipped table."""
    return (np.fromfile(asset(), np.uint8) * STEP).astype(np.float32)


def asset() -> Path:
    """Where the table is."""
    from importlib.resources import files

    return Path(str(files("curate") / "assets" / "embedding" / "rarity.u8"))


def main(paths: Sequence[str]) -> None:
    """Learn from the files and write the table."""
    from curate.corpus import corpus_files, texts

    asset().parent.mkdir(parents=True, exist_ok=True)
    learn(texts(corpus_files(paths))).tofile(asset())


if __name__ == "__main__":
    main(sys.argv[1:])
