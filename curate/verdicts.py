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


def rules_sql(steps: Sequence[Step]) -> list[str]:
    """The expressions of all rules of `steps`, each once, in order."""
    return list(dict.fromkeys(sql for step in steps for sql in step.rule_table().values()))


def rule_columns(rules: Sequence[str]) -> list[str]:
    """The columns that these expressions read, sorted."""
    return sorted({name for rule in rules for name in pl.sql_expr(rule).meta.root_names()})


def evaluate(signals: pa.Table, rules: Sequence[str]) -> pa.Table:
    """A boolean column for each expression, named by it: whether a row passes, null where the rule is NULL.

    Args:
        signals: the columns that `rule_columns` names.
        rules: SQL expressions, each once.
    """
    frame = pl.DataFrame(pl.from_arrow(signals))
    present = functools.cache(lambda column: _languages(frame, column))
    # an expression of constants alone is one value, not one a row
    length = pl.repeat(None, pl.len(), dtype=pl.Boolean).alias("")
    held = frame.select(length, *(pl.sql_expr(pruned(rule, present)).cast(pl.Boolean).alias(rule) for rule in rules))
    return held.drop("").to_arrow()


def judge(rows: pa.Table, held: pa.Table, steps: Sequence[Step]) -> tuple[pa.Table, dict[str, Any]]:
    """The fate of every row under every rule of every step.

    Args:
        rows: columns `row`, `error`, `error_step`.
        held: `evaluate` of all rules of the steps, row by row.
        steps: the map steps of the stage, in order.

    Returns:
        The verdict table, and counts: `in`, `kept`, `dropped`, `quarantined`, and for each step `dropped`,
        `quarantined` and `rules`: rule -> how many documents failed it, whether or not it decided their fate.
    """
    tables = {step.name: step.rule_table() for step in steps}
    rules = [_Rule(place, *rule) for place, table in enumerate(tables.values()) for rule in table.items()]
    error = rows["error"].is_valid().to_numpy()
    passed, null = np.zeros((2, len(rows), len(rules)), np.bool_)
    for i, rule in enumerate(rules):
        # NULL passes nothing
        passed[:, i] = held[rule.sql].fill_null(False).to_numpy()
        null[:, i] = held[rule.sql].is_null().to_numpy()
    failed = ~passed & ~error[:, None]
    # the step of the first rule that failed decides; -1: none did
    steps_of = np.array([rule.step for rule in rules], np.int16)
    first = np.where(failed.any(axis=1), steps_of[failed.argmax(axis=1)], -1) if rules else np.full(len(error), -1)
    decisive = failed & (steps_of == first[:, None])
    names = [rule.name for rule in rules]
    fate = np.where(error, QUARANTINED, np.where(first >= 0, DROPPED, KEPT)).astype(np.int8)
    decided = pa.array([*tables, None], pa.string()).take(pa.array(np.where(first < 0, len(tables), first)))
    step = pc.if_else(pa.array(error), rows["error_step"], decided)
    verdict = pa.table(
        [rows["row"], fate, step, _listed(names, decisive), _listed(names, decisive & null)], schema=SCHEMA
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


def _listed(names: Sequence[str], chosen: Masks) -> pa.Array:
    """For each row the names that are chosen there. Rows are few in kind: each kind is made once."""
    packed = np.packbits(chosen, axis=1)
    words = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)
    kind, first = np.zeros(len(chosen), np.int64), np.zeros(0, np.int64)
    for word in words.T:
        _, part = np.unique(word, return_inverse=True)
        _, first, kind = np.unique(kind * len(chosen) + part, return_index=True, return_inverse=True)
    lists = [[name for name, there in zip(names, chosen[row], strict=True) if there] for row in first]
    return pa.array(lists or [[]], pa.list_(pa.string())).take(pa.array(kind))


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
