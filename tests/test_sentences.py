"""Sentences by punctuation, in any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sentences import sentence_spans


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        (" \n\t", []),
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ('He said "no." She left', ['He said "no."', "She left"]),
        ("Pi is 3.14 at e.com...\nA line\n\nAnother", ["Pi is 3.14 at e.com...", "A line", "Another"]),
        ("\u4f60\u597d\u3002\u518d\u89c1\uff01", ["\u4f60\u597d\u3002", "\u518d\u89c1\uff01"]),
        ("\u092f\u0939\u0964 \u0935\u0939", ["\u092f\u0939\u0964", "\u0935\u0939"]),
        ("वह गया।फिर आया॥ अंत", ["वह गया।", "फिर आया॥", "अंत"]),
        ("यह ३.५ है। डॉ.राम ने कहा “हाँ।” और गया", ["यह ३.५ है।", "डॉ.राम ने कहा “हाँ।”", "और गया"]),
        ("ᱱᱚᱣᱟ ᱫᱚ᱾ ᱟᱨ", ["ᱱᱚᱣᱟ ᱫᱚ᱾", "ᱟᱨ"]),
        ("ꯑꯃꯒꯤ꯫ ꯑꯣꯏ", ["ꯑꯃꯒꯤ꯫", "ꯑꯣꯏ"]),
        ("وہ گیا۔ پھر آیا؟ ہاں", ["وہ گیا۔", "پھر آیا؟", "ہاں"]),
        ("ខ្ញុំ។អ្នក", ["ខ្ញុំ។", "អ្នក"]),
        ("Արև։ Լուսին", ["Արև։", "Լուսին"]),
        ("བོད།ཡིག", ["བོད།", "ཡིག"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:stop] for start, stop in sentence_spans(text)] == sentences


@given(st.text(st.sampled_from("ab .!?\n\u3002\u0964\"'"), max_size=80))
def test_spans_ascend_and_lose_only_white_space(text: str) -> None:
    spans = sentence_spans(text)
    assert [span for pair in spans for span in pair] == sorted(span for pair in spans for span in pair)
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())


def test_long_runs_take_linear_time() -> None:
    # quadratic, each would take hours
    for run in ("." * 300_000, " " * 300_000, "\n " * 150_000, '."' * 150_000):
        assert len(sentence_spans("a" + run + "b")) <= 150_002
