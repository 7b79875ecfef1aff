"""The line that fastText reads: one line, no labels, the same for training and scoring."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.classifiers.lines import FORMS, Form, line_of, lines_of

PIECES = ["http://", "https://", "www.", "@", "a", "B", "_", "'", "\u2019", " ", "\n", "\0", "\u00e9", "\u03a3", "\u0130",
          "\u00df", "&amp;", "&lt", "&", "\u4e2d", "<", "/s>", "__label__", "x.y", "\x1c", "\u3000", "\u24b6", "1"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "form", "line"),
    [
        ("One\nTwo\r\n\tthree", "plain", "One Two   three"),
        ("A __label__bad </s> word\0", "plain", "A __label __bad < /s> word "),
        ("\u0915\u094d\u092f\u093e?\nHM", "plain", "\u0915\u094d\u092f\u093e? HM"),
        ("Don't  SHOUT!!", "folded", "don't shout ! !"),
        (
            "RT @User_1: see https://x.org/a?b &amp; mail@b.org",
            "folded",
            "rt user_name : see web_address & mail @ b . org",
        ),
        (" \n", "folded", ""),
    ],
)
def test_forms(text: str, form: Form, line: str) -> None:
    assert line_of(text, form) == line


@given(st.text(max_size=200), st.sampled_from(FORMS))
def test_any_text_is_one_line_without_labels(text: str, form: Form) -> None:
    line = line_of(text, form)
    assert not set(line) & set("\n\r\t\v\f\0") and "</s>" not in line and "__label__" not in line


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=8), st.lists(st.sampled_from(PIECES), max_size=14).map("".join)), max_size=6)
)
def test_columns_have_the_words_of_texts_one_by_one(texts: list[str]) -> None:
    folded = lines_of(pa.array([None, *texts], pa.string()), "folded").to_pylist()
    # labels are cut by the kernel that reads the lines
    assert [re.sub("__label(?=__)", "__label ", line).split() for line in folded] == [
        line_of(text, "folded").split() for text in ("", *texts)
    ]
