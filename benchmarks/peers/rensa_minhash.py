"""rensa's deduplicator over the 5-grams of a Parquet file's texts: `python rensa_minhash.py FILE ROUNDS`."""

import json
import re
import statistics
import sys
import time

import pyarrow.parquet as pq
from rensa import RMinHashDeduplicator

WORD = re.compile(r"\w+")


def shingles(text: str) -> list[str]:
    words = WORD.findall(text.lower())
    if len(words) < 5:
        return [" ".join(words)] if words else []
    return list(map(" ".join, zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)))


def run(path: str) -> int:
    deduplicator = RMinHashDeduplicator(threshold=0.8, num_perm=112, use_lsh=True, num_bands=14)
    removed = first = 0
    for batch in pq.ParquetFile(path).iter_batches(1000, columns=["text"], use_threads=False):
        texts = batch.column("text").to_pylist()
        pairs = ((str(first + i), found) for i, text in enumerate(texts) if (found := shingles(text)))
        removed += deduplicator.add_pairs(pairs).count(False)
        first += len(texts)
    return removed


def main() -> None:
    seconds, removed = [], 0
    for _ in range(int(sys.argv[2])):
        start = time.perf_counter()
        removed = run(sys.argv[1])
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(seconds), "removed": removed}))


if __name__ == "__main__":
    main()
