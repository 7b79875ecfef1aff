"""The kernel of sentences against the regular expression that says the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.kernels.sentences import find_sentences
from curate.sentences import sentence_spans
from curate.text import buffers

_LETTERS = st.sampled_from(
    "ab .!?\n\t\u2026\u3002\uff01\uff1f\u0964\u06d4\u104b\"'\u201d\u2019\u00bb)]\u300d\u00a0\u3000\U0001f600"
)


@settings(deadline=None)
@given(st.lists(st.text(_LETTERS | st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4))
@example(["One. Two!  Three?", "", " \n", "a... b..\u3002!x", '".'])
@example(["a\n" * 50, "." * 50, "\u3002" * 20])
def test_same_sentences_as_the_expression(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    found = find_sentences(data, offsets)
    for i, text in enumerate(texts):
        pieces = range(found.first[i], found.first[i + 1])
        assert [data[found.start[k] : found.stop[k]].tobytes().decode() for k in pieces] == [
            text[start:stop] for start, stop in sentence_spans(text)
        ]


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(raw: bytes) -> None:
    data = np.frombuffer(b"x" + raw + b"x", np.uint8)
    found = find_sentences(data, np.array([1, 1 + len(raw)], np.int32))
    edges = np.stack([found.start, found.stop], axis=1).ravel()
    assert (np.diff(edges) >= 0).all()
    assert not len(edges) or (edges[0] >= 1 and edges[-1] <= 1 + len(raw))
