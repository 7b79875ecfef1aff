"""The authors' package data-selection over a Parquet file's texts: `python dsir_reference.py FILE TARGET.jsonl COUNT`.

Prints the seconds to fit and to weigh, and the weights.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from data_selection import HashedNgramDSIR
from data_selection.hashed_ngram_dsir import get_ngram_counts, hash_buckets


def main() -> None:
    path, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    texts = pq.read_table(path, columns=["text"])["text"].to_pylist()[:count]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw.jsonl")
        raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        start = time.process_time()
        # within this process: one core
        dsir = HashedNgramDSIR([str(raw)], [target], cache_dir=folder, num_proc=1)
        dsir.fit_importance_estimator(num_tokens_to_fit="all")
        fitted = time.process_time()
        weights = [float(dsir.importance_estimator(get_ngram_counts(text))) for text in texts]
        done = time.process_time()
    size = sum(len(text.encode()) for text in texts)
    print(
        json.dumps(
            {
                "fit_seconds": fitted - start, "weigh_seconds": done - fitted, "bytes": size, "weights": weights,
                "buckets": [hash_buckets(text) for text in ("the", "cat", "the cat")], "mass": float(np.sum(dsir.raw_probs)),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
