"""The manifest of a version: counts, steps, shards, ledger, pipeline and the versions of what made it."""

from __future__ import annotations

import datetime
import platform
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import polars as pl

from curate import __version__
from curate.files import digest
from curate.plan import GlobalStage, MapStage, Plan
from curate.run import RunResult
from curate.work import skipped

FORMAT = 1


def make_manifest(
    plan: Plan, result: RunResult, shards: Sequence[dict[str, Any]], ledgers: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Everything that a reader of the version may want to know, as plain data."""
    first = result.phases[0].receipts
    listed = [{"path": f"shards/{i:05d}.arrow", **facts} for i, facts in enumerate(shards)]
    parts = [{"path": f"ledger/{i:05d}.parquet", **facts} for i, facts in enumerate(ledgers)]
    return {
        "format": FORMAT,
        "name": plan.pipeline.name,
        "version": 0,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "fingerprint": plan.fingerprint,
        "sample": str(plan.sample) if plan.sample else None,
        "documents": result.documents,
        "skipped": dict(sorted(skipped(first).items())),
        "replaced_characters": sum(receipt["replaced"] for receipt in first),
        "inputs": _inputs(plan),
        "languages": _languages(ledgers),
        "steps": funnel(result),
        "rules": [
            {"step": step.name, "rule": rule, "sql": sql}
            for step in plan.pipeline.steps
            for rule, sql in step.rule_table().items()
        ],
        "stages": _stages(result),
        "shards": listed,
        "ledger": parts,
        "pipeline": plan.pipeline.settings(),
        "versions": {name: version(name) for name in ("pyarrow", "polars", "numba", "numpy")}
        | {"curate": __version__, "python": platform.python_version()},
        "host": {"machine": platform.machine(), "system": platform.system()},
        "seconds": round(sum(phase.seconds for phase in result.phases), 3),
    }


def funnel(result: RunResult) -> list[dict[str, Any]]:
    """One entry a step, in order: how many documents came to it, what it dropped, by rule, and what it cost.

    `rules` counts every document that failed the rule in the step's stage, `dropped` those whose fate it decided.
    """
    entries = []
    seconds = _seconds(result)
    for phase in result.phases:
        steps: dict[str, Counter[str]] = defaultdict(Counter)
        rules: dict[str, Counter[str]] = defaultdict(Counter)
        for receipt in phase.receipts:
            for name, counts in receipt["steps"].items():
                steps[name].update(dropped=counts["dropped"], quarantined=counts["quarantined"])
                rules[name].update({rule: count for rule, count in counts["rules"].items()})
        left = sum(receipt["in"] for receipt in phase.receipts)
        for name, kind in _step_kinds(phase.phase):
            out = left - steps[name]["dropped"] - steps[name]["quarantined"]
            entries.append(
                {
                    "name": name, "kind": kind, "in": left, "out": out, "dropped": steps[name]["dropped"],
                    "quarantined": steps[name]["quarantined"], "rules": dict(rules[name]),
                    "seconds": round(seconds[name], 3),
                }
            )  # fmt: skip
            left = out
    return entries


def _seconds(result: RunResult) -> dict[str, float]:
    """What each step cost. A step that compares all documents costs in several phases."""
    seconds: dict[str, float] = defaultdict(float)
    for phase in result.phases:
        for receipt in phase.receipts:
            for name, spent in receipt.get("seconds", {}).items():
                seconds[name] += spent
        if isinstance(phase.phase, GlobalStage):
            seconds[phase.phase.name] += phase.resolving
    return seconds


def _step_kinds(phase: MapStage | GlobalStage) -> list[tuple[str, str]]:
    if isinstance(phase, GlobalStage):
        # a step that applies is told of where it does
        return [(phase.name, phase.step.kind)] if phase.step.FINDINGS is None else []
    reading = [("read", "read")] if phase.index == 0 else []
    return reading + [(step.name, step.kind) for step in phase.steps]


def _stages(result: RunResult) -> list[dict[str, Any]]:
    """Each phase with the law's four numbers, the text that passed, and its key in the store."""
    stages = []
    for phase in result.phases:
        total = {key: sum(r[key] for r in phase.receipts) for key in ("in", "kept", "dropped", "quarantined")}
        size = sum(receipt.get("text_bytes", 0) for receipt in phase.receipts)
        is_global = isinstance(phase.phase, GlobalStage)
        kind = "global" if is_global else "map"
        steps = [phase.phase.name] if is_global else [name for name, _ in _step_kinds(phase.phase)]
        fingerprint = phase.phase.fingerprint
        # the name of all that the store has of this phase for the run's units
        entries = [[state.unit.fingerprint, state.entries[phase.phase.index]] for state in result.states]
        content = digest([fingerprint, entries])
        facts = {
            "kind": kind,
            "steps": steps,
            "fingerprint": fingerprint,
            "content": content,
            "text_bytes": size,
            **total,
        }
        stages.append(
            {**facts, "reused": phase.reused, "units": len(phase.receipts), "seconds": round(phase.seconds, 3)}
        )
    return stages


def _inputs(plan: Plan) -> list[dict[str, Any]]:
    sources: dict[str, dict[str, Any]] = {}
    for file in plan.files:
        entry = sources.setdefault(file.settings.source, {"name": file.settings.source, "files": 0, "bytes": 0})
        entry["files"] += 1
        entry["bytes"] += file.bytes
    return list(sources.values())


def _languages(ledgers: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Language code (`unknown` where none was set) -> documents read and kept, the most frequent first."""
    if not ledgers:
        return {}
    lang = pl.col("lang").fill_null("unknown")
    kept = (pl.col("fate") == "kept").sum().alias("kept")
    ledger = pl.scan_parquet([facts["file"] for facts in ledgers]).select("lang", "fate")
    counts = (
        ledger.group_by(lang).agg(pl.len().alias("in"), kept).sort("in", "lang", descending=[True, False]).collect()
    )
    return {row["lang"]: {"in": row["in"], "kept": row["kept"]} for row in counts.iter_rows(named=True)}
