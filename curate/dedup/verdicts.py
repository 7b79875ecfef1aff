"""What a global dedup step decides: which document of a set of equals is kept, and one table of drops a unit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.dedup.by_unit import ByUnit
from curate.dedup.step import DUPLICATES, Contributions

VERDICT = np.dtype(
    [("key", "<u8"), ("row", "<i4"), ("kept_unit", "<i4"), ("kept_row", "<i4"), ("similarity", "<f4"), ("unit", "<i4")]
)
KEEP = (
    "which document of a set of duplicates stays: `first` in input order, `longest` (characters), or the one with the "
    "greatest value of a signal, as `quality.word_count`; ties and nulls: the first, nulls last"
)


# orders that need the column `date` of a contribution, seconds since 1970: which way they go
DATED = {"latest": 1.0, "earliest": -1.0}


def check_keep(keep: str) -> str:
    """`keep` as given; ValueError where it is neither a known order nor the name of a signal."""
    if keep not in ("first", "longest") and "." not in keep:
        raise ValueError(f"unknown order `{keep}`; write first, longest, or a signal as step.field")
    return keep


def with_order(contributions: Contributions, keep: str) -> Iterator[tuple[int, pa.Table, npt.NDArray[np.float64]]]:
    """Of each unit its number, its table, and (rows,) float64: the greater, the sooner kept; NaN is last."""
    orders = contributions.signals(keep) if "." in keep else iter(())
    for unit, table in enumerate(contributions.tables()):
        if keep == "first":
            yield unit, table, np.zeros(len(table))
        elif keep == "longest":
            yield unit, table, table["length"].to_numpy().astype(np.float64)
        elif keep in DATED:
            yield unit, table, DATED[keep] * table["date"].cast("float64").fill_null(float("nan")).to_numpy()
        else:
            yield unit, table, next(orders)


class Verdicts:
    """Drops in any order, more than memory holds; `tables()` gives them unit by unit."""

    def __init__(self, folder: Path, units: int, limit: int) -> None:
        self._rows = ByUnit(VERDICT, folder, units, limit)

    def add(self, dropped: npt.NDArray[Any], kept: npt.NDArray[Any], similarity: npt.NDArray[Any] | float) -> None:
        """Drop `dropped` for `kept`: (n,) each, with the fields `unit` and `row`."""
        rows = np.empty(len(dropped), VERDICT)
        rows["unit"], rows["row"] = dropped["unit"], dropped["row"]
        rows["kept_unit"], rows["kept_row"] = kept["unit"], kept["row"]
        rows["similarity"] = similarity
        self._rows.add(rows)

    def tables(self) -> Iterator[pa.Table]:
        """For each unit, in order, a table of `DUPLICATES`, rows ascending; once only."""
        return map(_table, self._rows.units())


def _table(rows: npt.NDArray[Any]) -> pa.Table:
    columns = [np.ascontiguousarray(rows[field.name]) for field in DUPLICATES]
    return pa.table([pa.array(column) for column in columns], schema=DUPLICATES)
