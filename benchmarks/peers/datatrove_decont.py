"""datatrove's n-gram decontamination: `python datatrove_decont.py TEXTS.parquet PASSAGES.parquet NGRAM`.

Its indexer needs lighteval, so the index is made here of the same normal form, words and hashes that its filter uses.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter
from datatrove.utils.text import ngrams, simplify_text
from loguru import logger


def main() -> None:
    logger.remove()
    texts = pq.read_table(sys.argv[1])["text"].to_pylist()
    passages = pq.read_table(sys.argv[2])["text"].to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        block = NGramsDecontFilter(folder, NGramsDecontConfig(n_grams=int(sys.argv[3])))
        hashes = {
            block.hash_func(" ".join(gram))
            for passage in passages
            for gram in ngrams(
                block.tokenizer.word_tokenize(simplify_text(passage, block.config.norm_config)), block.config.n_grams
            )
        }
        np.array(sorted(hashes), dtype=block.config.hash_config.np_descr).tofile(Path(folder) / "sets.index.hashes")
        block.filter(Document(text="warm up", id="0"))
        start = time.perf_counter()
        removed = sum(block.filter(Document(text=text, id="0")) is not True for text in texts)
        print(json.dumps({"seconds": time.perf_counter() - start, "removed": removed, "hashes": len(hashes)}))


if __name__ == "__main__":
    main()
