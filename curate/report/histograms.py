"""How signals are distributed, with the bounds that rules put on them: bins counted by DuckDB."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from curate.report.query import Field, Records

BINS = 40
#: quantiles come from about so many documents, chosen by their row
SAMPLE = 200_000
#: values beyond these quantiles fall into the first and the last bin
TAILS = (0.005, 0.995)
#: a range more than so many times the median has a logarithmic axis
SKEW = 20
_NUMBER = r"(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)"


@dataclass(frozen=True)
class Limit:
    """One side of a bound: documents pass with a signal above (or below) `value`, itself included unless `strict`."""

    value: float
    above: bool
    strict: bool = False

    @property
    def edge(self) -> float:
        """The largest value on the lower side: bins are closed on the right."""
        lower_side = self.strict if self.above else not self.strict
        return self.value if lower_side else math.nextafter(self.value, -math.inf)


@dataclass(frozen=True)
class Bin:
    """Documents with a signal in (left, right]; the outer bins hold everything beyond."""

    left: float
    right: float
    count: int
    fails: bool


@dataclass(frozen=True)
class Histogram:
    """The values of one number signal over all documents that have it; `logarithmic` is about its axis."""

    field: Field
    count: int
    missing: int
    least: float
    most: float
    logarithmic: bool
    bins: tuple[Bin, ...]
    limits: tuple[Limit, ...]


def limits(sql: str, signal: str) -> list[Limit]:
    """The bounds that the rule `sql` puts on `signal` (`step.field`), as far as they are plain comparisons."""
    name = rf"(?<![\w.]){re.escape(signal)}"
    found = []
    for sign, value in re.findall(rf"{name}\s*(>=|<=|>|<)\s*{_NUMBER}", sql):
        found.append(Limit(float(value), sign[0] == ">", len(sign) == 1))
    for low, high in re.findall(rf"{name}\s+BETWEEN\s+{_NUMBER}\s+AND\s+{_NUMBER}", sql, re.IGNORECASE):
        found += [Limit(float(low), True), Limit(float(high), False)]
    return found


def histograms(records: Records | None, rules: Sequence[Mapping[str, Any]]) -> list[Histogram]:
    """One histogram for each number signal that any document has, in order of the steps."""
    if records is None:
        return []
    made = []
    numbers = [field for field in records.fields if field.type in ("integer", "float")]
    for step, group in groupby(numbers, lambda field: field.step):
        made += _of_step(records, list(group), [rule["sql"] for rule in rules if rule["step"] == step])
    return made


def _of_step(records: Records, fields: Sequence[Field], rules: Sequence[str]) -> list[Histogram]:
    ranges = _ranges(records, fields)
    kept = [i for i, field in enumerate(fields) if ranges[i]["count"]]
    if not kept:
        return []
    bounds = {i: [limit for sql in rules for limit in limits(sql, fields[i].key)] for i in kept}
    plans = {i: _plan(fields[i], ranges[i], bounds[i]) for i in kept}
    counts = records.query(
        "SELECT " + ", ".join(f"histogram({_finite(fields[i])}, {_edges(plans[i][0])}) AS h{i}" for i in kept)
        + " FROM ledger"
    )[0]  # fmt: skip
    either = {i: any(_is_loose(sql) and fields[i].key in sql for sql in rules) for i in kept}
    return [_made(fields[i], ranges[i], *plans[i], counts[f"h{i}"], loose=either[i]) for i in kept]


def _finite(field: Field) -> str:
    """The signal as a double; null where it is no finite number."""
    return f"CASE WHEN isfinite({field.sql}::DOUBLE) THEN {field.sql}::DOUBLE END"


def _ranges(records: Records, fields: Sequence[Field]) -> list[dict[str, Any]]:
    """For each field: count, missing, least and most over all documents; low, middle, high over a sample of them."""
    exact, rough = [], []
    for i, field in enumerate(fields):
        value = _finite(field)
        exact += [f"count({value}) AS count{i}", f"min({value}) AS least{i}", f"max({value}) AS most{i}"]
        exact.append(f"count(*) FILTER ({field.sql} IS NOT NULL AND NOT isfinite({field.sql}::DOUBLE)) AS missing{i}")
        rough.append(f"quantile_disc({value}, [{TAILS[0]}, 0.5, {TAILS[1]}]) AS quantiles{i}")
    row = records.query(f"SELECT {', '.join(exact)} FROM ledger")[0]
    total = records.query("SELECT count(*) AS n FROM ledger")[0]["n"]
    every = max(1, total // SAMPLE)
    row |= records.query(f"SELECT {', '.join(rough)} FROM ledger WHERE row % {every} = 0")[0]
    made = []
    for i in range(len(fields)):
        facts = {name: row[f"{name}{i}"] for name in ("count", "missing", "least", "most")}
        low, middle, high = row[f"quantiles{i}"] or (facts["least"], facts["least"], facts["most"])
        made.append(facts | {"low": low, "middle": middle, "high": high})
    return made


_Plan = tuple[list[float], bool, tuple[Limit, ...]]


def _plan(field: Field, facts: Mapping[str, Any], bounds: Sequence[Limit]) -> _Plan:
    """The edges of the bins, whether they are spaced logarithmically, and the limits, each of which is an edge."""
    low = min([facts["low"], *(limit.value for limit in bounds)])
    high = max([facts["high"], *(limit.value for limit in bounds)])
    logarithmic = low >= 0 and facts["middle"] > 0 and high > SKEW * facts["middle"]
    edges = _logarithmic(max(low, high / 1e5), high) if logarithmic else _linear(low, high)
    for limit in bounds:
        nearest = min(range(1, len(edges) - 1), key=lambda i: abs(edges[i] - limit.value))
        edges[nearest] = limit.edge
    if field.type == "integer":  # halfway between numbers, so that no bin is empty for want of a number in it
        edges = [math.floor(edge) + 0.5 for edge in edges]
        edges[0] = min(edges[0], edges[1] - 1)
    return sorted(set(edges)), logarithmic, tuple(dict.fromkeys(bounds))


def _linear(low: float, high: float) -> list[float]:
    """Equal bins from low to high, and one more at each end."""
    width = (high - low) / BINS or 1.0
    return [low + width * i for i in range(-1, BINS + 2)]


def _logarithmic(low: float, high: float) -> list[float]:
    """Bins that widen by a constant factor from low (above 0) to high, and one more at each end."""
    ratio = (high / low) ** (1 / BINS)
    return [low * ratio**i for i in range(-1, BINS + 2)]


def _edges(edges: Sequence[float]) -> str:
    """The edges at which one bin ends and the next begins, as an SQL list."""
    return "[" + ", ".join(f"{edge!r}::DOUBLE" for edge in edges[1:-1]) + "]"


def _is_loose(sql: str) -> bool:
    """Whether a failed comparison in the rule need not fail the rule."""
    return bool(re.search(r"\b(OR|NOT|CASE)\b", sql, re.IGNORECASE))


def _made(
    field: Field, facts: Mapping[str, Any], edges: Sequence[float], logarithmic: bool, bounds: tuple[Limit, ...],
    counts: Mapping[float, int], *, loose: bool,
) -> Histogram:  # fmt: skip
    ends = [*edges[1:-1], math.inf]
    bins = []
    for left, right, end in zip(edges[:-1], edges[1:], ends, strict=True):
        fails = not loose and any(right <= b.edge if b.above else left >= b.edge for b in bounds)
        bins.append(Bin(left, right, counts.get(end, 0), fails))
    return Histogram(
        field, facts["count"], facts["missing"], facts["least"], facts["most"], logarithmic, tuple(bins), bounds
    )
