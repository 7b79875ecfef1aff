"""What every benchmark needs: the real data, one core, the peers' interpreter, and the last line `ratio: X`.

A peer runs as a script of `benchmarks/peers/` in an environment of its own (`make bench-env`), named by
`CURATE_BENCH_PYTHON`; it prints one JSON object as the last line of its output. The data lie in
`../shared/data` beside the checkout, or where `CURATE_BENCH_DATA` says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("CURATE_BENCH_DATA") or ROOT.parent / "shared" / "data")


def stop(reason: str) -> SystemExit:
    """What to raise when a benchmark cannot run: the reason, and exit code 2."""
    print(f"cannot run: {reason}", file=sys.stderr)
    return SystemExit(2)


def shared_file(path: str) -> Path:
    """A file of the real data by its path below `CURATE_BENCH_DATA`, or below `../shared/data` beside the checkout."""
    found = SHARED / path
    if not found.exists():
        raise stop(f"{found} is missing")
    return found


def peer_python() -> str:
    """The interpreter of the peers' environment."""
    chosen = os.environ.get("CURATE_BENCH_PYTHON") or str(ROOT / ".venv-bench" / "bin" / "python")
    if not Path(chosen).exists():
        raise stop(f"no peers at {chosen}; run `make bench-env` or set CURATE_BENCH_PYTHON")
    return chosen


def run_peer(script: str, arguments: Sequence[str | Path | int | float] = ()) -> dict[str, Any]:
    """Run `benchmarks/peers/<script>` in the peers' environment, on the cores of this process: its JSON result."""
    command = [peer_python(), str(ROOT / "benchmarks" / "peers" / script), *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=ROOT)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise stop(f"{script} failed with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def pin_to_one_core() -> int:
    """Keep this process, its threads and its children on one core (where the system can), and say which."""
    for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "ARROW_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if not hasattr(os, "sched_setaffinity"):
        return -1
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def parser(purpose: str | None) -> argparse.ArgumentParser:
    """A command line with `--quick`, described by the first line of a module's docstring."""
    made = argparse.ArgumentParser(description=(purpose or "").split("\n")[0])
    made.add_argument("--quick", action="store_true", help="less work: under a minute")
    return made


def report(rows: Sequence[tuple[str, float, str]], ratio: float) -> None:
    """Print (what, figure, unit) a line each, then the ratio against the peer as the last line."""
    width = max((len(what) for what, _, _ in rows), default=0)
    for what, figure, unit in rows:
        print(f"{what:<{width}}  {figure:12,.2f} {unit}")
    print(f"ratio: {ratio:.2f}")
