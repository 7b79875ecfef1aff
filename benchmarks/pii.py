"""Personal data: our scanner against the three regular expressions of dolma's tagger `pii_regex`.

    python -m benchmarks.pii [--quick]

Both search the same real documents in one process on one core, ours for all its types, the peer for e-mail addresses,
telephone numbers and IP addresses, with Python's `re` as dolma 1.0 does (Apache-2.0; its patterns, without the Python
objects that its taggers make of each document). Then precision and recall by type on `pii/presidio_synth_v2`, for the
types that both name: a span counts as found when a span of ours of its type overlaps it, and ours is right when it
overlaps one of its type. `exact` is the share of those found with the same bounds.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, shared_file
from curate.kernels.pii import Found, find_pii
from curate.kernels.pii_kinds import KINDS, NAMES
from curate.text import buffers

PEER = [
    re.compile(r"[.\s@,?!;:)(]*([^\s@]+@[^\s@,?!;:)(]+?)[.\s@,?!;:)(]?[\s\n\r]"),
    re.compile(r"\s+\(?(\d{3})\)?[-\. ]*(\d{3})[-. ]?(\d{4})"),
    re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"),
]
# Their types that are ours as well.
LABELS = {
    "CREDIT_CARD": "card", "EMAIL_ADDRESS": "email", "IBAN_CODE": "iban", "IP_ADDRESS": "ip", "PHONE_NUMBER": "phone",
    "US_SSN": "national_id",
}  # fmt: skip
EVERYTHING = np.ones(len(KINDS), np.bool_)


def main() -> None:
    options = parser(__doc__).parse_args()
    pin_to_one_core()
    texts = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"]
    texts = texts.slice(0, 1000 if options.quick else 4000).combine_chunks()
    texts = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
    size = int(buffers(texts)[1][-1]) / 1e6
    started = time.perf_counter()
    _find(["warm up: 1"])
    compiling = time.perf_counter() - started
    ours = min(_seconds(texts) for _ in range(3))
    peer, matches = _peer(texts)
    found = _find(texts)
    types = Counter(KINDS[NAMES[kind]] for kind in found.kind)
    rows = [
        ("text", size, "MB"),
        ("compiling or loading kernels (left out)", compiling, "s"),
        ("ours, eight types", size / ours, "MB/s"),
        ("dolma's regular expressions, three types", size / peer, "MB/s"),
        ("dolma's regular expressions, found", float(matches), "spans"),
        *((f"ours, found {name}", float(count), "spans") for name, count in types.most_common()),
    ]
    _print_quality(shared_file("pii/presidio_synth_v2.jsonl.gz"))
    report(rows, peer / ours)


def _find(texts: Any) -> Found:
    array = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    return find_pii(*buffers(array), EVERYTHING)


def _seconds(texts: pa.Array) -> float:
    started = time.perf_counter()
    _find(texts)
    return time.perf_counter() - started


def _peer(texts: pa.Array) -> tuple[float, int]:
    """(seconds, matches); making Python strings of the texts is left out."""
    strings = texts.to_pylist()
    started = time.perf_counter()
    matches = sum(1 for text in strings for pattern in PEER for _ in pattern.finditer(text))
    return time.perf_counter() - started, matches


def _print_quality(path: Path) -> None:
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    found = _find([row["text"] for row in rows])
    _, offsets = buffers(pa.array([row["text"] for row in rows]))
    wanted, hit, exact, made, right = (Counter[str]() for _ in range(5))
    for i, row in enumerate(rows):
        gold = [(LABELS[s["type"]], s["start"], s["end"]) for s in row["spans"] if s["type"] in LABELS]
        raw = row["text"].encode()
        mine: list[tuple[str, int, int]] = []
        for place in range(found.first[i], found.first[i + 1]):
            start, stop = (len(raw[: edge[place] - offsets[i]].decode()) for edge in (found.start, found.stop))
            mine.append((KINDS[NAMES[found.kind[place]]], start, stop))
        for kind, start, stop in gold:
            wanted[kind] += 1
            hit[kind] += any(k == kind and a < stop and start < b for k, a, b in mine)
            exact[kind] += (kind, start, stop) in mine
        for name, start, stop in mine:
            made[name] += 1
            right[name] += any(k == name and a < stop and start < b for k, a, b in gold)
    print("presidio_synth_v2        spans   precision   recall    exact")
    for name in sorted(set(LABELS.values()) | set(made)):
        cells = (right[name] / max(made[name], 1), hit[name] / max(wanted[name], 1), exact[name] / max(wanted[name], 1))
        print(f"{name:<20} {wanted[name]:9} " + " ".join(f"{cell:9.3f}" for cell in cells))


if __name__ == "__main__":
    main()
