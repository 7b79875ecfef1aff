"""Growth: time and memory of a whole run at 1/4, 1/2 and all of a corpus.

    python -m benchmarks.growth [--quick] [--memory SIZE]

The corpus is synthetic and distinct (the order of real sentences is drawn anew for every document; a tenth are
near-copies), so that no part is cheaper than another. Memory is the summed PSS of the process tree, sampled while the run
works. The ratio is (time of all / time of half) / (documents of all / documents of half): 1 is linear growth.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from benchmarks.common import parser, report, shared_file

DOCUMENTS = {"full": 120_000, "quick": 12_000}
FILES = 16


def sentences() -> list[str]:
    """Real sentences of English documents."""
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])
    found = {
        s for text in table["text"].to_pylist()[:3000] for s in re.split(r"(?<=[.!?])\s+", text) if 40 < len(s) < 300
    }
    return sorted(s.replace("\n", " ") for s in found if s.isascii())


def corpus(folder: Path, count: int) -> list[Path]:
    """Files of distinct documents of some 4 kB."""
    folder.mkdir()
    pool, rng = sentences(), random.Random(1)
    paths = []
    per_file = count // FILES
    last = ["A first document."]
    for start in range(0, count, per_file):
        path = folder / f"{start:07d}.jsonl"
        with path.open("w") as file:
            for i in range(start, start + per_file):
                if i % 10 == 9:
                    chosen = [*last[:-1], rng.choice(pool)]
                else:
                    chosen = last = rng.choices(pool, k=rng.randint(15, 60))
                lines = [" ".join(chosen[j : j + 4]) for j in range(0, len(chosen), 4)]
                file.write(json.dumps({"id": str(i), "text": "\n".join(lines)}) + "\n")
        paths.append(path)
    return paths


def measured(recipe: Path, files: list[Path], out: Path, memory: str) -> tuple[float, float]:
    """Seconds and peak PSS in MB of one run over `files`."""
    command = [sys.executable, "-m", "curate", "run", str(recipe), "--output", str(out), "--memory", memory]
    start = time.perf_counter()
    run = subprocess.Popen(
        [*command, "--input", *map(str, files)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peak = 0.0
    while run.poll() is None:
        peak = max(peak, tree_pss(run.pid))
        time.sleep(0.1)
    _, errors = run.communicate()
    if run.returncode:
        raise SystemExit(errors)
    return time.perf_counter() - start, peak / 1e6


def tree_pss(pid: int) -> float:
    """Bytes of the process tree, shared pages shared out."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            total += process.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return total


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--memory", default="2GB")
    options = arguments.parse_args()
    count = DOCUMENTS["quick" if options.quick else "full"]
    rows = []
    seconds = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = folder / "growth.yaml"
        steps = "[normalize, repetition, {quality: {preset: [gopher, fineweb]}}, exact_dedup, minhash]"
        recipe.write_text(f"name: growth\ninputs: [{{name: a, path: x, id: id}}]\nsteps: {steps}\noutput: out\n")
        files = corpus(folder / "in", count)
        measured(recipe, files[:1], folder / "warm", options.memory)
        for part in (4, 2, 1):
            chosen = files[: max(1, len(files) // part)]
            size = sum(file.stat().st_size for file in chosen) / 1e6
            seconds[part], peak = measured(recipe, chosen, folder / f"out{part}", options.memory)
            rows += [
                (f"1/{part}: input", size, "MB"),
                (f"1/{part}: time", seconds[part], "s"),
                (f"1/{part}: peak memory, limit {options.memory}", peak, "MB PSS"),
            ]
    report(rows, seconds[1] / seconds[2] / 2)


if __name__ == "__main__":
    main()
