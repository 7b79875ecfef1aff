"""The step `quantiles`: ranks, shares and bands by group, against a slow twin and in a pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpora import manifest, pipeline, run_ok, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.quantiles import Quantiles, ranked

ROWS = st.lists(st.tuples(st.sampled_from([1.0, 2.0, 2.5, float("nan"), float("inf")]), st.integers(0, 2)), max_size=30)


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_ranks_and_shares_are_those_of_their_definition(rows: list[tuple[float, int]]) -> None:
    values, groups = np.array([v for v, _ in rows], float), np.array([g for _, g in rows], np.int64)
    ranks, shares = ranked(values, groups)
    for i, (value, group) in enumerate(rows):
        own = [(v, j) for j, (v, g) in enumerate(rows) if g == group and v == v]
        if value != value:
            assert ranks[i] == 0
        else:
            assert ranks[i] == 1 + sum((v, j) < (value, i) for v, j in own)
            assert shares[i] == sum(v < value for v, _ in own) / len(own)


@pytest.mark.parametrize("wrong", [{"cuts": [0.5]}, {"cuts": [0.6, 0.3]}, {"keep": ["top"]}])
def test_bands_that_do_not_fit_are_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="band"):
        Quantiles.model_validate({"by": "a.b", **wrong})


def test_a_pipeline_keeps_head_lowest_or_middle(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for part in range(2):
        rows = [{"id": f"{part}-{i}", "text": "word " * (2 * i + part + 1)} for i in range(10)]
        write_jsonl(tmp_path / "in" / f"{part}.jsonl", rows)
    for setting, kept in (("keep: [head, middle]", 12), ("share: {max: 0.19}", 4), ("floor: 5, share: {max: 1}", 16)):
        step = f"{{quantiles: {{by: quality.word_count, groups: [source], {setting}}}}}"
        run_ok(pipeline(tmp_path, f"[{{quality: {{preset: []}}}}, {step}]"))
        assert manifest(tmp_path / "out")["documents"]["kept"] == kept, setting
