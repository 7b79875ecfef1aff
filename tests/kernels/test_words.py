"""The splitter cuts text as spaCy's English tokenizer does, covers every character that is no white space, any script."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unspaced import ranges

from curate.kernels.segments import DIVIDER_RANGES, NO_WIDTH_RANGES
from curate.kernels.words import split_words, words_of
from curate.text import buffers

DIVIDERS = re.compile(f"[{ranges(DIVIDER_RANGES)}{ranges(NO_WIDTH_RANGES)}]")


def words(text: str) -> list[str]:
    data, offsets = buffers(pa.array([text], pa.string()))
    found = split_words(data, offsets)
    raw = bytes(data)
    return [raw[i:j].decode() for i, j in zip(found.start, found.stop, strict=True)]


# what spaCy 3.8's English tokenizer says
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\u00a0\u3000", []),
        ("Hello, world!", "Hello , world !"),
        ("Don't you think it's we'll can't", "Do n't you think it 's we 'll ca n't"),
        ("cannot dogs’ John's", "can not dogs ’ John 's"),
        ("(foo-bar)/baz", "( foo - bar)/baz"),
        ("state-of-the-art", "state - of - the - art"),
        ("--option=x -v 5-6 a/b", "--option = x -v 5 - 6 a / b"),
        ("well... done…ok", "well ... done … ok"),
        ("Mr. Smith, e.g. NASA. U.S. end.", "Mr. Smith , e.g. NASA . U.S. end ."),
        ("see http://a.org/x-y, me@b-c.org.", "see http://a.org/x-y , me@b-c.org ."),
        ("10km 50% $5 5€ C++ 3+", "10 km 50 % $ 5 5 € C++ 3 +"),
        ("“quoted” «x» 'y'", "“ quoted ” « x » ' y '"),
        ("end.Next foo.txt a,b", "end . Next foo.txt a , b"),
        ("#tag **bold** [1]", "# tag * * bold * * [ 1 ]"),
        ("घर में है।", "घर में है ।"),
        ("好。吗？", "好。吗 ？"),
        ("5am x :) ok", "5 am x :) ok"),
    ],
)
def test_words_are_those_of_spacy(text: str, expected: str | list[str]) -> None:
    assert words(text) == (expected.split() if isinstance(expected, str) else expected)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from(list("a.-'/:@$ \n5E…་፡")))), max_size=4
    )
)
def test_words_cover_all_but_white_space_in_order(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    found = split_words(data, offsets)
    raw = bytes(data)
    assert len(found.first) == len(texts) + 1
    assert (found.start < found.stop).all()
    for place, text in enumerate(texts):
        own = slice(found.first[place], found.first[place + 1])
        pieces = [raw[i:j].decode() for i, j in zip(found.start[own], found.stop[own], strict=True)]
        assert DIVIDERS.sub("", "".join(pieces)) == DIVIDERS.sub("", "".join(text.split()))
        assert not any(char.isspace() for piece in pieces for char in piece)


def test_a_batch_has_the_words_of_its_texts_alone() -> None:
    texts = ["one two", "", "x.", "don't"]
    data, offsets = buffers(pa.array(texts))
    found = split_words(data, offsets)
    assert np.diff(found.first).tolist() == [len(words(text)) for text in texts]


def test_words_of_is_remembered_for_the_same_buffer_only() -> None:
    column = pa.array(["a b", "c", "d e f"])
    assert words_of(column) is words_of(column)
    assert np.diff(words_of(column.slice(1)).first).tolist() == [1, 3]
    assert np.diff(words_of(pa.array(["x y z"])).first).tolist() == [3]
    assert np.diff(words_of(pa.array(["a b", None])).first).tolist() == [2, 0]
    assert len(words_of(pa.array([], pa.string())).first) == 1
