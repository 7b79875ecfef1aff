"""Addresses: canonical forms against courlan's `normalize_url`, block lists against datatrove's URLFilter.

    python -m benchmarks.urls [--quick] [--job canonical|rules]

The addresses are the links of the real pages of `../shared/data/html`, each distinct one written several times with
another number at the end of its path, up to a million. The peers run in their own environment.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.common import parser, pin_to_one_core, report, run_peer, shared_file
from curate.documents import DOCUMENT

ROWS = 4096


def real_links() -> list[str]:
    """The distinct absolute links of the real pages, in order."""
    links: dict[str, None] = {}
    for name in ("article_extraction_benchmark_a", "readability_pages_a", "trafilatura_eval_a"):
        with gzip.open(shared_file(f"html/{name}.jsonl.gz"), "rt") as file:
            for line in file:
                links |= dict.fromkeys(re.findall(r'href="(https?://[^"\s<>]+)"', json.loads(line)["html"]))
    return list(links)


def many(count: int) -> list[str]:
    """`count` addresses, all distinct."""
    links = real_links()
    print(f"{len(links)} real links")
    made = []
    for i in range(count):
        link, turn = links[i % len(links)], i // len(links)
        path, mark, query = link.partition("?")
        made.append(f"{path}{turn}{mark}{query}" if turn else link)
    return made


def timed(process: Callable[[pa.RecordBatch], Any], urls: list[str]) -> float:
    """Seconds of processor time for all addresses, kernels compiled before."""
    schema = pa.schema([DOCUMENT.field("url")])
    batches = [
        pa.RecordBatch.from_pydict({"url": urls[i : i + ROWS]}, schema=schema) for i in range(0, len(urls), ROWS)
    ]
    process(batches[0])
    begin = time.process_time()
    for batch in batches:
        process(batch)
    return time.process_time() - begin


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--job", choices=["canonical"], default="canonical")
    options = arguments.parse_args()
    pin_to_one_core()
    urls = many(100_000 if options.quick else 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "urls.txt"
        path.write_text("\n".join(urls[: len(urls) // 20]))
        from curate.steps.canonical_url import CanonicalUrl

        ours = timed(CanonicalUrl().process, urls)
        peer = run_peer("courlan_urls.py", [path])
        rows = [
            ("addresses", len(urls), ""),
            ("ours, with host and registered domain", len(urls) / ours, "addresses/s"),
            ("courlan normalize_url", peer["count"] / peer["seconds"], "addresses/s"),
        ]
        report(rows, len(urls) / ours / (peer["count"] / peer["seconds"]))


if __name__ == "__main__":
    main()
