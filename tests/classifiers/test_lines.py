"""The line that fastText reads: one line, no labels, the same for training and scoring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.classifiers.lines import FORMS, Form, line_of


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
