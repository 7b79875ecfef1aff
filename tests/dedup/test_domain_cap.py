"""The step `domain_cap` against a slow twin, and in a pipeline."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import pipeline, run_ok, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.domain_cap import DomainCap
from curate.dedup.memory import resolve_here
from curate.documents import document_batch

URLS = ["", "https://www.a.co.uk/x", "http://b.a.co.uk/y", "https://c.org", None]
DOMAINS = ["", "a.co.uk", "a.co.uk", "c.org", ""]
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 12), st.sampled_from([0.0, 1.0, float("nan")])), max_size=12
)


@given(st.lists(ROWS, max_size=3), st.sampled_from(["first", "longest", "q.s", "hash"]), st.booleans())
@settings(max_examples=50, deadline=None)
def test_ranks_and_tokens_are_those_of_a_slow_twin(units: list[Any], order: str, reverse: bool) -> None:
    step = DomainCap.model_validate({"max_documents": 2, "order": order, "reverse": reverse})
    batches = [
        document_batch(
            [{"row": i, "id": f"{u}-{i}", "text": "x" * n, "url": URLS[k]} for i, (k, n, _) in enumerate(unit)]
        )
        for u, unit in enumerate(units)
    ]
    tables = [pa.table({"row": batch["row"], **dict(step.collect(batch))}) for batch in batches]
    signals = {"q.s": [np.array([s for *_, s in unit], float) for unit in units]}
    found = [
        {row.pop("row"): row for row in table.to_pylist()}
        for table in resolve_here(step, tables, lambda *_: pa.nulls(0), signals)
    ]
    groups: dict[str, list[tuple]] = defaultdict(list)
    for u, unit in enumerate(units):
        for i, (k, n, s) in enumerate(unit):
            sign = -1 if reverse else 1
            value = {"first": len(groups), "longest": -n, "q.s": -s, "hash": 0}[order] * sign
            value = float("inf") if value != value else value
            value = sign * (u * 100 + i) if order == "first" else value
            groups[DOMAINS[k]].append((value, u, i, -(-n // 4)))
    assert sum(map(len, found)) == sum(len(g) for d, g in groups.items() if d)
    for domain, group in groups.items():
        if not domain:
            continue
        ordered = sorted(group)
        if order == "hash":
            ordered = sorted(group, key=lambda g: found[g[1]][g[2]]["rank"])
        total = 0
        for rank, (_, u, i, tokens) in enumerate(ordered, 1):
            total += tokens
            assert found[u][i] == {"rank": rank, "tokens": total, "documents": len(group)}


@pytest.mark.parametrize(
    ("wrong", "message"), [({}, "write max_documents"), ({"max_documents": 1, "order": "best"}, "unknown order")]
)
def test_mistakes_are_told(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DomainCap.model_validate(wrong)


def test_a_pipeline_caps_each_domain_and_another_cap_computes_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for part in range(2):
        rows = [
            {"id": f"{part}-{site}-{i}", "url": url and f"https://{url}/{part}{i}", "text": "word " * (i + 1)}
            for site, (url, count) in enumerate([("www.big.org", 20), ("big.org", 10), ("small.org", 2), ("", 5)])
            for i in range(count)
        ]
        write_jsonl(tmp_path / "in" / f"{part}.jsonl", rows)
    run_ok(pipeline(tmp_path, "[{domain_cap: {max_documents: 7}}]"))
    ledger = pl.read_parquet(tmp_path / "out/ledger/*.parquet")
    kept = ledger.filter(pl.col("fate") == "kept")
    counts = dict(kept.select(pl.col("domain_cap").struct.field("domain")).to_series().value_counts().iter_rows())
    assert counts == {"big.org": 7, "small.org": 4, "": 10}
    assert ledger.filter(pl.col("fate") == "dropped")["rule"].explode().unique().to_list() == ["max_documents"]
    first = set(kept["id"])
    store = sorted(p for p in (tmp_path / "out/.store").rglob("documents.arrow"))
    run_ok(pipeline(tmp_path, "[{domain_cap: {max_documents: 9, max_tokens: 1M}}]"))
    kept = pl.read_parquet(tmp_path / "out/ledger/*.parquet").filter(pl.col("fate") == "kept")
    assert first < set(kept["id"]) and kept.height == 23
    assert sorted(p for p in (tmp_path / "out/.store").rglob("documents.arrow")) == store
