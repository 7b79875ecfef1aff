"""Histograms from version to version: a signal of the same documents under the same bounds is not counted again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.files import digest, read_json, write_json
from curate.report.histograms import Bin, Histogram, Limit, histograms, limits
from curate.report.query import Field, Records


def drawn(records: Records | None, manifest: Mapping[str, Any], store: Path) -> list[Histogram]:
    """`histograms` of a version. Those of each stage are kept under the name of what entered it, in `store`/report."""
    if records is None:
        return []
    rules = manifest["rules"]
    stages = [stage for stage in manifest["stages"] if stage["kind"] == "map"]
    files = {step: store / "report" / f"{stage['content']}.json" for stage in stages for step in stage["steps"]}
    fields = [each for each in records.fields if each.step in files]
    names = {each: digest([each.key, [limits(rule["sql"], each.key) for rule in rules]])[:16] for each in fields}
    known: dict[Path, dict[str, Any]] = {file: read_json(file) or {} for file in files.values()}
    new = [each for each in fields if names[each] not in known[files[each.step]]]
    made = {each.field: each for each in histograms(records, rules, new)}
    for each in new:
        # a signal that no document has stands as null
        known[files[each.step]][names[each]] = _written(made[each]) if each in made else None
    for file in {files[each.step] for each in new}:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, known[file], indent=None)
    found = [made.get(each) or _read(known[files[each.step]][names[each]]) for each in fields]
    return [histogram for histogram in found if histogram]


def _written(made: Histogram) -> dict[str, Any]:
    """The histogram as JSON has it: `dataclasses.asdict` copies each of its numbers, at ten times the time."""
    parts = {"field": vars(made.field), "bins": [*map(vars, made.bins)], "limits": [*map(vars, made.limits)]}
    return {**vars(made), **parts}


def _read(kept: Mapping[str, Any] | None) -> Histogram | None:
    if kept is None:
        return None
    parts = {
        "field": Field(**kept["field"]),
        "bins": tuple(Bin(**each) for each in kept["bins"]),
        "limits": tuple(Limit(**each) for each in kept["limits"]),
    }
    return Histogram(**{**kept, **parts})
