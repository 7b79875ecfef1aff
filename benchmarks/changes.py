"""What little changes cost against the full run: one threshold, one per cent more input, nothing.

    python -m benchmarks.changes [--quick] [--copies 12]

On real pages as WARC (copies of the file are told apart by their path, so that the store cannot share them), all cores,
whole processes. Net of an empty run (everything from the store, nothing changed), which is start-up; the quicker of two
empty runs and of two thresholds. The ratio is the share of the full run's time that a changed threshold costs, in per
cent; beside the clock stands processor time, of all processes together, for machines where others are at work.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from benchmarks.common import ROOT, parser, report, shared_file


class Cost(NamedTuple):
    """Of a run: seconds by the clock, and of processor time of all its processes."""

    clock: float
    processor: float

    def less(self, other: Cost) -> Cost:
        """What is left without `other`."""
        return Cost(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


def curate(recipe: Path, *options: str) -> Cost:
    """The cost of one whole run."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "curate", "run", str(recipe), *options], capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - start, processor)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--copies", type=int, default=12, help="of the file of 2,500 pages")
    options = arguments.parse_args()
    pages = shared_file("corpus/debian_pages.warc.gz").read_bytes()
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"))
    copies = 2 if options.quick else options.copies
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for i in range(copies):
            (folder / "in" / f"{i:02d}.warc.gz").write_bytes(pages)
        recipe = folder / "p.yaml"
        text = (ROOT / "pipelines" / "fineweb.yaml").read_text()
        recipe.write_text(text.replace("crawl/*.warc.gz", "in/*").replace("../out/fineweb", "out"))
        full = curate(recipe)
        empty = min(curate(recipe) for _ in range(2))
        # each is new to the store
        threshold = min(curate(recipe, "--set", f"steps.quality.word_count.min={n}") for n in (60, 70)).less(empty)
        pq.write_table(table.slice(0, max(1, copies * 25)), folder / "in" / "zz.parquet")
        more = curate(recipe).less(empty)
    found = {
        "full run": full,
        "nothing changed (left out below)": empty,
        "one threshold changed": threshold,
        "1 % more input": more,
    }
    rows = [(what, cost.clock, "s") for what, cost in found.items()]
    rows += [(f"{what}, processor time", cost.processor, "s") for what, cost in found.items()]
    for what, cost in (("one threshold changed", threshold), ("1 % more input", more)):
        rows.append((f"{what}, share of the full run", 100 * cost.clock / full.clock, "%"))
        rows.append((f"{what}, share of its processor time", 100 * cost.processor / full.processor, "%"))
    report(rows, 100 * threshold.clock / full.clock)


if __name__ == "__main__":
    main()
