"""The passage that two near-duplicates share."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.evidence import shared_passage


@pytest.mark.parametrize(
    ("a", "b", "passage"),
    [
        ("", "", ""),
        ("one two", "three", ""),
        ("So: One,  two\nthree!", "x one two three y", "One,  two\nthree"),
        ("a b x c d e", "c d e a b", "c d e"),
        ("x" * 400, "x" * 400, "x" * 300),
        ("É É", "é é", "É É"),
        ("他说我们明天去北京玩", "她说我们后天去北京玩吧", "天去北京玩"),
        ("ขอบคุณมากครับ", "ก็ขอบคุณนะ", "ขอบคุณ"),
    ],
)
def test_longest_run_as_it_stands_in_the_first(a: str, b: str, passage: str) -> None:
    assert shared_passage(a, b) == passage


def test_cut_behind_a_word() -> None:
    text = "word " * 100
    assert shared_passage(text, text) == ("word " * 60).strip()


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
@settings(max_examples=100, deadline=None)
def test_no_longer_run_exists(a: list[str], b: list[str]) -> None:
    runs = {tuple(b[i:j]) for i in range(len(b)) for j in range(i + 1, len(b) + 1)}
    own = [tuple(a[i:j]) for i in range(len(a)) for j in range(i + 1, len(a) + 1)]
    longest = max((len(run) for run in own if run in runs), default=0)
    found = tuple(re.findall(r"\w+", shared_passage(" ".join(a), " ".join(b))))
    assert len(found) == longest and (not found or found in runs)
