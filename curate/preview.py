"""`curate plan`: stages, units, what the store holds and why the rest must run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from curate.files import read_json
from curate.plan import GlobalStage, MapStage, Phase, Plan
from curate.steps.bounds import brief
from curate.store import Place


def lines(plan: Plan) -> Iterator[str]:
    """The plan in words, for people."""
    size = sum(file.bytes for file in plan.files)
    yield f"{plan.pipeline.name}: {len(plan.files):,} files, {size / 1e6:,.1f} MB, {len(plan.units):,} units"
    for source, count in Counter(file.settings.source for file in plan.files).items():
        yield f"  input {source}: {count:,} files"
    yield ""
    before = _remembered(plan)
    for phase in plan.phases:
        kind = "compare all" if isinstance(phase, GlobalStage) else "each document"
        yield f"stage {phase.index}  {phase.name}  ({kind}, {phase.fingerprint[:8]})"
        held = [unit for unit in plan.units if Place(plan.store, phase.fingerprint, unit.fingerprint).entries()]
        yield f"         {len(held):,} of {len(plan.units):,} units in the store" + _why(plan, phase, len(held), before)
        if isinstance(phase, MapStage):
            for step in phase.steps:
                for rule, sql in step.rule_table().items():
                    shown = sql if rule == sql else f"{rule}: {brief(sql)}"
                    yield f"           keep {shown}"


def _remembered(plan: Plan) -> list[str]:
    """The stages of the newest version of this output, by the names of their steps."""
    manifest = read_json(Path(plan.pipeline.folder_out) / "manifest.json")
    return [] if manifest is None else [stage["fingerprint"] for stage in manifest["stages"]]


def _why(plan: Plan, phase: Phase, held: int, before: list[str]) -> str:
    """Why units of a phase are not in the store."""
    if held == len(plan.units):
        return ""
    if not before:
        return ": nothing has run yet"
    if phase.fingerprint in before or held:
        return ": the others are new or changed input, or were not committed"
    return ": a setting or the version of one of its steps, or of a step before it, has changed"
