"""datatrove's exact dedup over a Parquet file: `python datatrove_exact.py FILE ROUNDS verdicts|file`.

`verdicts` ends with the list of duplicates, `file` with the other documents in datatrove's default format, JSONL.gz.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.dedup.exact_dedup import (
    ExactDedupConfig,
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
)
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from loguru import logger


def content(document: Document) -> str:
    return document.text


def run(path: Path, folder: str, job: str) -> tuple[float, int]:
    config = ExactDedupConfig(content_getter=content, hash_config=HashConfig(precision=64, hash_fc="xxhash"))
    start = time.perf_counter()
    reader = ParquetReader(str(path.parent), glob_pattern=path.name, doc_progress=False)
    ExactDedupSignature(f"{folder}/signatures", config).run(reader.run(), 0, 1)
    ExactFindDedups(f"{folder}/signatures", f"{folder}/found", config).run(None, 0, 1)
    if job == "file":
        with JsonlWriter(f"{folder}/out") as writer:
            for document in ExactDedupFilter(f"{folder}/found", config).run(reader.run(), 0, 1):
                writer.write(document)
    seconds = time.perf_counter() - start
    return seconds, sum(file.stat().st_size for file in Path(folder, "found").rglob("*.c4_dup")) // 4


def main() -> None:
    logger.remove()
    os.environ["TQDM_DISABLE"] = "1"
    seconds, removed = [], 0
    for _ in range(int(sys.argv[2])):
        with tempfile.TemporaryDirectory() as folder:
            taken, removed = run(Path(sys.argv[1]), folder, sys.argv[3])
            seconds.append(taken)
    print(json.dumps({"seconds": statistics.median(seconds), "removed": removed}))


if __name__ == "__main__":
    main()
