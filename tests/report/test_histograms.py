"""Histograms against counting by hand: bins, limits, missing values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.report.charts import chart
from curate.report.histograms import Histogram, Limit, histograms, limits
from curate.report.query import records


def made(folder: Path, values: list[float | None], rules: list[str], kind: pa.DataType) -> list[Histogram]:
    """The histograms of a ledger with one signal, `s.x`; a missing document has no struct at all."""
    whole = pa.StructArray.from_arrays([pa.array(values, kind)], ["x"], mask=pa.array([v is None for v in values]))
    evidence = pa.array([None] * len(values), pa.struct([("kept_path", pa.string())]))
    rows = pa.array(range(len(values)), pa.int32())
    pq.write_table(pa.table({"row": rows, "evidence": evidence, "s": whole}), folder / "0.parquet")
    manifest: dict[str, Any] = {"ledger": [{"path": "0.parquet", "rows": len(values)}]}
    with records(folder, manifest) as ledger:
        assert ledger
        return histograms(ledger, [{"step": "s", "rule": rule, "sql": rule} for rule in rules], ledger.fields)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("s.x >= 50 AND s.x <= 100000", [Limit(50, True), Limit(100000, False)]),
        ("s.x < 0.2", [Limit(0.2, False, True)]),
        ("s.x BETWEEN -1 AND 1e3", [Limit(-1, True), Limit(1000, False)]),
        ("other.s.x > 1 AND s.xy > 2 AND length(s.y) > 3", []),
        ("TRUE", []),
        ("s.x > 4 OR s.x < 2", []),
        ("NOT s.x > 4", []),
    ],
)
def test_limits_are_read_from_plain_comparisons(sql: str, found: list[Limit]) -> None:
    assert limits(sql, "s.x") == found


SIGNS = {">=": float.__ge__, ">": float.__gt__, "<=": float.__le__, "<": float.__lt__}


@example(values=[0.0, 1.0, 133353.0], whole=False, sign="<", value=1)
@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.none() | st.floats(-1e6, 1e6) | st.integers(0, 40), min_size=1, max_size=60),
    whole=st.booleans(), sign=st.sampled_from(sorted(SIGNS)), value=st.integers(-5, 50),
)  # fmt: skip
def test_bins_hold_every_value_and_the_limit_parts_them_exactly(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | None], whole: bool, sign: str, value: int
) -> None:
    folder = tmp_path_factory.mktemp("h")
    numbers = [v if v is None else int(v) if whole else float(v) for v in values]
    found = made(folder, numbers, [f"s.x {sign} {value}"], pa.int64() if whole else pa.float64())
    there = [float(v) for v in numbers if v is not None]
    if not there:
        assert found == []
        return
    (histogram,) = found
    assert sum(each.count for each in histogram.bins) == histogram.count == len(there)
    failing = sum(not SIGNS[sign](v, float(value)) for v in there)
    assert sum(each.count for each in histogram.bins if each.fails) == failing
    assert (histogram.least, histogram.most) == (min(there), max(there))
    ends = [each.left for each in histogram.bins] + [histogram.bins[-1].right]
    assert ends == sorted(ends)
    assert "nan" not in chart(histogram, "a `signal` <of> numbers").lower()


def test_values_that_are_no_number_are_counted_apart(tmp_path: Path) -> None:
    (histogram,) = made(tmp_path, [math.nan, math.inf, 1.0, None, 2.0], [], pa.float64())
    assert (histogram.count, histogram.missing, histogram.least, histogram.most) == (2, 2, 1.0, 2.0)
    assert "2 not finite" in chart(histogram, "")


def test_the_axis_is_labelled_with_the_ends_of_the_data(tmp_path: Path) -> None:
    (histogram,) = made(tmp_path, [0.0, 0.1, 0.25], ["s.x <= 0.2"], pa.float64())
    assert "<span>0</span><span>0.25</span>" in chart(histogram, "")
    (histogram,) = made(tmp_path, [0, 0, 3], [], pa.int32())
    assert "<span>0</span><span>3</span>" in chart(histogram, "")


def test_a_signal_that_no_document_has_is_left_out(tmp_path: Path) -> None:
    assert made(tmp_path, [None, None], ["s.x > 1"], pa.float64()) == []
    assert made(tmp_path, [math.nan], [], pa.float64()) == []


def test_a_skewed_signal_has_a_logarithmic_axis(tmp_path: Path) -> None:
    (histogram,) = made(tmp_path, [float(2**i) for i in range(16)], ["s.x >= 3"], pa.float64())
    assert histogram.logarithmic and sum(each.count for each in histogram.bins if each.fails) == 2
