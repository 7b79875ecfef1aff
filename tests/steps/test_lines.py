"""The step `lines`: C4's rules equal a twin in plain Python, RefinedWeb's do what the paper says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import document_batch
from curate.kernels.words import unremembered_words, words_of
from curate.steps import step_class
from curate.steps.step import Bound

CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
POLICY = ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"]


def run(texts: list[str | None], **options: Any) -> list[dict[str, Any]]:
    step = step_class("lines")(**options)
    batch = document_batch(
        [{"row": i, "id": "", "source": "", "path": "", "offset": 0, "text": text} for i, text in enumerate(texts)]
    )
    done = step.process(batch)
    return [{"text": row["text"], **row[step.name]} for row in done.to_pylist()]


def twin(text: str, *, terminal: bool) -> dict[str, Any]:
    """C4's line rules with datatrove's thresholds, without its early exits."""
    kept, lorem, curly, removed = [], 0, 0, 0
    for raw in text.splitlines():
        line = raw.strip()
        words, small = (
            line.split(),
            "".join(char.lower() if char.isascii() else char for char in CITATION.sub("", line)),
        )
        cut = CITATION.sub("", line)
        bad_end = terminal and (not cut.endswith((".", "?", "!", '"', "'")) or cut.endswith("..."))
        if any(len(word) > 1000 for word in words) or bad_end or len(words) < 3:
            removed += bool(line)
            continue
        lorem += "lorem ipsum" in small
        if "javascript" in small:
            removed += 1
            continue
        curly += "{" in cut
        if any(phrase in small for phrase in POLICY):
            removed += 1
            continue
        kept.append(cut)
    return {"text": "\n".join(kept).strip(), "lorem_ipsum": lorem, "curly_bracket": curly, "lines_removed": removed}


PIECES = ["the cat sat", "on it.", "...", '"', "[12]", "[edit]", "[x]", "[", " ", "\u3000", "\n", "\r\n", "\u2028", "{",
          "lorem ipsum", "JavaScript", "use cookies", "é", "٣", "[٣]", "x" * 1001]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), max_size=3), st.booleans())
def test_c4_equals_the_twin(texts: list[str], terminal: bool) -> None:
    for text, found in zip(texts, run(list(texts), preset="c4_datatrove", terminal_punct=terminal), strict=True):
        expected = twin(text, terminal=terminal)
        assert {name: found[name] for name in expected} == expected
        assert found["chars_removed"] == len(text) - len(found["text"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5), st.sampled_from(["c4", "c4_fineweb", "refinedweb"]))
def test_any_text_loses_characters_and_gains_none(texts: list[str], preset: str) -> None:
    for text, found in zip(texts, run(list(texts), preset=preset), strict=True):
        assert 0 <= found["chars_removed"] == len(text) - len(found["text"])
        assert 0 <= found["words_removed_frac"] <= 1
        assert found["text"] == found["text"].strip()


@pytest.mark.parametrize(
    ("preset", "line", "stays"),
    [
        ("c4", "One two three four five.", True),
        ("c4", "One two three four.", False),
        ("c4_datatrove", "One two three.", True),
        ("c4_datatrove", "One two.", False),
        ("c4", "It ends in an apostrophe mark'", False),
        ("c4_datatrove", "It ends in an apostrophe mark'", True),
        ("c4_datatrove", "It trails off in dots...", False),
        ("c4_fineweb", "Without a mark at the end", True),
        ("refinedweb", "MOSTLY UPPER CASE line", False),
        ("refinedweb", "Mostly lower CASE line", True),
        ("refinedweb", "12 345", False),
        ("refinedweb", "3 likes", False),
        ("refinedweb", "1.2K Views", False),
        ("refinedweb", "3 cats", True),
        ("refinedweb", "Single", False),
    ],
)
def test_a_line_alone(preset: str, line: str, stays: bool) -> None:
    found = run([line], preset=preset)[0]
    assert found["text"] == (line if stays else "")
    assert found["lines_removed"] == (not stays)


def test_refinedweb_cuts_snippets_and_keeps_paragraphs_apart() -> None:
    text = "Sign-in to the site\n\n\n\nYou have 3 items in cart now\nA story about cats read more...\nHome\n\nThe end of it"
    found = run([text], preset="refinedweb")[0]
    assert found["text"] == "to the site\n\nYou have 3  now\nA story about cats\n\nThe end of it"
    assert found["lines_removed"] == 1
    assert found["words_removed_frac"] == 7 / 22


def test_page_rules_see_lines_in_order() -> None:
    rows = run(
        ["Enable javascript { to see it.\nA b c {.", "Say lorem ipsum and javascript now."], preset="c4_datatrove"
    )
    assert [row["curly_bracket"] for row in rows] == [1, 0]
    assert [row["lorem_ipsum"] for row in rows] == [0, 1]


def test_sentences_are_counted_in_what_stays() -> None:
    text = "One is here. Two is here! Three?\nshort\nFour is here too."
    assert run([text], preset="c4_datatrove")[0]["sentence_count"] == 4


def test_null_stays_null_and_empty_stays_empty() -> None:
    assert [row["text"] for row in run([None, "", "a b c"], preset="c4_fineweb")] == [None, "", "a b c"]


def test_presets_name_their_page_rules() -> None:
    lines = step_class("lines")
    assert lines(preset="c4").bounds()["sentence_count"] == Bound(min=3)
    assert lines(preset="c4_datatrove").bounds()["sentence_count"] == Bound(min=5)
    assert lines(preset="refinedweb").bounds() == {"words_removed_frac": Bound(max=0.05)}
    assert lines(preset="c4").fingerprint() != lines().fingerprint()
    assert lines(lorem_ipsum=False).fingerprint() == lines().fingerprint()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([*PIECES, "don't", "使用软件。日本語です", "\x1c"]), max_size=30).map("".join),
        max_size=4,
    ),
    st.sampled_from(["c4", "c4_fineweb", "refinedweb"]),
)
def test_the_words_of_edited_texts_are_those_of_splitting_them_anew(texts: list[str], preset: str) -> None:
    batch = document_batch(
        [{"row": i, "id": "", "source": "", "path": "", "offset": 0, "text": text} for i, text in enumerate(texts)]
    )
    edited = step_class("lines")(preset=preset, min_words=1).process(batch).column("text")
    for carried, anew in zip(words_of(edited), unremembered_words(edited), strict=True):
        assert carried.tolist() == anew.tolist()
