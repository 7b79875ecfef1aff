"""The step `dolma`: names of signals, lists, presets."""

from __future__ import annotations

from typing import Any

import pytest

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.dolma import Dolma


def _run(texts: list[str | None], **settings: Any) -> list[dict[str, Any]]:
    rows = [{"row": i, "text": text} for i, text in enumerate(texts)]
    found: list[dict[str, Any]] = Dolma.model_validate(settings).process(document_batch(rows))["dolma"].to_pylist()
    return found


def test_words_of_the_list_stand_apart_and_phrases_anywhere() -> None:
    found = _run(["An ASSHOLE here", "asshole, no", "overbareback jockeys", "x { JavaScript", None])
    assert [row["has_naughty_word"] for row in found] == [1, 0, 0, 0, 0]
    assert [row["has_curly_brace"] + row["has_javascript"] for row in found] == [0, 0, 0, 2, 0]
    assert not any(found[4].values())


def test_the_released_rules_leave_most_common_n_grams_out() -> None:
    assert "fraction_of_characters_in_most_common_2grams" not in Dolma().rule_table()
    assert "fraction_of_characters_in_most_common_2grams" in Dolma.model_validate({"preset": "gopher"}).rule_table()


def test_a_missing_list_is_told_before_any_work() -> None:
    with pytest.raises(MissingAsset):
        Dolma.model_validate({"naughty_words": "nowhere"}).assets()
