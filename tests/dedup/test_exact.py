"""Exact dedup against a dict of normal forms."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.dedup.exact import ExactDedup
from curate.dedup.memory import dedup_texts
from curate.dedup.step import DUPLICATES

units = st.lists(st.lists(st.text(st.sampled_from("aA .\n!"), max_size=4), max_size=8), max_size=5)


def normal(text: str, form: str) -> str:
    if form == "words" and (words := re.findall(r"\w+", text)):
        return "w" + " ".join(words).lower()
    return text if form == "none" else " ".join(text.split())


def expected(given_units: list[list[str]], form: str, keep: str, values: list[list[float]]) -> list[list[tuple]]:
    kept: dict[str, tuple] = {}
    addresses = [(u, r) for u, texts in enumerate(given_units) for r in range(len(texts))]
    order = {"first": lambda u, r: 0.0, "longest": lambda u, r: -len(given_units[u][r])}.get(
        keep, lambda u, r: -values[u][r] if values[u][r] == values[u][r] else float("inf")
    )
    for address in sorted(addresses, key=lambda a: (order(*a), a)):
        kept.setdefault(normal(given_units[address[0]][address[1]], form), address)
    dropped: list[list[tuple]] = [[] for _ in given_units]
    for u, r in addresses:
        k = kept[normal(given_units[u][r], form)]
        if k != (u, r):
            dropped[u].append((r, *k, 1.0))
    return dropped


def run(step: ExactDedup, given_units: list[list[str]], **options: object) -> list[list[tuple]]:
    found = dedup_texts(step, [pa.array(texts, pa.string()) for texts in given_units], **options)  # type: ignore[arg-type]
    assert all(table.schema == DUPLICATES for table in found)
    return [[tuple(row.values()) for row in table.to_pylist()] for table in found]


@pytest.mark.parametrize("keep", ["first", "longest", "quality.score"])
@pytest.mark.parametrize("form", ["none", "whitespace", "words"])
@given(given_units=units, data=st.data())
@settings(max_examples=25, deadline=None)
def test_agrees_with_a_dict(form: str, keep: str, given_units: list[list[str]], data: st.DataObject) -> None:
    score = st.sampled_from([0.0, 1.0, 2.0, float("nan")])
    values = [data.draw(st.lists(score, min_size=len(u), max_size=len(u))) for u in given_units]
    step = ExactDedup.model_validate({"normalize": form, "keep": keep})
    signals = {"quality.score": [np.array(v, np.float64) for v in values]}
    memory = data.draw(st.sampled_from([1, 1 << 30]))
    assert run(step, given_units, signals=signals, memory=memory) == expected(given_units, form, keep, values)


def test_empty_texts_are_equal_and_nulls_are_empty() -> None:
    found = dedup_texts(ExactDedup(), [pa.array(["", None, " \n"], pa.string()), pa.array(["x", "\u2003"])])
    assert [table["row"].to_pylist() for table in found] == [[1, 2], [1]]


def test_no_units_and_no_rows() -> None:
    assert dedup_texts(ExactDedup(), []) == []
    assert [len(t) for t in dedup_texts(ExactDedup(), [pa.array([], pa.string())] * 2)] == [0, 0]


def test_keep_is_checked_and_is_no_part_of_the_fingerprint() -> None:
    with pytest.raises(ValidationError, match="unknown order `best`"):
        ExactDedup(keep="best")
    assert ExactDedup(keep="longest").fingerprint() == ExactDedup().fingerprint()
    assert ExactDedup(normalize="none").fingerprint() != ExactDedup().fingerprint()
