"""A search for test sets in batches of texts; it remembers what was found anywhere."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.contamination.index import Index, build_index
from curate.contamination.sets import BenchmarkSets, content_hash, read_sets, set_files
from curate.kernels.contamination import Found, new_marks, search
from curate.text import buffers

Floats = npt.NDArray[np.float64]

#: Tulu 3's (arXiv 2411.15124): 8-grams, more than half of the words of a passage
NGRAM, THRESHOLD, MIN_WORDS = 8, 0.5, 6


class Search:
    """An index of test sets, a threshold, and what of the sets any text so far held."""

    def __init__(self, index: Index, threshold: float) -> None:
        self.index, self.threshold = index, threshold
        self._marks = new_marks(index.grams)

    def __call__(self, texts: pa.Array) -> Found:
        """What each of n texts shares with passages; a null is an empty text."""
        return search(*buffers(texts), self.index.grams, self._marks, self.threshold)

    @property
    def most(self) -> Floats:
        """Of each passage the greatest share of its words that one text so far covers; 0 where it is not looked for."""
        return self._marks.most / np.maximum(self.index.grams.passage, 1)

    @property
    def anywhere(self) -> npt.NDArray[np.int64]:
        """Of each passage how many of its words the texts so far cover together."""
        passages = len(self.index.grams.passage)
        weights = self._marks.anywhere.astype(np.float64)
        covered: npt.NDArray[np.int64] = np.bincount(self.index.grams.owner, weights, passages).astype(np.int64)
        return covered


@functools.lru_cache(4)
def index_of(paths: tuple[str, ...], content: str, fields: tuple[str, ...], ngram: int, min_words: int) -> Index:
    """The index of test sets in files, which have this content hash; kept for the next who asks in this process."""
    return build_index(read_sets([Path(path) for path in paths], fields), ngram=ngram, min_words=min_words)


@functools.lru_cache(4)
def search_of(
    paths: tuple[str, ...], content: str, fields: tuple[str, ...], ngram: int, min_words: int, threshold: float
) -> Search:
    """A search in the index of `index_of`, for those who do not ask what was found anywhere."""
    return Search(index_of(paths, content, fields, ngram, min_words), threshold)


def load(
    against: Sequence[str], fields: Sequence[str] = (), *, ngram: int = NGRAM, min_words: int = MIN_WORDS
) -> Index:
    """The index of the test sets at paths, folders and globs. Raises ConfigError with all problems."""
    files = set_files(against)
    return index_of(tuple(map(str, files)), content_hash(files), tuple(fields), ngram, min_words)


def index_texts(name: str, texts: Sequence[str], *, ngram: int = NGRAM, min_words: int = MIN_WORDS) -> Index:
    """The index of one test set in memory, an example a text."""
    from curate.contamination.sets import Passage

    passages = tuple(Passage(number, "text", text) for number, text in enumerate(texts))
    ids = tuple(str(number) for number in range(len(texts)))
    sets = BenchmarkSets((name,), (0,) * len(texts), ids, passages)
    return build_index(sets, ngram=ngram, min_words=min_words)
