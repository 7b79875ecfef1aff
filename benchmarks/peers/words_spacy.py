"""In the peers' environment: the words that datatrove's filters see, as byte offsets.

Arguments: a Parquet file with a column `text`, the .npz file to write (`start`, `stop` int32, `first` int64).
"""

from __future__ import annotations

import json
import sys

import numpy as np
import pyarrow.parquet as pq
from datatrove.utils.text import split_into_words


def main(source: str, target: str) -> None:
    """Words are found again in the text, in order: datatrove strips them and drops the empty ones."""
    start, stop, first, base = [], [], [0], 0
    for text in pq.read_table(source)["text"].to_pylist():
        at, byte = 0, 0
        for word in split_into_words(text):
            found = text.index(word, at)
            byte += len(text[at:found].encode())
            start.append(base + byte)
            byte += len(word.encode())
            stop.append(base + byte)
            at = found + len(word)
        first.append(len(start))
        base += len(text.encode())
    np.savez(target, start=np.array(start, np.int32), stop=np.array(stop, np.int32), first=np.array(first, np.int64))
    print(json.dumps({"words": len(start)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
