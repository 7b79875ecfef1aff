"""Spilled rows come back whole, every key in one set, sets in order of keys and within the limit."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.spill import Spill

ROW = np.dtype([("key", "<u8"), ("value", "<i4")])
keys = st.integers(0, 3) | st.integers(0, (1 << 64) - 1) | st.integers((1 << 64) - 3, (1 << 64) - 1)


@given(st.lists(st.lists(keys, max_size=20), max_size=12), st.sampled_from([40, 200, 10**6]))
@settings(max_examples=30, deadline=None)
def test_sets_hold_all_rows_of_their_keys(chunks: list[list[int]], limit: int) -> None:
    with TemporaryDirectory() as folder:
        spill, given_rows = Spill(ROW, Path(folder) / "rows", limit), []
        for chunk in chunks:
            rows = np.array([(key, len(given_rows) + i) for i, key in enumerate(chunk)], ROW)
            given_rows += rows.tolist()
            spill.add(rows)
        sets = [rows.tolist() for rows in spill.sets()]
        assert sorted(row for rows in sets for row in rows) == sorted(given_rows)
        for before, after in zip(sets, sets[1:], strict=False):
            assert max(before)[0] < min(after)[0]
        for rows in sets:
            assert len(rows) * ROW.itemsize <= limit or len({key >> 4 for key, _ in rows}) == 1
        assert not list(Path(folder).rglob("*.rows"))
