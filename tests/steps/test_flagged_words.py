"""The step `flagged_words`: counts, languages, masking, lists of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from corpora import manifest, pipeline, run_ok, write_jsonl

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.flagged_words import FlaggedWords, list_files


def _run(texts: list[str | None], lang: list[str | None] | None = None, **settings: Any) -> tuple[list[Any], list[Any]]:
    step = FlaggedWords.model_validate(settings)
    rows = [{"row": i, "text": text, "lang": (lang or [None] * len(texts))[i]} for i, text in enumerate(texts)]
    made = step.process(document_batch(rows))
    return made["flagged_words"].to_pylist(), made["text"].to_pylist()


def test_words_are_counted_by_kind_and_share() -> None:
    signals, texts = _run(["one BAD bad worse  word", "", None, "fine"], lists=["bad", "worse", "very bad"])
    assert signals[0] == {"count": 3, "distinct": 2, "word_share": 0.6, "most": "bad"}
    assert signals[1] == signals[2] == signals[3] == {"count": 0, "distinct": 0, "word_share": 0.0, "most": ""}
    assert texts == ["one BAD bad worse  word", "", None, "fine"]


def test_of_equally_frequent_ones_the_first_is_named() -> None:
    signals, _ = _run(["b a b a c", "a b", "c c a"], lists=["a", "b", "c"])
    assert [row["most"] for row in signals] == ["b", "a", "c"]


def test_what_is_found_is_masked() -> None:
    signals, texts = _run(["a Bad, very bad day", None, "good"], lists=["bad", "very bad"], mask="[X]")
    assert texts == ["a [X], [X] day", None, "good"]
    assert [row["count"] for row in signals] == [2, 0, 0]


def test_each_document_gets_the_list_of_its_language(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("bad\n")
    (tmp_path / "de.txt").write_text("schlimm\n")
    texts, lang = ["bad schlimm"] * 4, ["en", "de", "fr", None]
    signals, masked = _run(texts, lang, lists=str(tmp_path), languages="auto", mask="*")
    assert [row["most"] for row in signals] == ["bad", "schlimm", "", ""]
    assert masked == ["* schlimm", "bad *", "bad schlimm", "bad schlimm"]
    both, _ = _run(texts[:1], lists=str(tmp_path), languages=["en", "de"])
    assert both[0]["count"] == 2


def test_our_lists_find_words_and_not_parts_of_words() -> None:
    signals, _ = _run(["The classic Scunthorpe cockpit assembly", "you are an asshole and a dick"])
    assert [row["count"] for row in signals] == [0, 2]
    chinese, _ = _run(["他妈的，这是什么", "天气很好，性别平等"], languages=["zh"])
    assert [row["count"] > 0 for row in chinese] == [True, False]
    assert len(list_files("", "ldnoobw")) == 26


def test_missing_lists_are_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match=r"no list of flagged words for xx[\s\S]*there are lists for ar"):
        FlaggedWords(languages=["xx"]).assets()
    with pytest.raises(MissingAsset, match="is no list"):
        FlaggedWords(lists=str(tmp_path)).assets()


def test_the_list_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("bad\n")
    before = FlaggedWords(lists=str(words)).assets()
    words.write_text("bad\nworse\n")
    assert FlaggedWords(lists=str(words)).assets() != before


def test_a_pipeline_drops_or_keeps_the_flagged(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "en.txt").write_text("bad\n")
    rows = [{"id": str(i), "text": "bad bad text" if i % 4 == 0 else "a good text"} for i in range(20)]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    file = pipeline(tmp_path, "[{flagged_words: {lists: words}}]")
    run_ok(file)
    assert manifest(tmp_path / "out")["documents"]["kept"] == 15
    run_ok(file, "--set", "steps.flagged_words.preset=inverse")
    assert manifest(tmp_path / "out")["documents"]["kept"] == 5
