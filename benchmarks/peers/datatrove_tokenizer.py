"""datatrove's DocumentTokenizer. `datatrove_tokenizer.py FILE.parquet tokenizer.json EOS` -> JSON: tokens, seconds."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer


def main() -> None:
    path, tokenizer, eos = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with tempfile.TemporaryDirectory() as folder:
        steps = [
            ParquetReader(str(path.parent), glob_pattern=path.name, default_metadata={}),
            DocumentTokenizer(
                f"{folder}/tokens", tokenizer_name_or_path=tokenizer, eos_token=eos, shuffle_documents=False
            ),
        ]
        begun = time.perf_counter()
        LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=f"{folder}/logs").run()
        seconds = time.perf_counter() - begun
        tokens = sum(file.stat().st_size for file in Path(folder, "tokens").glob("*.ds")) // 2
    print(json.dumps({"tokens": tokens, "seconds": seconds}))


if __name__ == "__main__":
    main()
