"""In the peers' environment: datatrove's Gopher, C4 and FineWeb filters in process, every k-th document of the first n.

Arguments: the Parquet file, how many documents the other side reads, how many of them to run.
"""

from __future__ import annotations

import json
import sys
import time

import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)


def main(path: str, rows: int, sample: int) -> None:
    """Print seconds, bytes, how many documents were kept, and the seconds of loading (the first document)."""
    texts = pq.read_table(path, columns=["text"]).slice(0, rows)["text"].to_pylist()[:: max(1, rows // sample)][:sample]
    filters = [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]

    def keep(text: str) -> bool:
        document = Document(text=text, id="")
        # the filters answer True, or (False, reason)
        return all(rule.filter(document) is True for rule in filters)

    start = time.perf_counter()
    for rule in filters:
        rule.filter(Document(text="A first sentence, to load what is loaded on first use.\n" * 3, id=""))
    loading = time.perf_counter() - start
    start = time.perf_counter()
    kept = sum(keep(text) for text in texts)
    seconds = time.perf_counter() - start
    size = sum(len(text.encode()) for text in texts)
    print(json.dumps({"seconds": seconds, "bytes": size, "kept": kept, "loading": loading}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
