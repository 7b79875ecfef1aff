"""datatrove's MinHash over a Parquet file, to the list of removals: `python datatrove_minhash.py FILE ROUNDS`."""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import ParquetReader
from datatrove.utils.hashing import HashConfig
from loguru import logger


def run(path: Path, folder: str) -> tuple[float, int]:
    config = MinhashConfig(hash_config=HashConfig(precision=64, hash_fc="xxhash"), num_buckets=14, hashes_per_bucket=8)
    signature = MinhashDedupSignature(f"{folder}/signatures", config)
    # the tokenizer is loaded before the clock starts
    signature.word_tokenizer.word_tokenize("two words")
    reader = ParquetReader(str(path.parent), glob_pattern=path.name, doc_progress=False)
    start = time.perf_counter()
    signature.run(reader.run(), 0, 1)
    for bucket in range(14):
        MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config).run(None, bucket, 14)
    MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=config).run(None, 0, 1)
    seconds = time.perf_counter() - start
    return seconds, sum(file.stat().st_size for file in Path(folder, "remove").glob("*.remove")) // 4


def main() -> None:
    logger.remove()
    os.environ["TQDM_DISABLE"] = "1"
    seconds, removed = [], 0
    for _ in range(int(sys.argv[2])):
        with tempfile.TemporaryDirectory() as folder:
            taken, removed = run(Path(sys.argv[1]), folder)
            seconds.append(taken)
    print(json.dumps({"seconds": statistics.median(seconds), "removed": removed}))


if __name__ == "__main__":
    main()
