"""Rules over stored signals -> the fate of each document of a unit at one stage.

A verdict table has one row for each document that entered the stage, in order of `row`: `fate` KEPT, DROPPED or
QUARANTINED, the first `step` that failed, its failed rules (`rule`), and those of them that were NULL (`null_rules`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from curate.steps.bounds import pruned
from curate.steps.step import Step

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
    frame = pl.DataFrame(pl.from_arrow(signals))
    tables = {step.name: step.rule_table() for step in steps}
    keys = {(name, rule): f"{i}.{j}" for i, name in enumerate(tables) for j, rule in enumerate(tables[name])}
    alive = pl.col("error").is_null()
    present = functools.cache(lambda column: _languages(frame, column))
    passed = frame.select(
        "row", "error", "error_step",
        *(
            pl.sql_expr(pruned(tables[name][rule], present)).cast(pl.Boolean).alias(key)
            for (name, rule), key in keys.items()
        ),
    )  # fmt: skip
    failed = {key: alive & ~pl.col(key).fill_null(False) for key in keys.values()}
    verdict = passed.select("row", *_fate(tables, keys, failed))
    counts = _counts(passed, verdict, tables, keys, failed)
    return verdict.to_arrow().cast(SCHEMA), counts


def _languages(frame: pl.DataFrame, column: str) -> set[str | None]:
    """The languages in a signal such as `quality.lang`."""
    struct, _, field = column.partition(".")
    return set(frame[struct].struct.field(field).unique())


def _fate(tables: Mapping[str, Mapping[str, str]], keys: dict, failed: Mapping[str, pl.Expr]) -> list[pl.Expr]:
    step: Any = pl.when(pl.col("error").is_not_null()).then(pl.col("error_step"))
    rule: Any = pl.when(pl.col("error").is_not_null()).then(pl.lit([], pl.List(pl.String)))
    null: Any = rule
    for name, rules in tables.items():
        if rules:
            own = [keys[name, rule] for rule in rules]
            any_failed = pl.any_horizontal([failed[key] for key in own])
            step = step.when(any_failed).then(pl.lit(name))
            rule = rule.when(any_failed).then(_listed(rules, [failed[key] for key in own]))
            null = null.when(any_failed).then(_listed(rules, [pl.col(key).is_null() for key in own]))
    step = step.otherwise(None).cast(pl.String)
    quarantined = pl.col("error").is_not_null().cast(pl.Int8) * QUARANTINED
    fate = pl.when(pl.col("error").is_not_null()).then(quarantined).otherwise(step.is_not_null().cast(pl.Int8))
    empty = pl.lit([], pl.List(pl.String))
    return [
        fate.cast(pl.Int8).alias("fate"),
        step.alias("step"),
        rule.otherwise(empty).alias("rule"),
        null.otherwise(empty).alias("null_rules"),
    ]


def _listed(names: Mapping[str, str], masks: Sequence[pl.Expr]) -> pl.Expr:
    """A list column of the names whose mask is true."""
    return pl.concat_list(
        [pl.when(mask).then(pl.lit(name)).otherwise(None) for name, mask in zip(names, masks, strict=True)]
    ).list.drop_nulls()


def _counts(
    passed: pl.DataFrame, verdict: pl.DataFrame, tables: Mapping[str, Mapping[str, str]], keys: dict, failed: Mapping
) -> dict[str, Any]:
    fates = dict(verdict["fate"].value_counts().iter_rows())
    decided = {(s, f): n for s, f, n in verdict.group_by("step", "fate").len().iter_rows()}
    fails = passed.select([failed[key].sum().alias(key) for key in keys.values()]).to_dicts()[0] if keys else {}
    steps = {
        name: {
            "dropped": decided.get((name, DROPPED), 0),
            "quarantined": decided.get((name, QUARANTINED), 0),
            "rules": {rule: int(fails[keys[name, rule]]) for rule in rules},
        }
        for name, rules in tables.items()
    }
    if reading := decided.get(("read", QUARANTINED), 0):
        steps = {"read": {"dropped": 0, "quarantined": reading, "rules": {}}, **steps}
    names = ((KEPT, "kept"), (DROPPED, "dropped"), (QUARANTINED, "quarantined"))
    return {"in": verdict.height, **{name: int(fates.get(fate, 0)) for fate, name in names}, "steps": steps}


def names_in(rule: str) -> set[str]:
    """The `struct.field` names that a rule mentions, strings left out."""
    return set(re.findall(r"\b([A-Za-z_]\w*\.[A-Za-z_]\w*)\b", re.sub(r"'[^']*'", "", rule)))
