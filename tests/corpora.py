"""Small corpora made from a seed, and the command line as a user calls it."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

WORDS = (
    "the of and to in that it was for with have be water river stone garden letter evening morning house road winter "
    "summer light music friend story captain island mountain village window silence answer question history science "
    "market number picture journey people country language system method result example reason nature machine memory"
).split()


def text(rng: random.Random, words: int) -> str:
    """Sentences and paragraphs of random words: distinct documents that pass the usual rules."""
    lines = []
    while words > 0:
        count = min(words, rng.randint(12, 30))
        lines.append(
            " ".join(rng.choice(WORDS) + (str(rng.randint(0, 999)) if rng.random() < 0.2 else "") for _ in range(count))
            + "."
        )
        words -= count
    return "\n".join(lines)


def documents(seed: int, count: int, *, words: int = 150) -> list[dict[str, str]]:
    """Documents of which every tenth is a copy, every tenth a near-copy of an earlier one, and some are too short."""
    rng = random.Random(seed)
    made: list[dict[str, str]] = []
    for i in range(count):
        if i % 10 == 7:
            body = made[rng.randrange(len(made))]["text"]
        elif i % 10 == 8:
            parts = made[rng.randrange(len(made))]["text"].split(" ")
            parts[len(parts) // 2] = f"changed{i}"
            body = " ".join(parts)
        else:
            body = text(rng, 60 if i % 10 == 3 else rng.randint(words // 2, words * 2))
        made.append({"id": f"{seed}-{i}", "text": body})
    return made


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def curate(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "curate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=600)


def run_ok(*arguments: object) -> dict[str, Any]:
    """`curate run --json` that must succeed: what it printed."""
    done = curate("run", *arguments, "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def manifest(out: Path) -> dict[str, Any]:
    """The manifest of the newest version."""
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return found


def published_bytes(out: Path) -> dict[str, str]:
    """File -> SHA-256 of every shard and every part of the ledger of the newest version."""
    files = [*sorted((out / "shards").iterdir()), *sorted((out / "ledger").iterdir())]
    return {f"{f.parent.name}/{f.name}": hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def reused(out: Path) -> dict[str, int]:
    """Stage -> how many units the last published run took from the store."""
    return {"+".join(stage["steps"]): stage["reused"] for stage in manifest(out)["stages"]}


def pipeline(
    folder: Path, steps: str, *, inputs: str = '[{name: web, path: "in/*", id: id}]', output: str = "{path: out}"
) -> Path:
    """A pipeline file over `folder/in`."""
    path = folder / "p.yaml"
    path.write_text(f"name: test\nseed: 5\ninputs: {inputs}\nsteps: {steps}\noutput: {output}\n")
    return path
