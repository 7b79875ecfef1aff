"""`quantiles`: where a document stands among all others of its language or source, by any signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curate.dedup.step import Contributions, GlobalStep
from curate.steps.step import Bound, Signal


class Quantiles(GlobalStep):
    """Rank the documents of each language (and source) by a signal, the smallest first, and name bands of ranks.

    As CCNet does with perplexity: below the 30th percentile `head`, below the 60th `middle`, else `tail`.
    `share: {max: 0.2}` keeps the lowest fifth (POINTS), `share: {min: 0.25, max: 0.75}` the middle half (Marion et al.).
    Degenerate repetition has the lowest perplexity of all: `floor` leaves such values without a rank, which a bound
    drops. Equal values share the quantile of the first. Holds about 40 bytes a document.
    """

    kind: ClassVar[str] = "quantiles"
    version: ClassVar[int] = 1
    source: ClassVar[str] = (
        "CCNet (Wenzek et al. 2020, arXiv 1911.00359); POINTS (arXiv 2409.04828); Marion et al. 2023 (arXiv 2309.04564)"
    )
    FINDINGS: ClassVar[pa.Schema | None] = pa.schema(
        [("rank", pa.int64()), ("share", pa.float64()), ("band", pa.string())]
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "rank": Signal(pa.int64(), "place in its group from 1, the smallest value first, equals in input order"),
        "share": Signal(pa.float64(), "smaller values in its group / values in its group; null without a value"),
        "band": Signal(pa.string(), "the band of `share`"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"by", "cuts", "bands", "floor", "keep"}
    VERDICT_FIELDS: ClassVar[frozenset[str]] = frozenset({"keep"})

    by: str = Field(description="the signal, as `perplexity.perplexity`")
    groups: list[Literal["lang", "source"]] = Field(["lang"], description="what documents are ranked among")
    cuts: list[float] = Field([0.3, 0.6], description="where bands begin, as shares of a group")
    bands: list[str] = Field(["head", "middle", "tail"], description="one name more than cuts")
    floor: float | None = Field(None, description="a smaller value counts as none: it is degenerate repetition")
    keep: list[str] = Field([], description="the bands to keep; empty for all")
    share: Bound | None = Field(None, description="bound on the share: {max: 0.2} keeps the lowest fifth")

    @model_validator(mode="after")
    def _bands_fit(self) -> Self:
        if len(self.bands) != len(self.cuts) + 1 or self.cuts != sorted(set(self.cuts)):
            raise ValueError("bands need rising cuts, one fewer than there are names")
        if strange := [band for band in self.keep if band not in self.bands]:
            raise ValueError(f"no band is called {', '.join(strange)}")
        return self

    def rule_table(self) -> dict[str, str]:
        """The bands to keep, then the bounds."""
        names = ", ".join(f"'{band}'" for band in self.keep)
        return ({"band": f"{self.name}.band IN ({names})"} if self.keep else {}) | super().rule_table()

    def reads(self) -> Mapping[str, str]:
        """The signal."""
        return {"by": self.by}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """What documents are grouped by; null is a group as well."""
        return [(name, pc.fill_null(batch[name], "")) for name in self.groups]

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Rank, share and band of every document."""
        values = np.concatenate([*contributions.signals(self.by), np.zeros(0)])
        if self.floor is not None:
            values = np.where(values < self.floor, np.nan, values)
        groups = np.zeros(len(values), np.int64)
        for name in self.groups:
            column = pa.concat_arrays(
                [
                    pa.array([], pa.string()),
                    *(t[name].combine_chunks().cast(pa.string()) for t in contributions.tables()),
                ]
            )
            codes = column.dictionary_encode()
            groups = groups * (len(codes.dictionary) + 1) + codes.indices.to_numpy()
        ranks, shares = ranked(values, groups)
        names = np.array(self.bands, object)[np.searchsorted(self.cuts, shares, side="right")]
        start = 0
        for table in contributions.tables():
            part = slice(start, start + len(table))
            start += len(table)
            none = ranks[part] == 0
            yield pa.table(
                {
                    "row": table["row"],
                    "rank": pa.array(ranks[part], mask=none),
                    "share": pa.array(shares[part], mask=none),
                    "band": pa.array(names[part], pa.string(), mask=none),
                }
            )


def ranked(
    values: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """(n,) values and groups -> (rank in its group from 1, 0 for NaN; share of smaller values in its group)."""
    ranks, shares = np.zeros(len(values), np.int64), np.zeros(len(values))
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.lexsort((values[known], groups[known]))]
    if not len(order):
        return ranks, shares
    group, value, place = groups[order], values[order], np.arange(len(order))
    begins = np.concatenate([[True], group[1:] != group[:-1]])
    new = begins | np.concatenate([[True], value[1:] != value[:-1]])
    first = np.maximum.accumulate(np.where(begins, place, 0))
    leader = np.maximum.accumulate(np.where(new, place, 0))
    sizes = np.bincount(np.cumsum(begins) - 1)
    ranks[order] = place - first + 1
    shares[order] = (leader - first) / np.repeat(sizes, sizes)
    return ranks, shares
