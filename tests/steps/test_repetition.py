"""The step `repetition`: signals in a struct, bounds of its preset, overrides."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from curate.documents import document_batch
from curate.steps import step_class
from curate.steps.step import Bound

TEXTS = ["one two three four five six one two three four five seven", "", None]


def test_signals_are_the_fields_of_a_struct_named_after_the_step() -> None:
    step = step_class("repetition")(**{"as": "again"})
    batch = step.process(document_batch([{"row": i, "id": "", "source": "", "path": "", "offset": 0, "text": text}
                                         for i, text in enumerate(TEXTS)]))  # fmt: skip
    rows = batch.column("again").to_pylist()
    assert rows[0]["dup_5gram_char_frac"] == 19 / 57
    assert [row["char_count"] for row in rows] == [57, 0, 0]
    assert rows[1] == rows[2] and not any(rows[1].values())


def test_the_preset_has_the_thresholds_of_the_paper() -> None:
    rules = step_class("repetition")().rule_table()
    assert rules["dup_line_frac"] == "repetition.dup_line_frac <= 0.3"
    assert rules["dup_10gram_char_frac"] == "repetition.dup_10gram_char_frac <= 0.1"
    assert rules["top_4gram_char_frac"] == "repetition.top_4gram_char_frac <= 0.16"
    assert len(rules) == 14


def test_a_bound_overrides_or_removes_that_of_the_preset() -> None:
    step = step_class("repetition")(dup_line_frac={"max": 0.5}, dup_para_frac=False)
    assert step.bounds()["dup_line_frac"] == Bound(max=0.5)
    assert "dup_para_frac" not in step.bounds()


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValidationError, match="gopher"):
        step_class("repetition")(preset="gofer")
