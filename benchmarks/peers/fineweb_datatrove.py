"""datatrove's FineWeb recipe from WARC to JSON Lines, one process: WARC, trafilatura, lid.176, Gopher, C4, FineWeb.

    python fineweb_datatrove.py FILE MODEL EXTRACT

Without its URL lists (they would slow it down) and without MinHash, which `near_dedup` compares. EXTRACT 0 leaves the
extraction out: the text of the pages comes from JSON Lines instead of the WARC. Prints seconds of the processor and by
the clock for all pages but the first five, how many pages, and seconds for loading, as JSON.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.lid import FT176LID


def recipe(source: Path, pages: int, extract: bool, out: Path) -> list:
    """The blocks, in FineWeb's order."""
    if extract:
        reading = [
            WarcReader(str(source.parent), glob_pattern=source.name, limit=pages),
            Trafilatura(favour_precision=True, timeout=5),
        ]
    else:
        reading = [JsonlReader(str(source.parent), glob_pattern=source.name, limit=pages)]
    return [
        *reading,
        LanguageFilter(languages=["en"], language_threshold=0.65),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
        JsonlWriter(str(out)),
    ]


def timed(source: Path, pages: int, extract: bool) -> tuple[float, float, int]:
    """Seconds of the processor and by the clock for the first `pages` pages (-1: all), and how many were read."""
    with tempfile.TemporaryDirectory() as folder:
        blocks = recipe(source, pages, extract, Path(folder, "out"))
        start, clock = processor(), time.perf_counter()
        stats = LocalPipelineExecutor(blocks, tasks=1, workers=1, logging_dir=str(Path(folder, "log"))).run()
        return processor() - start, time.perf_counter() - clock, stats.stats[0].stats["documents"].total


def processor() -> float:
    """Processor seconds of this process and of its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    source, model, extract = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "1"
    FT176LID.MODEL_URL = model
    loading = timed(source, 5, extract)  # models are loaded and caches filled: left out below
    few, whole = timed(source, 5, extract), timed(source, -1, extract)
    seconds, clock, pages = (all_ - five for all_, five in zip(whole, few, strict=True))
    print(json.dumps({"seconds": seconds, "clock": clock, "pages": pages, "loading": loading[0]}))


if __name__ == "__main__":
    main()
