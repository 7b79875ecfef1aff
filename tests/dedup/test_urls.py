"""Exact dedup by address, and the dates by which it may keep."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from corpora import curate, manifest, pipeline, run_ok, write_jsonl

from curate.dedup.dates import seconds
from curate.dedup.exact import ExactDedup
from curate.dedup.memory import resolve_here
from curate.documents import document_batch
from curate.urls import addresses


def dropped(
    units: Sequence[Sequence[tuple[str | None, str | None]]], **settings: Any
) -> list[list[tuple[int, int, int]]]:
    """(row, unit and row of the kept one) of what is dropped, for units of (address, date)."""
    step = ExactDedup.model_validate({"by": "url", **settings})
    tables = []
    for unit in units:
        rows = [{"row": i, "url": url, "date": date, "text": f"t{i}"} for i, (url, date) in enumerate(unit)]
        columns = dict(step.collect(document_batch(rows)))
        tables.append(pa.table({"row": pa.array(range(len(unit)), pa.int32()), **columns}))
    found = resolve_here(step, tables, lambda unit, rows: pa.array([]), {})
    return [[(row["row"], row["kept_unit"], row["kept_row"]) for row in table.to_pylist()] for table in found]


def test_addresses_of_one_page_are_equal_and_missing_ones_are_not() -> None:
    first = [("http://A.com/x/?b=1&a=2#top", None), (None, None), ("", None), ("http://a.com/y", None)]
    second = [("https://a.com:443/x?a=2&b=1&utm_source=z", None), (None, None), ("http://a.com/X", None)]
    assert dropped([first, second]) == [[], [(0, 0, 0)]]


def test_the_latest_and_the_earliest_date() -> None:
    dates = ["2020-01-02", None, "2021-05-06T07:08:09Z", "never", "2021-05-06T07:08:09+02:00", "2019-12-31T23:59:59Z"]
    units = [[("http://a.com", date)] for date in dates]
    assert [rows == [] for rows in dropped(units, keep="latest")] == [False, False, True, False, False, False]
    assert [rows == [] for rows in dropped(units, keep="earliest")] == [False, False, False, False, False, True]
    undated = [[("http://a.com", None), ("http://a.com", "x")]]
    assert dropped(undated, keep="latest") == [[(1, 0, 0)]]


@pytest.mark.parametrize(
    ("date", "iso"),
    [
        ("2020-02-29", "2020-02-29T00:00:00+00:00"),
        ("2020-02-29T12:34", "2020-02-29T12:34:00+00:00"),
        (" 2020-02-29 12:34:56.789", "2020-02-29T12:34:56+00:00"),
        ("2020-02-29T12:34:56Z", "2020-02-29T12:34:56+00:00"),
        ("2020-02-29T12:34:56.5-0330", "2020-02-29T12:34:56-03:30"),
        ("2020-02-29T12:34:56 +05:30", "2020-02-29T12:34:56+05:30"),
        ("1960-01-01", "1960-01-01T00:00:00+00:00"),
        ("2020-02-29 and so on", "2020-02-29T00:00:00+00:00"),
        ("2020-99-99", None),
        ("29 Feb 2020", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(date: str | None, iso: str | None) -> None:
    found = seconds(pa.array([None, date], pa.string()))[1:].to_pylist()
    assert found == [None if iso is None else int(datetime.fromisoformat(iso).timestamp())]


def test_the_rule_and_the_fingerprint() -> None:
    assert (ExactDedup().drop_rule, ExactDedup(by="url").drop_rule) == ("exact_duplicate", "same_address")
    assert ExactDedup(by="url").fingerprint() != ExactDedup().fingerprint()
    assert ExactDedup(by="url", keep="latest").fingerprint() == ExactDedup(by="url").fingerprint()


def test_real_addresses_against_a_dict(shared_data: Path) -> None:
    with gzip.open(shared_data / "html/trafilatura_eval_a.jsonl.gz", "rt") as file:
        pages = [json.loads(line) for line in file]
    urls = [page["url"] for page in pages]
    urls += [url.replace("https://", "http://") + "?utm_source=x" for url in urls if "?" not in url and "#" not in url]
    assert len(urls) > 200
    seen: dict[str, int] = {}
    expected = []
    for i, url in enumerate(addresses(pa.array(urls)).url.to_pylist()):
        if (first := seen.setdefault(url.removeprefix("https://").removeprefix("http://"), i)) != i:
            expected.append((i, 0, first))
    assert len(expected) > 90
    assert dropped([[(url, None) for url in urls]]) == [expected]


def test_a_run_says_which_address_was_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": str(i), "text": f"Page {i}.", "url": "http://a.com/?a=1&b=2" + "#" * i, "date": f"2020-01-0{i + 1}"}
            for i in range(3)]  # fmt: skip
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    file = pipeline(tmp_path, "[{exact_dedup: {by: url, keep: latest}}]")
    run_ok(file)
    assert manifest(tmp_path / "out")["documents"]["kept"] == 1
    shown = curate("explain", tmp_path / "out", "0").stdout
    assert "dropped by exact_dedup: same_address" in shown and "same address" in shown and "kept     2 " in shown
