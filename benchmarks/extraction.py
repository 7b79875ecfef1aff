"""Pages a second and word F1 of both extraction engines, on pages with gold text, on one core.

    python -m benchmarks.extraction [--quick]

Both engines run as the step `extract` does, charset and metadata included, trafilatura in the version of the `curate[trafilatura]`
extra. F1 is the multiset overlap of words with the gold text, the mean over pages. The trafilatura set has no gold
text but passages that must and must not be there: `found` and `junk` are the shares of these. The ratio is the pages
per second of the default engine over trafilatura's, over all pages.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from benchmarks.common import parser, pin_to_one_core, report, shared_file
from curate.documents import document_batch
from curate.steps.extract import Extract

SETS = ("article_extraction_benchmark_a", "readability_pages_a", "debian_handbook", "trafilatura_eval_a")
ENGINES = {
    "resiliparse": Extract(engine="resiliparse"),
    "trafilatura (precision)": Extract(engine="trafilatura"),
    "trafilatura (balance)": Extract(engine="trafilatura", favour="balance"),
}
QUICK_PAGES = 25


def main(argv: Sequence[str] | None = None) -> None:
    quick = parser(__doc__).parse_args(argv).quick
    pin_to_one_core()
    sets = {name: _pages(name, QUICK_PAGES if quick else None) for name in SETS}
    rows: list[tuple[str, float, str]] = []
    speed: dict[str, float] = {}
    for engine, step in ENGINES.items():
        _extract(step, sets[SETS[0]][:2])  # imports and tables, on both sides
        seconds = 0.0
        for name, pages in sets.items():
            start = time.perf_counter()
            texts = _extract(step, pages)
            spent = time.perf_counter() - start
            seconds += spent
            rows.append((f"{engine}, {name}", len(pages) / spent, "pages/s"))
            rows += [(f"{engine}, {name}", value, what) for what, value in _quality(pages, texts).items()]
        speed[engine] = sum(map(len, sets.values())) / seconds
        rows.append((f"{engine}, all", speed[engine], "pages/s"))
    report(rows, speed["resiliparse"] / speed["trafilatura (precision)"])


def _pages(name: str, most: int | None) -> list[dict[str, Any]]:
    with gzip.open(shared_file(f"html/{name}.jsonl.gz")) as file:
        return [json.loads(line) for line in file][:most]


def _extract(step: Extract, pages: list[dict[str, Any]]) -> list[str]:
    rows = [
        {"row": row, "id": page["id"], "source": "", "path": "", "offset": row, "media_type": "text/html",
         "content": page["html"].encode()}
        for row, page in enumerate(pages)
    ]  # fmt: skip
    texts: pa.Array = step.process(document_batch(rows, raw=True))["text"].fill_null("")
    found: list[str] = texts.to_pylist()
    return found


def _quality(pages: list[dict[str, Any]], texts: list[str]) -> dict[str, float]:
    if "gold_text" in pages[0]:
        scores = [f1(page["gold_text"], text) for page, text in zip(pages, texts, strict=True)]
        return {"F1": sum(scores) / len(scores)}
    shares = {}
    for what, key in (("found", "must_contain"), ("junk", "must_not_contain")):
        hits = [
            _plain(part) in _plain(text) for page, text in zip(pages, texts, strict=True) for part in page.get(key, ())
        ]
        shares[what] = sum(hits) / max(len(hits), 1)
    return shares


def f1(gold: str, text: str) -> float:
    """Harmonic mean of precision and recall over the multisets of lower-case words; 1 if both are empty."""
    wanted, found = (Counter(re.findall(r"\w+", value.lower())) for value in (gold, text))
    total = wanted.total() + found.total()
    return 2 * (wanted & found).total() / total if total else 1.0


def _plain(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
