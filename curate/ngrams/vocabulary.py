"""Which token has which number: 0 is the unknown one, 1 the begin of a line, 2 its end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curate.kernels.ngrams import UNKNOWN, Ids, Keys, Numbers
from curate.kernels.tokens import Lines, hashes_of
from curate.text import Bytes, buffers

SPECIAL = ("<unk>", "<s>", "</s>")


class Vocabulary:
    """Tokens and their numbers. A token of a text that is spelled as a special one is unknown."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        """The special tokens, then `words`, none of them twice."""
        self.words = [*SPECIAL, *words]
        self._numbers = Numbers()
        self._numbers.number(hashes_of(*buffers(pa.array(self.words, pa.string()))))

    def __len__(self) -> int:
        return len(self.words)

    def add(self, data: Bytes, lines: Lines) -> Ids:
        """The number of each token, new ones included."""
        ids, fresh = self._numbers.number(lines.hashes)
        self.words += [data[a:b].tobytes().decode() for a, b in zip(lines.start[fresh], lines.stop[fresh], strict=True)]
        return _without_special(ids)

    def look_up(self, hashes: Keys) -> Ids:
        """The number of each token, given as its hash."""
        return _without_special(self._numbers.look_up(hashes))


def _without_special(ids: Ids) -> Ids:
    ids[ids < len(SPECIAL)] = UNKNOWN
    return np.ascontiguousarray(ids, np.int32)
