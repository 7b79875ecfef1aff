"""The FineWeb recipe from WARC to shards: `curate run` with one worker against datatrove's, on one core.

    python -m benchmarks.pipeline [--quick] [--without-extraction]

Ours is the whole process (`curate run pipelines/fineweb.yaml`: shards, ledger, report, near-dedup included), net of the
same run over five pages, which loads libraries, models and kernels; datatrove's is its filter recipe without dedup, net of
the same. Both in processor time: each side is pinned to one core, and other work on the machine does not count.
`--without-extraction` gives both sides the extracted text as JSON Lines.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from benchmarks.common import ROOT, parser, pin_to_one_core, report, run_peer, shared_file
from curate.steps.language import model_path

PAGES = {"full": 2500, "quick": 600}
# the quickest of so many runs: a difference of two noisy figures is noisier still
RUNS = 3
PEER_PAGES = {"full": 150, "quick": 60}


def curate(source: Path, out: Path, *options: str) -> float:
    """Processor seconds of one whole `curate run` with one worker, its processes together."""
    recipe = str(ROOT / "pipelines" / "fineweb.yaml")
    command = [
        sys.executable,
        "-m",
        "curate",
        "run",
        recipe,
        "--input",
        str(source),
        "--output",
        str(out),
        "--workers",
        "1",
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def extracted(folder: Path, source: Path, pages: int) -> Path:
    """The text of the pages, as our own extraction stage left it, as JSON Lines."""
    recipe = folder / "extract.yaml"
    inputs, output = f"[{{name: web, path: {source}}}]", folder / "text"
    recipe.write_text(f"name: text\ninputs: {inputs}\nsteps: [extract]\noutput: {output}\n")
    command = [sys.executable, "-m", "curate", "run", str(recipe), "--sample", str(pages)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    path = folder / "text.jsonl"
    with path.open("w") as file:
        for shard in sorted((output / "shards").iterdir()):
            for row in pa.ipc.open_file(str(shard)).read_all().select(["id", "url", "text"]).to_pylist():
                file.write(json.dumps(row) + "\n")
    return path


def step_seconds(out: Path) -> dict[str, float]:
    """Seconds (of the clock) that each step of a run's map stages took, from the receipts of its units."""
    spent: dict[str, float] = {}
    for receipt in sorted((out / ".store").rglob("receipt.json")):
        for step, seconds in json.loads(receipt.read_text()).get("seconds", {}).items():
            spent[step] = spent.get(step, 0.0) + seconds
    return spent


def decompression(source: Path, pages: int) -> float:
    """Processor seconds of reading so many responses of a WARC file and nothing else."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    start, read = time.process_time(), 0
    with source.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
            record.reader.read()
            read += 1
            if read == pages:
                break
    return time.process_time() - start


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--without-extraction", action="store_true")
    options = arguments.parse_args()
    size = "quick" if options.quick else "full"
    pin_to_one_core()
    os.environ["POLARS_MAX_THREADS"] = "1"
    pages = PAGES[size]
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), shared_file("corpus/debian_pages.warc.gz")
        if options.without_extraction:
            source = extracted(folder, source, pages)
        first = curate(source, folder / "first", "--sample", "5")
        empty = min(curate(source, folder / f"empty{i}", "--sample", "5") for i in range(RUNS))
        whole = min(curate(source, folder / f"whole{i}", "--sample", str(pages)) for i in range(RUNS))
        peer_pages = PEER_PAGES[size]
        peer = run_peer(
            "fineweb_datatrove.py", [source, model_path("benchmarks"), peer_pages, int(not options.without_extraction)]
        )
        spent = step_seconds(folder / "whole0")
        floor = decompression(source, pages) if not options.without_extraction else 0.0
    ours = pages / (whole - empty)
    rows = [
        ("first run, kernels compiled where they were not (left out)", first, "s"),
        ("the same run over five pages (left out)", empty, "s"),
        ("ours, whole process", pages / whole, "pages/s"),
        ("ours, net", ours, "pages/s"),
        ("datatrove", peer["pages"] / peer["seconds"], "pages/s"),
    ]
    rows += [(f"of it, {step}", seconds / pages * 1e6, "µs/page") for step, seconds in spent.items()]
    if floor:
        rows.append(("the floor: reading and decompressing alone", floor / pages * 1e6, "µs/page"))
    report(rows, ours * peer["seconds"] / peer["pages"])


if __name__ == "__main__":
    main()
