"""`curate gc`: results in the store that no version is made of any more are removed.

Each version keeps a list, `store.json`, of what in the store it was made of; `explain`, the report and the next run read
that. What no list names is left from settings, samples and inputs of runs whose versions are gone, or were never published.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import CurateError
from curate.files import digest, read_json, sweep
from curate.plan import GlobalStage, Plan
from curate.resolve import remembered
from curate.run import RunResult
from curate.store import Place, locked

LIST = "store.json"
# what else the store holds belongs to no version: facts about inputs, the index of `curate search`
_STAGE = re.compile("[0-9a-f]{20}")
_SHARED = ("published", "report", "resolve")

# folder of a stage -> folder of a unit -> entries; of a shared folder: its entries under ""
Used = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Freed:
    """What was removed, or would be: versions, results in the store, and the bytes that the disk has back."""

    versions: int
    results: int
    bytes: int


def used(plan: Plan, result: RunResult, stages: list[dict[str, Any]], published: list[str]) -> Used:
    """What in the store a version is made of.

    Args:
        plan: of the run.
        result: its phases with their receipts.
        stages: of the manifest.
        published: the keys of shards and parts of the ledger.
    """
    names: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for phase in result.phases:
        for state, receipt in zip(result.states, phase.receipts, strict=True):
            place = Place(plan.store, phase.phase.fingerprint, state.unit.fingerprint).folder
            names[place.parent.name][place.name] |= {receipt["entry"], *receipt["parts"]}
        if isinstance(phase.phase, GlobalStage):
            names["resolve"][""].add(remembered(plan.store, phase.phase).name)
    found = [
        path for state in result.states for path in (*(v for v, _ in state.verdicts.values()), *state.found.values())
    ]
    names["resolve"][""] |= {Path(path).parent.name for path in found if Path(path).parent.parent.name == "resolve"}
    names["report"][""] = {f"{stage['content']}.json" for stage in stages}
    names["published"][""] = {key[:20] for key in published}
    return {stage: {unit: sorted(own) for unit, own in units.items()} for stage, units in names.items()}


def collect(folder: Path, *, versions: int | None, dry: bool) -> Freed:
    """Remove from an output folder all versions but the newest so many (None: keep all), and what the others do not use.

    With `dry` nothing is removed. Raises CurateError where a version does not say what it is made of, or a run is at work.
    """
    store = folder / ".store"
    if not store.is_dir():
        raise CurateError(str(folder), "is no output folder of a pipeline", "name the folder, or the pipeline file")
    with locked(store):
        if not dry:
            sweep(store)
        there = sorted(p for p in (folder / "versions").glob("*") if p.name.isdigit())
        old = there[:-versions] if versions else []
        left = there[len(old) :]
        kept = _union(left)
        garbage = [*old, *_unused(store, kept)]
        size = sum(map(_bytes, garbage))
        for path in () if dry else garbage:
            _remove(path)
        return Freed(len(old), len(garbage) - len(old), size)


def _union(versions: list[Path]) -> set[tuple[str, str, str]]:
    kept = set()
    for version in versions:
        listed = read_json(version / LIST)
        if listed is None:
            raise CurateError(
                str(version),
                f"does not say what it is made of: `{LIST}` is missing",
                "remove the version if nobody reads it",
            )
        kept |= {
            (stage, unit, entry) for stage, units in listed.items() for unit, own in units.items() for entry in own
        }
    return kept


def _unused(store: Path, kept: set[tuple[str, str, str]]) -> Iterator[Path]:
    for stage in sorted(store.iterdir()):
        if stage.name in _SHARED:
            yield from (path for path in sorted(stage.iterdir()) if (stage.name, "", path.name) not in kept)
        elif _STAGE.fullmatch(stage.name):
            for unit in sorted(stage.iterdir()):
                yield from (path for path in sorted(unit.iterdir()) if (stage.name, unit.name, path.name) not in kept)


def _bytes(path: Path) -> int:
    """What the disk has back: files that a version holds by another name stay."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(status.st_size for status in (file.stat() for file in files) if status.st_nlink == 1)


def _remove(path: Path) -> None:
    """Out of sight whole, then gone: a reader or a run never meets the half of a result."""
    hidden = path.with_name(f".{path.name}.{digest(str(path))[:8]}.tmp")
    path.rename(hidden)
    shutil.rmtree(hidden) if hidden.is_dir() else hidden.unlink()
    # folders of units and stages of which nothing is left
    for parent in (path.parent, path.parent.parent):
        if parent.name not in (*_SHARED, "versions") and not any(parent.iterdir()):
            parent.rmdir()
