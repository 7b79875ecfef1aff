"""The step `quality`: names of signals, presets, the swap of C4's thresholds, stop words as a setting."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from curate.documents import document_batch
from curate.kernels.quality import COLUMNS
from curate.steps import step_class
from curate.steps.step import Bound


def rows(texts: list[str | None], **settings: Any) -> list[dict[str, Any]]:
    step = step_class("quality")(**settings)
    batch = document_batch(
        [{"row": i, "id": "", "source": "", "path": "", "offset": 0, "text": text} for i, text in enumerate(texts)]
    )
    found: list[dict[str, Any]] = step.process(batch).column(step.name).to_pylist()
    return found


def test_every_signal_is_declared_and_computed() -> None:
    assert tuple(step_class("quality").SIGNALS) == COLUMNS
    assert set(rows(["a"])[0]) == set(COLUMNS)


def test_empty_and_null_texts_have_zeros() -> None:
    for row in rows(["", None], **{"as": "strict"}):
        assert not any(row.values())


def test_presets_are_merged_and_overridden_one_by_one() -> None:
    step = step_class("quality")(preset=["gopher", "c4", "fineweb"], word_count={"min": 20}, newline_ratio=False)
    bounds = step.bounds()
    assert bounds["word_count"] == Bound(min=20, max=100_000)
    assert bounds["sentence_count"] == Bound(min=3)
    assert "newline_ratio" not in bounds
    assert step.rule_table()["word_count"] == "quality.word_count >= 20 AND quality.word_count <= 100000"


def test_c4_and_datatrove_disagree_on_sentences() -> None:
    assert step_class("quality")(preset="c4").bounds()["sentence_count"] == Bound(min=3)
    assert step_class("quality")(preset="c4_datatrove").bounds()["sentence_count"] == Bound(min=5)


def test_stop_words_are_a_setting_and_count_distinct_ones() -> None:
    german = rows(["der Hund und der Mann"], stop_words=["der", "und"])[0]
    assert (german["stop_word_count"], german["stop_word_total"]) == (2, 3)
    english = rows(["The dog and the man"])[0]
    assert (english["stop_word_count"], english["stop_word_total"]) == (2, 2)
    with pytest.raises(ValidationError, match="lower-case"):
        step_class("quality")(stop_words=["Der"])


def test_a_changed_bound_keeps_the_fingerprint_and_a_changed_setting_does_not() -> None:
    quality = step_class("quality")
    assert quality().fingerprint() == quality(preset="c4", word_count={"min": 1}).fingerprint()
    assert quality().fingerprint() != quality(short_line_length=20).fingerprint()
