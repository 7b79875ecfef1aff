"""What little changes cost against the full run: one threshold, one per cent more input, nothing.

    python -m benchmarks.changes [--quick] [--copies 12]

On real pages as WARC (copies of the file are told apart by their path, so that the store cannot share them), all cores,
whole processes. Net of an empty run (everything from the store, nothing changed), which is start-up; the quicker of two
empty runs and of two thresholds. The ratio is the share of the full run's time that a changed threshold costs, in per cent.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.common import ROOT, parser, report, shared_file


def curate(recipe: Path, *options: str) -> float:
    """Seconds of one whole run."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "curate", "run", str(recipe), *options], capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - start


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
        threshold = min(curate(recipe, "--set", f"steps.quality.word_count.min={n}") for n in (60, 70)) - empty
        pq.write_table(table.slice(0, max(1, copies * 25)), folder / "in" / "zz.parquet")
        more = curate(recipe) - empty
    rows = [
        ("full run", full, "s"),
        ("nothing changed (left out below)", empty, "s"),
        ("one threshold changed", threshold, "s"),
        ("1 % more input", more, "s"),
        ("1 % more input, share of the full run", 100 * more / full, "%"),
    ]
    report(rows, 100 * threshold / full)


if __name__ == "__main__":
    main()
