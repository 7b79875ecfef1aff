"""The step `tag`: control tokens by segment and document, where they stand, thresholds by value and quantile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corpora import curate, manifest, pipeline, run_ok, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.dedup.memory import resolve_here
from curate.documents import document_batch
from curate.steps.tag import Tag, quantile_of
from curate.work import with_findings

CALM, RUDE = "The river is wide.", "You fucking idiot!"
PLAIN = {"by": "pii", "threshold": 0, "untagged": 0}


def _run(
    texts: list[str | None], *, values: list[float] | None = None, lang: str | None = None, **options: Any
) -> tuple[list[dict[str, Any]], list[str | None]]:
    step = Tag.model_validate(options)
    rows = [{"row": i, "id": str(i), "source": "web", "lang": lang, "text": text} for i, text in enumerate(texts)]
    batch = document_batch(rows)
    table = pa.table({"row": batch["row"], **dict(step.collect(batch))})
    signals = {name: [np.array(values, np.float64)] for name in step.reads().values()}
    found = resolve_here(step, [table], lambda _, rows: batch["text"].take(pa.array(rows)), signals)
    made = step.process(with_findings(batch, found[0]))
    return made["tag"].to_pylist(), made["text"].to_pylist()


def _without(text: str, row: dict[str, Any], good: str = "<|aligned|>", bad: str = "<|misaligned|>") -> str:
    """The text less what the signals say was inserted."""
    raw = text.encode()
    for start, tag in reversed(list(zip(row["starts"], row["tags"], strict=True))):
        token = {1: good, -1: bad, 0: ""}[tag].encode()
        assert raw[start : start + len(token)] == token
        raw = raw[:start] + raw[start + len(token) :]
    assert raw.startswith(row["head"].encode())
    return raw[len(row["head"].encode()) :].decode()


def test_segments_stand_behind_their_tokens() -> None:
    (row, null, empty), (text, none, nothing) = _run([f" {CALM} {RUDE}\n{CALM}", None, ""], threshold=0.5, untagged=0)
    assert text == f" <|aligned|>{CALM} <|misaligned|>{RUDE}\n<|aligned|>{CALM}"
    assert (row["good_count"], row["bad_count"], row["plain_count"], row["tags"]) == (2, 1, 0, [1, -1, 1])
    assert row["score"] == pytest.approx(np.mean(row["scores"])) and row["limit"] == 0.5
    assert none is None and nothing == "" and null["starts"] == empty["tags"] == [] and empty["score"] == 0


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.none() | st.text("ab .\n\u3002\u00e9<|align:ed>@1", max_size=50), min_size=1, max_size=4),
    st.sampled_from([0, 0.4, 1]),
    st.booleans(),
    st.sampled_from(["sentence", "line"]),
)
def test_what_was_inserted_can_be_taken_out_again(
    texts: list[str | None], untagged: float, prefixed: bool, unit: str
) -> None:
    prefix = [{"name": "source", "of": "source"}] if prefixed else []
    options = {**PLAIN, "untagged": untagged, "prefix": prefix, "good": "<|a|>", "bad": "<|misaligned|>", "unit": unit}
    rows, tagged = _run(texts, **options)
    for before, after, row in zip(texts, tagged, rows, strict=True):
        if before is None or after is None:
            assert before == after
            continue
        assert row["escaped"] == before.count("<|a|>") + before.count("<|misaligned|>")
        assert _without(after, row, good="<|a|>") == before.replace("<|a|>", "< |a|>")
        segments = row["good_count"] + row["bad_count"] + row["plain_count"]
        assert segments == len(row["tags"]) == len(row["starts"]) == len(row["scores"])
        assert row["head"] == ("<|source:web|>" if prefixed else "")


def test_a_segment_at_the_threshold_is_good_and_a_threshold_of_0_makes_any_violation_bad() -> None:
    (row,), (text,) = _run(["Hello. Mail a@b.org"], **PLAIN)
    assert text == "<|aligned|>Hello. <|misaligned|>Mail a@b.org" and row["scores"] == [0, pytest.approx(1 / 12)]
    assert _run(["Mail a@b.org"], **{**PLAIN, "threshold": float(np.float32(1 / 12))})[0][0]["tags"] == [1]


def test_one_segment_in_a_hundred_has_no_token_and_always_the_same() -> None:
    texts: list[str | None] = ["x. " * 200] * 100
    options = {**PLAIN, "untagged": 0.01}
    rows, first = _run(texts, **options)
    plain = sum(row["plain_count"] for row in rows)
    assert 140 <= plain <= 260
    assert _run(texts, **options)[1] == first != _run(texts, seed=1, **options)[1]
    assert _run(texts[:1], **options)[1] == first[:1]
    assert len(set(first)) > 50


def test_the_quantile_is_that_of_all_segments() -> None:
    rows, _ = _run([CALM, f"{RUDE} {CALM}", "Good. Fine. Well."], quantile=0.5, untagged=0)
    scores = sorted(score for row in rows for score in row["scores"])
    assert rows[0]["limit"] == pytest.approx(scores[2]) and sum(row["good_count"] for row in rows) == 3


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(0, 1, width=32), max_size=5), max_size=5), st.floats(0, 1))
def test_quantiles_by_their_definition(parts: list[list[float]], share: float) -> None:
    column = pa.chunked_array([pa.array([part], pa.list_(pa.float32())) for part in parts], pa.list_(pa.float32()))
    found = quantile_of(lambda: iter([column]), share)
    scores = sorted(score for part in parts for score in part)
    if not scores:
        assert found == 0
    else:
        wanted = max(share * len(scores), 1e-12)
        assert found == next(score for k, score in enumerate(scores, 1) if k >= wanted - 1e-9)


def test_prefixes_say_source_language_length_and_band_of_a_signal() -> None:
    prefix = [
        {"name": "source", "of": "source"},
        {"name": "lang", "of": "lang"},
        {"name": "length", "of": "characters", "cuts": [5], "bands": ["short", "long"]},
        {"name": "quality", "of": "q.score", "cuts": [0.5, 2], "bands": ["low", "mid", "high"]},
        {"name": "rank", "of": "q.score", "quantiles": [0.5], "bands": ["lower", "upper"]},
    ]
    texts: list[str | None] = ["ab", "abcde", "abcdef", "x"]
    rows, tagged = _run(texts, values=[0.1, 0.5, 3, float("nan")], by="nothing", prefix=prefix, lang="en")
    heads = [
        "<|length:short|><|quality:low|><|rank:lower|>", "<|length:long|><|quality:mid|><|rank:lower|>",
        "<|length:long|><|quality:high|><|rank:upper|>", "<|length:short|>",
    ]  # fmt: skip
    assert [row["head"] for row in rows] == [f"<|source:web|><|lang:en|>{head}" for head in heads]
    assert tagged == [row["head"] + str(text) for row, text in zip(rows, texts, strict=True)]
    known = Tag.model_validate({"by": "nothing", "prefix": prefix}).control_tokens()
    assert known[:2] == ["<|length:short|>", "<|length:long|>"] and "<|aligned|>" not in known


def test_tokens_that_the_text_spells_out_are_no_tokens() -> None:
    prefix = [{"name": "source", "of": "source"}]
    (row,), (text,) = _run(["<|aligned|>me <|source:gold|>"], **PLAIN, prefix=prefix)
    assert text == "<|source:web|><|aligned|>< |aligned|>me < |source:gold|>" and row["escaped"] == 2


def test_without_insertion_the_text_stays_and_the_places_are_its_own() -> None:
    (row,), (text,) = _run([f"{CALM} {RUDE}"], threshold=0.5, untagged=0, insert=False)
    assert text == f"{CALM} {RUDE}" and row["starts"] == [0, len(CALM) + 1] and row["tags"] == [1, -1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give `threshold`"),
        ({"threshold": 0.1, "quantile": 0.5}, "give `threshold`"),
        ({"by": "nothing"}, "needs `prefix`"),
        ({"threshold": 0, "good": "<|bad|>", "bad": "<|bad|>"}, "same token"),
        ({"threshold": 0, "prefix": [{"name": "x", "of": "weather"}]}, "neither"),
        (
            {"threshold": 0, "prefix": [{"name": "x", "of": "characters", "quantiles": [0.5], "bands": ["a", "b"]}]},
            "cuts",
        ),
        ({"threshold": 0, "prefix": [{"name": "x", "of": "a.b", "cuts": [2, 1], "bands": ["a", "b", "c"]}]}, "rising"),
    ],
)
def test_settings_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Tag.model_validate(options)


def test_a_pipeline_tags_and_explains(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": str(i), "text": f"{CALM} {RUDE if i % 2 else CALM}"} for i in range(8)]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    tag = "{tag: {quantile: 0.5, untagged: 0, prefix: [{name: words, of: quality.word_count, cuts: [5], bands: [few, many]}]}}"
    run_ok(pipeline(tmp_path, f"[{{quality: {{preset: []}}}}, {tag}]"))
    assert manifest(tmp_path / "out")["documents"]["kept"] == 8
    text = pa.ipc.open_file(next((tmp_path / "out" / "shards").glob("*.arrow"))).read_all()["text"].to_pylist()
    assert text[0].startswith(f"<|words:many|><|aligned|>{CALM}") and "<|misaligned|>You" in text[1]
    explained = curate("explain", tmp_path / "out", "1").stdout
    assert "<|words:many|>" in explained and "bad_count" in explained
