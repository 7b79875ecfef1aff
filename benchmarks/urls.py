"""Addresses: canonical forms against courlan's `normalize_url`, block lists against datatrove's URLFilter.

    python -m benchmarks.urls [--quick] [--job canonical|rules]

The addresses are the links of the real pages of `../shared/data/html`, each distinct one written several times with
another number at the end of its path, up to a million. The peers run in their own environment.
"""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.common import parser, peer_python, pin_to_one_core, report, run_peer, shared_file, stop
from curate.documents import DOCUMENT, document_batch
from curate.steps.canonical_url import CanonicalUrl
from curate.steps.url_rules import UrlRules

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


def ut1(folder: Path) -> tuple[Path, list[str]]:
    """(a folder with the lists that datatrove brings, laid out as one category; their domains)."""
    found = Path(peer_python()).parent.parent.glob(
        "lib/python3*/site-packages/datatrove/assets/url_filterblacklists*.tar.gz"
    )
    if (archive := next(found, None)) is None:
        raise stop("the peers' datatrove brings no block lists")
    place = folder / "lists" / "ut1"
    place.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    return place.parent, (place / "domains").read_text().split("\n")


def rules(urls: list[str], folder: Path) -> None:
    """Block lists of 4.6 million domains, word rules and substrings, against datatrove's URLFilter with its lists."""
    lists, domains = ut1(folder)
    # one address in fifty is on the list
    for i in range(0, len(urls), 50):
        urls[i] = f"http://www.{domains[i * 9173 % len(domains)]}/{i}"
    (folder / "urls.txt").write_text("\n".join(urls[: len(urls) // 20]))
    step = UrlRules(block_lists=str(lists))
    begin = time.process_time()
    rows = step.process(document_batch([{"url": url} for url in urls[: len(urls) // 20]]))["url_rules"].to_pylist()
    loading = time.process_time() - begin
    ours = timed(step.process, urls)
    peer = run_peer("datatrove_urls.py", [folder / "urls.txt"])
    blocked = {i for i, row in enumerate(rows) if row["category"]}
    theirs = {*peer["domains"], *peer["pages"]}
    for name, difference in (("only ours", blocked - theirs), ("only theirs", theirs - blocked)):
        print(f"on the list by {name}: {len(difference)}", *[urls[i] for i in sorted(difference)[:5]])
    rows_shown = [
        ("domains on the list", len(domains), ""),
        ("addresses", len(urls), ""),
        ("loading lists and kernels (left out)", loading, "s"),
        ("ours", len(urls) / ours, "addresses/s"),
        ("datatrove URLFilter", peer["count"] / peer["seconds"], "addresses/s"),
    ]
    report(rows_shown, len(urls) / ours / (peer["count"] / peer["seconds"]))


def canonical(urls: list[str], folder: Path) -> None:
    """Canonical forms, against courlan's."""
    (folder / "urls.txt").write_text("\n".join(urls[: len(urls) // 20]))
    ours = timed(CanonicalUrl().process, urls)
    peer = run_peer("courlan_urls.py", [folder / "urls.txt"])
    rows = [
        ("addresses", len(urls), ""),
        ("ours, with host and registered domain", len(urls) / ours, "addresses/s"),
        ("courlan normalize_url", peer["count"] / peer["seconds"], "addresses/s"),
    ]
    report(rows, len(urls) / ours / (peer["count"] / peer["seconds"]))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--job", choices=["canonical", "rules"], default="canonical")
    options = arguments.parse_args()
    pin_to_one_core()
    urls = many(100_000 if options.quick else 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        (rules if options.job == "rules" else canonical)(urls, Path(folder))


if __name__ == "__main__":
    main()
