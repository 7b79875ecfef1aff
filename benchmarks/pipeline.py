"""The FineWeb recipe from WARC to shards: `curate run` with one worker against datatrove's, on one core.

    python -m benchmarks.pipeline [--quick] [--without-extraction]

Ours is the whole process (`curate run pipelines/fineweb.yaml`: shards, ledger, report, near-dedup included), net of the
same run over five pages, which loads libraries, models and kernels; datatrove's is its filter recipe without dedup, net of
the same. The ratio is of processor time, of all processes of a side together, so that other work on the machine counts
little; each side is pinned to one core, and the clock stands beside. Ours reads the real pages several times, so that a
run takes far longer than what is taken off it, datatrove a sample of them, every n-th page.

With extraction the copies of a page are equal, and all but one are dropped as such before near-dedup.
`--without-extraction` gives both sides the extracted text as JSON Lines; there each copy has a sixth of its words exchanged
for others of the same text, so that no document is a duplicate of another.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from benchmarks.common import ROOT, parser, pin_to_one_core, report, run_peer, shared_file
from curate.steps.language import model_path

PAGES = 2500
# how often ours reads the pages, and how many of them datatrove reads
COPIES = {("full", "warc"): 8, ("full", "text"): 12, ("quick", "warc"): 1, ("quick", "text"): 2}
PEER_PAGES = {("full", "warc"): 250, ("full", "text"): 1000, ("quick", "warc"): 50, ("quick", "text"): 150}
# the quickest of so many runs
RUNS = 2
EXCHANGED = 1 / 6


class Cost(NamedTuple):
    """Seconds of the processor, of all processes together, and by the clock."""

    processor: float
    clock: float


def curate(source: Path, out: Path, *options: str) -> Cost:
    """What one whole `curate run` with one worker costs."""
    recipe = str(ROOT / "pipelines" / "fineweb.yaml")
    command = [sys.executable, "-m", "curate", "run", recipe, "--input", str(source), "--output", str(out)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([*command, "--workers", "1", *options], capture_output=True, text=True, cwd=ROOT)
    clock = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock)


def extracted(folder: Path, source: Path) -> list[dict[str, str]]:
    """id, url and text of the pages, as our own extraction stage left them."""
    recipe = folder / "extract.yaml"
    inputs, output = f"[{{name: web, path: {source}}}]", folder / "text"
    recipe.write_text(f"name: text\ninputs: {inputs}\nsteps: [extract]\noutput: {output}\n")
    command = [sys.executable, "-m", "curate", "run", str(recipe), "--sample", str(PAGES)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    shards = sorted((output / "shards").iterdir())
    return [
        row
        for shard in shards
        for row in pa.ipc.open_file(str(shard)).read_all().select(["id", "url", "text"]).to_pylist()
    ]


def copied(rows: Iterable[dict[str, str]], copy: int) -> list[dict[str, str]]:
    """The documents with words exchanged for others of the same document, so that its 5-word shingles are others."""
    made = []
    for number, row in enumerate(rows):
        draw = random.Random(f"{copy}:{number}")
        pieces = re.split(r"(\w+)", row["text"])
        words = pieces[1::2]
        for i in range(1, len(pieces), 2):
            if draw.random() < EXCHANGED:
                pieces[i] = words[int(draw.random() * len(words))]
        made.append({**row, "id": f"{row['id']}-{copy}", "text": "".join(pieces)})
    return made


def texts(folder: Path, source: Path, copies: int, peer_pages: int) -> tuple[Path, Path]:
    """(the input of ours, that of datatrove) as JSON Lines."""
    pages = extracted(folder, source)
    rows = [*pages, *(row for copy in range(1, copies) for row in copied(pages, copy))]
    whole, sample = folder / "texts.jsonl", folder / "sample.jsonl"
    for path, chosen in ((whole, rows), (sample, rows[:: len(rows) // peer_pages])):
        path.write_text("".join(json.dumps(row) + "\n" for row in chosen))
    return whole, sample


def archives(folder: Path, source: Path, copies: int, peer_pages: int) -> tuple[Path, Path]:
    """(the input of ours, that of datatrove) as WARC; each record is a gzip member of its own."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    content = source.read_bytes()
    with source.open("rb") as file:
        found = [(record.stream_pos, record.record_type) for record in ArchiveIterator(file, parse_http=False)]
    starts = [start for start, _ in found]
    kinds = dict(found)
    pages = [
        content[start:stop]
        for start, stop in pairwise([*starts, len(content)])
        if kinds[start] == WarcRecordType.response
    ][:PAGES]
    whole, sample = folder / "pages.warc.gz", folder / "sample.warc.gz"
    whole.write_bytes(b"".join(pages) * copies)
    sample.write_bytes(b"".join(pages[:: len(pages) // peer_pages]))
    return whole, sample


def step_seconds(out: Path) -> dict[str, float]:
    """Seconds (of the clock) that each step of a run's map stages took, from the receipts of its units."""
    spent: dict[str, float] = {}
    for receipt in sorted((out / ".store").rglob("receipt.json")):
        for step, seconds in json.loads(receipt.read_text()).get("seconds", {}).items():
            spent[step] = spent.get(step, 0.0) + seconds
    return spent


def decompression(source: Path) -> float:
    """Processor seconds of reading the responses of a WARC file and nothing else."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    start = time.process_time()
    with source.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
            record.reader.read()
    return time.process_time() - start


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--without-extraction", action="store_true")
    options = arguments.parse_args()
    kind = ("quick" if options.quick else "full", "text" if options.without_extraction else "warc")
    pin_to_one_core()
    os.environ["POLARS_MAX_THREADS"] = "1"
    pages, runs = COPIES[kind] * PAGES, 1 if options.quick else RUNS
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), shared_file("corpus/debian_pages.warc.gz")
        make = texts if options.without_extraction else archives
        source, sample = make(folder, source, COPIES[kind], PEER_PAGES[kind])
        first = curate(source, folder / "first", "--sample", "5")
        empties = [curate(source, folder / f"empty{i}", "--sample", "5") for i in range(runs)]
        wholes = [curate(source, folder / f"whole{i}") for i in range(runs)]
        peer = run_peer("fineweb_datatrove.py", [sample, model_path("benchmarks"), int(not options.without_extraction)])
        spent = step_seconds(folder / "whole0")
        floor = decompression(source) if not options.without_extraction else 0.0
    empty, whole = (Cost(*map(min, zip(*costs, strict=True))) for costs in (empties, wholes))
    processor, clock = (pages / (whole[i] - empty[i]) for i in range(2))
    rows = [
        ("first run, kernels compiled where they were not (left out)", first.clock, "s"),
        ("the same run over five pages (left out)", empty.processor, "s"),
        ("ours, whole process", whole.processor, "s"),
        ("ours, whole process", pages / whole.processor, "pages/s"),
        ("ours, net", processor, "pages/s"),
        ("ours, net, by the clock", clock, "pages/s"),
        ("datatrove", peer["pages"] / peer["seconds"], "pages/s"),
        ("datatrove, by the clock", peer["pages"] / peer["clock"], "pages/s"),
        ("ratio by the clock", clock * peer["clock"] / peer["pages"], ""),
        ("ratio of our whole process", pages / whole.processor * peer["seconds"] / peer["pages"], ""),
    ]
    rows += [(f"of it, {step}, by the clock", seconds / pages * 1e6, "µs/page") for step, seconds in spent.items()]
    if floor:
        rows.append(("the floor: reading and decompressing alone", floor / pages * 1e6, "µs/page"))
    report(rows, processor * peer["seconds"] / peer["pages"])


if __name__ == "__main__":
    main()
