"""What is alive -> an immutable version: shards, ledger, manifest, report, card; `current` points at the newest.

Shards and parts of the ledger are made once for their content and hard-linked into each version that lists them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import CurateError
from curate.executors.executor import Executor, WorkerDied
from curate.executors.here import Here
from curate.files import digest, point, read_json, sync, write_json
from curate.garbage import LIST, used
from curate.manifest import make_manifest
from curate.plan import MapStage, Plan
from curate.run import RunResult
from curate.store import Rows, rows_key, table
from curate.work import UnitState, alive_rows, stage_files
from curate.writers.ledger import LedgerTask, write_ledger
from curate.writers.shard import Segment, ShardTask, write_shard

LEDGER_ROWS = 100_000
# What a document costs in a shard beside its text: ids, places, signals.
ROW_BYTES = 512
LINKS = ("manifest.json", "shards", "ledger", "report.html", "README.md")
TRIES = 5
# So few documents are written sooner than a worker starts.
WRITTEN_HERE = 20_000


@dataclass(frozen=True)
class Published:
    """A version: its number, folder and manifest, and whether this run made it."""

    number: int
    folder: Path
    manifest: dict[str, Any]
    fresh: bool


def publish(plan: Plan, result: RunResult, executor: Executor) -> Published:
    """Write what changed, assemble a version and point `current` at it. The version is the last one if all is the same."""
    shards = _shard_tasks(plan, result.states)
    ledgers = _ledger_tasks(plan, result, shards)
    shard_facts = _made(plan, "shard.arrow", [task.key for task in shards], write_shard, shards, executor)
    ledger_facts = _made(plan, "ledger.parquet", [task.key for task in ledgers], write_ledger, ledgers, executor)
    manifest = make_manifest(plan, result, shard_facts, ledger_facts)
    return _assemble(plan, result, manifest, [task.key for task in shards], [task.key for task in ledgers])


def _kept(plan: Plan, state: UnitState) -> tuple[Rows, Any]:
    """The rows of a unit that are published, and their sizes in bytes."""
    rows = alive_rows(plan.phases, state, len(plan.phases))
    files = stage_files(plan.phases, state, len(plan.phases), plan.store, "signals.arrow")
    sizes = table(files, ["row", "size"], rows)["size"]
    return rows, sizes.to_numpy().astype(np.int64) + ROW_BYTES


def _shard_tasks(plan: Plan, states: Sequence[UnitState]) -> list[ShardTask]:
    """Kept documents in order, cut where a shard is full.

    A unit whose fingerprint says so also ends a shard that is more than half full: after new input in the middle the
    cuts fall in the old places again, and old shards stay as they are.
    """
    limit = plan.pipeline.output.shard_bytes
    tasks: list[ShardTask] = []
    segments: list[Segment] = []
    total = 0

    def flush() -> None:
        nonlocal segments, total
        if segments:
            names = [digest([s.state.unit.fingerprint, s.state.findings, rows_key(s.rows), s.bounds]) for s in segments]
            key = digest([[phase.fingerprint for phase in plan.phases if isinstance(phase, MapStage)], names])
            tasks.append(ShardTask(key, plan.phases, plan.store, tuple(segments)))
        segments, total = [], 0

    for state in states:
        if not state.count:
            continue
        rows, sizes = _kept(plan, state)
        ends = np.cumsum(sizes)
        start = 0
        while start < len(rows):
            before = ends[start - 1] if start else 0
            stop = int(np.searchsorted(ends, before + limit - total, "right"))
            if stop == start and segments:
                flush()
                continue
            stop = max(stop, start + 1)
            segments.append(Segment(state, rows[start:stop], _bounds(sizes[start:stop])))
            total += int(ends[stop - 1] - before)
            start = stop
            if start < len(rows):
                flush()
        if total > limit / 2 and state.unit.fingerprint[-1] in "0123":
            flush()
    flush()
    return tasks


def _bounds(sizes: Any, *, rows: int = 1024, size: int = 4 << 20) -> tuple[int, ...]:
    """Where the record batches of a segment end: at so many rows or bytes."""
    cuts, start, ends = [], 0, np.cumsum(sizes)
    while start < len(sizes):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, min(start + rows, int(np.searchsorted(ends, before + size, "right"))))
        cuts.append(stop)
        start = stop
    return tuple(cuts)


def _ledger_tasks(plan: Plan, result: RunResult, shards: Sequence[ShardTask]) -> list[LedgerTask]:
    placed: dict[int, list[tuple[int, int, int]]] = {}
    for number, task in enumerate(shards):
        at = 0
        for segment in task.segments:
            placed.setdefault(segment.state.unit.index, []).append((number, at, len(segment.rows)))
            at += len(segment.rows)
    first = result.phases[0].receipts
    tasks, group, rows = [], [], 0
    for state, receipt in zip(result.states, first, strict=True):
        group.append((state, tuple(placed.get(state.unit.index, ()))))
        rows += receipt["in"]
        if rows >= LEDGER_ROWS or (rows > LEDGER_ROWS / 2 and state.unit.fingerprint[-1] in "0123"):
            tasks.append(_ledger_task(plan, group, rows))
            group, rows = [], 0
    if group:
        tasks.append(_ledger_task(plan, group, rows))
    return tasks


def _ledger_task(
    plan: Plan, group: Sequence[tuple[UnitState, tuple[tuple[int, int, int], ...]]], documents: int
) -> LedgerTask:
    facts = [
        [s.unit.fingerprint, sorted(s.entries.items()), [name for _, name in s.verdicts.values()], at]
        for s, at in group
    ]
    key = digest([[[phase.fingerprint, phase.name] for phase in plan.phases], facts])
    return LedgerTask(key, plan.phases, plan.store, tuple(group), documents)


def _made(
    plan: Plan, name: str, keys: Sequence[str], function: Callable[[Any], Any], tasks: Sequence[Any], executor: Executor
) -> list[dict[str, Any]]:
    """The facts (rows, bytes, sha256) of each task's file; only what the store lacks is written."""
    folder = Path(plan.store, "published")
    waiting = [i for i, key in enumerate(keys) if not (folder / key[:20] / "receipt.json").exists()]
    if len(waiting) == 1 or sum(tasks[i].documents for i in waiting) <= WRITTEN_HERE:
        executor = Here()
    for _ in range(TRIES):
        died = []
        for place, outcome in executor.map(function, [tasks[i] for i in waiting]):
            if isinstance(outcome, WorkerDied):
                died.append(waiting[place])
            elif isinstance(outcome, OSError):
                hint = "free some space and run again: what was committed is kept"
                raise CurateError(f"writing {name}", outcome.strerror or str(outcome), hint) from outcome
            elif isinstance(outcome, BaseException):
                raise outcome
        waiting = died
        if not waiting:
            break
    else:
        raise CurateError(f"writing {name}", "the workers died over it again and again", "raise --memory")
    return [read_json(folder / key[:20] / "receipt.json") | {"file": str(folder / key[:20] / name)} for key in keys]


def _assemble(
    plan: Plan, result: RunResult, manifest: dict[str, Any], shards: Sequence[str], ledgers: Sequence[str]
) -> Published:
    out = plan.pipeline.folder_out
    versions = out / "versions"
    versions.mkdir(exist_ok=True)
    numbers = sorted(int(p.name) for p in versions.iterdir() if p.name.isdigit())
    counts = [{name: value for name, value in step.items() if name != "seconds"} for step in manifest["steps"]]
    key = digest([manifest["fingerprint"], counts, list(shards), list(ledgers)])
    manifest["content"] = key
    current = read_json(out / "manifest.json")
    if current and current.get("content") == key:
        return Published(numbers[-1], versions / f"{numbers[-1]:06d}", current, False)
    number = (numbers[-1] if numbers else 0) + 1
    manifest["version"] = number
    target = versions / f"{number:06d}"
    temporary = versions / f".{number:06d}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for kind, entries in (("shards", manifest["shards"]), ("ledger", manifest["ledger"])):
        (temporary / kind).mkdir()
        for entry in entries:
            _link(Path(entry.pop("file")), temporary / entry["path"])
    write_json(temporary / "manifest.json", manifest)
    write_json(temporary / LIST, used(plan, result, manifest["stages"], [*shards, *ledgers]), indent=None)
    _write_pages(plan, temporary, manifest)
    for folder in (temporary / "shards", temporary / "ledger", temporary):
        sync(folder)
    temporary.rename(target)
    sync(versions)
    point(out / "current", f"versions/{number:06d}")
    for name in LINKS:
        point(out / name, f"current/{name}")
    sync(out)
    return Published(number, target, manifest, True)


def _write_pages(plan: Plan, folder: Path, manifest: dict[str, Any]) -> None:
    from curate.report.card import write_card
    from curate.report.page import write_report

    write_report(folder, manifest, Path(plan.store))
    write_card(folder, manifest)


def _link(source: Path, target: Path) -> None:
    """A hard link where the file system has them, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def versions_of(out: Path) -> Iterator[Path]:
    """The folders of all published versions, oldest first."""
    folder = out / "versions"
    if folder.is_dir():
        yield from sorted(p for p in folder.iterdir() if p.name.isdigit())
