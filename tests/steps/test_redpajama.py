"""The step `redpajama`: names and lists of signals, rules, lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpora import curate, manifest, pipeline, run_ok, write_jsonl

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.redpajama import RedPajama


def _run(texts: list[str | None], urls: list[str | None] | None = None, **settings: Any) -> list[dict[str, Any]]:
    step = RedPajama.model_validate(settings)
    rows = [{"row": i, "text": text, "url": (urls or [None] * len(texts))[i]} for i, text in enumerate(texts)]
    found: list[dict[str, Any]] = step.process(document_batch(rows))["redpajama"].to_pylist()
    return found


def test_signals_have_the_names_and_values_of_the_dataset() -> None:
    found = _run(["The end. The END!\n• one …\nJavaScript {", None, ""])
    assert found[0]["rps_doc_word_count"] == 8
    assert found[0]["rps_doc_frac_unique_words"] == 6 / 8
    assert found[0]["rps_doc_num_sentences"] == 3
    assert found[0]["ccnet_nlines"] == 3
    assert found[0]["frac_lines_start_with_bulletpoint"] == found[0]["rps_doc_frac_lines_end_with_ellipsis"] == 1 / 3
    assert found[0]["javascript_count"] == 1
    assert "rps_doc_stop_word_fraction" not in found[0] and "lines" not in found[0]
    assert found[1] == found[2] and not any(found[1].values())


def test_lines_are_a_list_of_their_signals() -> None:
    found = _run(["ONE 2 three.\n\n– javascript", None, "é"], per_line=True)
    assert [line["end"] for line in found[0]["lines"]] == [13, 14, 26]
    assert [line["rps_lines_num_words"] for line in found[0]["lines"]] == [3, 0, 2]
    assert found[0]["lines"][0]["rps_lines_ending_with_terminal_punctution_mark"]
    assert found[0]["lines"][0]["rps_lines_numerical_chars_fraction"] == pytest.approx(1 / 11)
    assert found[0]["lines"][0]["rps_lines_uppercase_letter_fraction"] == pytest.approx(3 / 13)
    assert found[0]["lines"][2]["rps_lines_start_with_bulletpoint"]
    assert found[0]["lines"][2]["rps_lines_javascript_counts"] == 1
    assert found[1]["lines"] == [] and [line["end"] for line in found[2]["lines"]] == [1]


def test_stop_words_come_from_words_a_file_json_or_a_package(tmp_path: Path) -> None:
    (tmp_path / "stop.txt").write_text("the\nof\n")
    (tmp_path / "stop.json").write_text(json.dumps({"en": ["the", "of"], "de": ["der"]}))
    text: list[str | None] = ["the end of The day"]
    for source in (["the", "of"], str(tmp_path / "stop.txt"), str(tmp_path / "stop.json")):
        assert _run(text, stop_words=source)[0]["rps_doc_stop_word_fraction"] == 2 / 5
    assert _run(text, stop_words=str(tmp_path / "stop.json"), language="de")[0]["rps_doc_stop_word_fraction"] == 0
    pytest.importorskip("stopwordsiso")
    assert _run(text, stop_words="stopwordsiso")[0]["rps_doc_stop_word_fraction"] >= 2 / 5


def test_flagged_words_are_those_of_our_list_or_of_ones_own() -> None:
    assert _run(["You ASSHOLE, asshole!"])[0]["rps_doc_ldnoobw_words"] == 2
    assert _run(["a very bad, bad day"], flagged_words=["bad", "very bad"])[0]["rps_doc_ldnoobw_words"] == 3
    assert "rps_doc_ldnoobw_words" not in _run(["x"], flagged_words=None)[0]


def test_categories_are_those_of_the_host_or_the_domain_above_it(tmp_path: Path) -> None:
    for category, listed in {"adult": "bad.example\n# no\n\n worse.example \n", "games": "bad.example\r\n"}.items():
        (tmp_path / category).mkdir()
        (tmp_path / category / "domains").write_text(listed)
    urls = [
        "https://www.Bad.example:80/x",
        "http://worse.example",
        "notbad.example/a",
        "http://[::1",
        None,
        "https://a.b",
    ]
    found = _run(["x"] * len(urls), urls, domains=str(tmp_path))
    assert [row["rps_doc_ut1_blacklist"] for row in found] == ["adult,games", "adult", None, None, None, None]


@pytest.mark.parametrize(
    "settings",
    [
        {"stop_words": "nowhere.txt"},
        {"domains": "nowhere"},
        {"flagged_words": "nowhere"},
        {"language": "xx"},
        {"rps_doc_stop_word_fraction": {"min": 0.1}},
        {"rules": ["redpajama.rps_doc_ut1_blacklist IS NULL"]},
    ],
)
def test_a_list_that_is_missing_is_told_before_any_work(settings: dict[str, Any]) -> None:
    with pytest.raises(MissingAsset):
        RedPajama.model_validate(settings).assets()


def test_a_run_explains_what_it_drops_by_rule_value_and_threshold(tmp_path: Path) -> None:
    good = " ".join(f"word{i} of a tale that goes on" for i in range(20))
    rows = [{"id": "good", "text": good}, {"id": "short", "text": "too short"}, {"id": "same", "text": "ab cd. " * 60}]
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    result = run_ok(pipeline(tmp_path, "[{redpajama: {per_line: true}}]"))
    assert result["documents"]["kept"] == manifest(tmp_path / "out")["documents"]["kept"] == 1
    told = curate("explain", tmp_path / "out", "short").stdout
    assert "redpajama.rps_doc_word_count >= 50 AND redpajama.rps_doc_word_count <= 10000" in told
