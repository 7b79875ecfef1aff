"""Rules over stored signals -> the fate of each document of a unit at one stage.

A verdict table has one row for each document that entered the stage, in order of `row`: `fate` KEPT, DROPPED or
QUARANTINED, the first `step` that failed, its failed rules (`rule`), and those of them that were NULL (`null_rules`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curate.steps.bounds import pruned
from curate.steps.step import Step

Masks = npt.NDArray[np.bool_]

KEPT, DROPPED, QUARANTINED = 0, 1, 2

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int32()),
        pa.field("fate", pa.int8()),
        pa.field("step", pa.string()),
        pa.field("rule", pa.list_(pa.string())),
        pa.field("null_rules", pa.list_(pa.string())),
    ]
)


def rule_columns(steps: Sequence[Step]) -> list[str]:
    """The columns that the rules of `steps` read, sorted."""
    rules = [rule for step in steps for rule in step.rule_table().values()]
    return sorted({name for rule in rules for name in pl.sql_expr(rule).meta.root_names()})


def judge(signals: pa.Table, steps: Sequence[Step]) -> tuple[pa.Table, dict[str, Any]]:
    """Evaluate every rule of every step for every row.

    Args:
        signals: columns `row`, `error`, `error_step` and what `rule_columns` names.
        steps: the map steps of the stage, in order.

    Returns:
        The verdict table, and counts: `in`, `kept`, `dropped`, `quarantined`, and for each step `dropped`,
        `quarantined` and `rules`: rule -> how many documents failed it, whether or not it decided their fate.
    """
    tables = {step.name: step.rule_table() for step in steps}
    rules = [_Rule(place, *rule) for place, table in enumerate(tables.values()) for rule in table.items()]
    error = signals["error"].is_valid().to_numpy()
    frame = pl.DataFrame(pl.from_arrow(signals))
    present = functools.cache(lambda column: _languages(frame, column))
    passed, null = _evaluated(frame, [pruned(rule.sql, present) for rule in rules])
    failed = ~passed & ~error[:, None]
    # the step of the first rule that failed decides; -1: none did
    steps_of = np.array([rule.step for rule in rules], np.int16)
    first = np.where(failed.any(axis=1), steps_of[failed.argmax(axis=1)], -1) if rules else np.full(len(error), -1)
    decisive = failed & (steps_of == first[:, None])
    names = [rule.name for rule in rules]
    fate = np.where(error, QUARANTINED, np.where(first >= 0, DROPPED, KEPT)).astype(np.int8)
    decided = pa.array([*tables, None], pa.string()).take(pa.array(np.where(first < 0, len(tables), first)))
    step = pc.if_else(pa.array(error), signals["error_step"], decided)
    verdict = pa.table(
        [signals["row"], fate, step, _listed(names, decisive), _listed(names, decisive & null)], schema=SCHEMA
    )
    return verdict, _counts(verdict, tables, rules, failed.sum(axis=0))


def _languages(frame: pl.DataFrame, column: str) -> set[str | None]:
    """The languages in a signal such as `quality.lang`."""
    struct, _, field = column.partition(".")
    return set(frame[struct].struct.field(field).unique())


class _Rule(NamedTuple):
    """A rule, and the place of its step."""

    step: int
    name: str
    sql: str


def _evaluated(frame: pl.DataFrame, expressions: Sequence[str]) -> tuple[Masks, Masks]:
    """(n, rules) whether a row passes, and whether the rule is NULL there; NULL passes nothing."""
    held = frame.select(pl.sql_expr(rule).cast(pl.Boolean).alias(str(i)) for i, rule in enumerate(expressions))
    passed, null = np.zeros((2, frame.height, len(expressions)), np.bool_)
    for i in range(len(expressions)):
        # an expression of constants alone is one value, not one a row
        passed[:, i] = held[str(i)].fill_null(False).to_numpy()
        null[:, i] = held[str(i)].is_null().to_numpy()
    return passed, null


def _listed(names: Sequence[str], chosen: Masks) -> pa.Array:
    """For each row the names that are chosen there. Rows are few in kind: each kind is made once."""
    kinds, kind = np.unique(np.packbits(chosen, axis=1), axis=0, return_inverse=True)
    masks = np.unpackbits(kinds, axis=1, count=len(names)).astype(np.bool_) if len(kinds) else chosen
    lists = [[name for name, there in zip(names, mask, strict=True) if there] for mask in masks]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(kind.reshape(-1)))


def _counts(
    verdict: pa.Table, tables: Mapping[str, Mapping[str, str]], rules: Sequence[_Rule], fails: Sequence[int]
) -> dict[str, Any]:
    grouped = verdict.group_by(["step", "fate"]).aggregate([([], "count_all")]).to_pylist()
    decided = {(row["step"], row["fate"]): row["count_all"] for row in grouped}
    steps = {
        name: {
            "dropped": decided.get((name, DROPPED), 0),
            "quarantined": decided.get((name, QUARANTINED), 0),
            "rules": {rule.name: int(n) for rule, n in zip(rules, fails, strict=True) if rule.step == place},
        }
        for place, name in enumerate(tables)
    }
    if reading := decided.get(("read", QUARANTINED), 0):
        steps = {"read": {"dropped": 0, "quarantined": reading, "rules": {}}, **steps}
    names = ((KEPT, "kept"), (DROPPED, "dropped"), (QUARANTINED, "quarantined"))
    sums = {name: sum(n for (_, found), n in decided.items() if found == fate) for fate, name in names}
    return {"in": verdict.num_rows, **sums, "steps": steps}


def names_in(rule: str) -> set[str]:
    """The `struct.field` names that a rule mentions, strings left out."""
    return set(re.findall(r"\b([A-Za-z_]\w*\.[A-Za-z_]\w*)\b", re.sub(r"'[^']*'", "", rule)))
