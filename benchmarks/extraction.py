"""Quality and speed of the engines of `extract`, on pages with gold text and on a WARC file, on one core, in processor time.

    python -m benchmarks.extraction [--quick] [--engines curate ...]

F1 is the multiset overlap of words (`\\w+`, lower case) with the gold text, the mean over pages with its standard error. The
trafilatura set has no gold text but passages that must and must not be there: `found` and `junk` are the shares of these.
Every engine runs as the step `extract` does, charset and metadata included. Of our own engine the kernel alone is timed, too.
The model has seen half of the pages scored here: what it scores on pages it has not seen is in docs/EXTRACTION.md. The ratio
is the pages per second of our own engine over resiliparse's, on the documentation pages of the WARC file.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.common import parser, pin_to_one_core, report, shared_file
from curate.documents import document_batch
from curate.steps.extract import Extract

GOLD = ("article_extraction_benchmark_a", "readability_pages_a", "debian_handbook")
PASSAGES = "trafilatura_eval_a"
WARC = "corpus/debian_pages.warc.gz"
ENGINES: dict[str, dict[str, Any]] = {
    "curate": {"engine": "curate"},
    "curate (precision)": {"engine": "curate", "favor": "precision"},
    "curate (recall)": {"engine": "curate", "favor": "recall"},
    "resiliparse": {"engine": "resiliparse"},
    "resiliparse (whole text)": {"engine": "resiliparse", "main_content": False},
    "trafilatura (precision)": {"engine": "trafilatura", "favor": "precision"},
    "trafilatura (balanced)": {"engine": "trafilatura", "favor": "balanced"},
}
QUICK_PAGES = 25
#: pages of the WARC file, for the slow engines fewer
PAGES, SLOW_PAGES = 2500, 150


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    options = arguments.parse_args(argv)
    pin_to_one_core()
    most = QUICK_PAGES if options.quick else None
    sets = {name: _pages(name, most) for name in (*GOLD, PASSAGES)}
    rows: list[tuple[str, float, str]] = []
    speed: dict[str, float] = {}
    for engine in options.engines:
        step = Extract(**ENGINES[engine])
        extract(step, sets[GOLD[0]][:2])  # imports, kernels and tables, on all sides
        for name, pages in sets.items():
            start = time.process_time()
            texts = extract(step, pages)
            spent = time.process_time() - start
            size = sum(len(page["html"].encode("utf-8", "replace")) for page in pages)
            rows += [
                (f"{engine}, {name}", len(pages) / spent, "pages/s"),
                (f"{engine}, {name}", size / spent / 1e6, "MB/s"),
            ]
            rows += _quality(f"{engine}, {name}", pages, texts)
        speed[engine] = _documentation(engine, step, rows, options.quick)
    if "curate" in speed:
        _kernel(sets, rows)
    report(rows, speed.get("curate", 0.0) / speed["resiliparse"] if "resiliparse" in speed else 0.0)


def _pages(name: str, most: int | None) -> list[dict[str, Any]]:
    with gzip.open(shared_file(f"html/{name}.jsonl.gz")) as file:
        return [json.loads(line) for line in file][:most]


def _batch(contents: Sequence[bytes]) -> pa.RecordBatch:
    known = {"id": "", "source": "", "path": "", "media_type": "text/html"}
    rows = [{"row": row, "offset": row, "content": page, **known} for row, page in enumerate(contents)]
    return document_batch(rows, raw=True)


def extract(step: Extract, pages: list[dict[str, Any]]) -> list[str]:
    """The main text of pages, by the step."""
    contents = [page["html"].encode("utf-8", "replace") for page in pages]
    texts: pa.Array = step.process(_batch(contents))["text"].fill_null("")
    found: list[str] = texts.to_pylist()
    return found


def _documentation(engine: str, step: Extract, rows: list[tuple[str, float, str]], quick: bool) -> float:
    """Pages a second of the step on the WARC file, read beforehand; of our own engine also what goes before it."""
    from curate.readers.reader import Piece, ReadSettings, Tally
    from curate.readers.warc import Warc

    most = (PAGES if engine.startswith("curate") else SLOW_PAGES) // (10 if quick else 1)
    path = str(shared_file(WARC))
    piece, settings = Piece(path), ReadSettings("docs", "warc")
    next(Warc(raw=True).read(piece, settings, Tally()))  # imports
    batches: list[pa.RecordBatch] = []
    spent = Clock()
    for batch in Warc(raw=True).read(piece, settings, Tally()):
        batches.append(batch.slice(0, most - sum(one.num_rows for one in batches)))
        if sum(one.num_rows for one in batches) == most:
            break
    spent.note("reading: records, decompression, columns of Arrow")
    for batch in batches:
        step.process(batch)
    spent.note("the step")
    seconds = spent.seconds
    rows.append((f"{engine}, {WARC}", most / seconds["the step"], "pages/s"))
    if engine == "curate":
        _parts(path, batches, spent)
        rows += [(f"{what}, {WARC}", most / one, "pages/s") for what, one in seconds.items()]
        both = seconds["the step"] + seconds["reading: records, decompression, columns of Arrow"]
        rows.append((f"reading and the step, {WARC}", most / both, "pages/s"))
    return most / seconds["the step"]


class Clock:
    """Processor time by what it went to."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._at = time.process_time()

    def note(self, what: str) -> None:
        """What was done since the last note, or the beginning."""
        self.seconds[what] = time.process_time() - self._at
        self._at = time.process_time()


def _parts(path: str, batches: Sequence[pa.RecordBatch], spent: Clock) -> None:
    """Times the parts of reading and of the step one by one."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    from curate.extraction import engine
    from curate.extraction.model import shipped
    from curate.steps import own_extraction

    most = sum(batch.num_rows for batch in batches)
    spent.note("")
    with open(path, "rb") as file:
        for number, record in enumerate(
            ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True), 1
        ):
            record.reader.read()
            if number == most:
                break
    spent.note("of reading: FastWARC alone")
    pages = [own_extraction.in_utf8(batch["content"], batch["charset"]).pages for batch in batches]
    spent.note("of the step: charset")
    for part in pages:
        engine.extract(part, shipped())
    spent.note("of the step: the engine")
    del spent.seconds[""]


def _kernel(sets: dict[str, list[dict[str, Any]]], rows: list[tuple[str, float, str]]) -> None:
    """Our own engine without charset detection and the columns of the step."""
    from curate.extraction import engine
    from curate.extraction.model import shipped

    for name, pages in sets.items():
        contents = [page["html"].encode("utf-8", "replace") for page in pages]
        array, size = pa.array(contents, pa.binary()), sum(map(len, contents))
        engine.extract(array, shipped())  # memory is touched for the first time
        start = time.process_time()
        engine.extract(array, shipped())
        spent = time.process_time() - start
        rows += [(f"curate, kernel alone, {name}", len(pages) / spent, "pages/s"),
                 (f"curate, kernel alone, {name}", size / spent / 1e6, "MB/s")]  # fmt: skip


def _quality(what: str, pages: list[dict[str, Any]], texts: list[str]) -> list[tuple[str, float, str]]:
    if "gold_text" in pages[0]:
        scores = [f1(page["gold_text"], text) for page, text in zip(pages, texts, strict=True)]
        rows = [(what, float(np.mean(scores)), f"F1 ± {_error(scores):.4f}")]
        languages = [page.get("lang") for page in pages]
        if what.endswith(GOLD[2]):
            for language in sorted({language for language in languages if language}):
                own = [score for score, one in zip(scores, languages, strict=True) if one == language]
                rows.append((f"{what} {language}", float(np.mean(own)), f"F1 ± {_error(own):.4f}"))
        return rows
    rows = []
    for name, key in (("found", "must_contain"), ("junk", "must_not_contain")):
        hits = [
            float(hit) for page, text in zip(pages, texts, strict=True) for hit in has_passages(text, page.get(key, ()))
        ]
        rows.append((what, float(np.mean(hits)), f"{name} ± {_error(hits):.4f}"))
    return rows


def _error(values: Sequence[float]) -> float:
    """The standard error of the mean."""
    return float(np.std(values) / max(len(values), 1) ** 0.5)


def f1(gold: str, text: str) -> float:
    """Harmonic mean of precision and recall over the multisets of lower-case words; 1 if both are empty."""
    wanted, found = (Counter(re.findall(r"\w+", value.lower())) for value in (gold, text))
    total = wanted.total() + found.total()
    return 2 * (wanted & found).total() / total if total else 1.0


def has_passages(text: str, passages: Sequence[str]) -> list[bool]:
    """Whether the text has each passage, white space aside."""
    plain = " ".join(text.split())
    return [" ".join(passage.split()) in plain for passage in passages]


if __name__ == "__main__":
    main()
