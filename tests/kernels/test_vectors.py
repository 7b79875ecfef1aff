"""Steps of many bytes against their slow twins, at every place of a page's end."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.html_entities import entities
from curate.kernels.html_state import BEGIN, OUT, STATE_FIELDS
from curate.kernels.html_tags import find_byte, hash_name, read_name
from curate.kernels.html_text import append_text, byte_kinds

NAME = re.compile(rb"[^\x00-\x20/=>]*")
_part = st.sampled_from(
    [b"a", b"word", b" ", b"  ", b"\n", b"-", b"/", b"=", b">", "é".encode(), "日本語".encode(), b"Aa1"]
)
_bytes = st.lists(_part, max_size=40).map(b"".join)


@settings(max_examples=75, deadline=None)
@given(_bytes, st.integers(0, 99), st.sampled_from(b">/= "))
def test_a_byte_is_found_where_it_is_next(content: bytes, at: int, wanted: int) -> None:
    # what lies behind the end is a trap
    data, at = np.frombuffer(content + bytes([wanted]) * 40, np.uint8), min(at, len(content))
    found = content.find(bytes([wanted]), at)
    assert find_byte(data, at, len(content), wanted) == (len(content) if found < 0 else found)


@settings(max_examples=75, deadline=None)
@given(_bytes)
def test_names_end_where_they_must_and_their_case_does_not_matter(content: bytes) -> None:
    data = np.frombuffer(content + b"more", np.uint8)
    end, value = read_name(data, 0, len(content))
    name = NAME.match(content)
    assert name and end == name.end()
    assert value == hash_name(name[0].decode("latin-1").lower()) if name[0].isascii() else True


@settings(max_examples=75, deadline=None)
@given(_bytes)
def test_text_is_copied_with_single_blanks(content: bytes) -> None:
    data, out = np.frombuffer(content + b"x" * 40, np.uint8), np.zeros(len(content) + 64, np.uint8)
    state = np.zeros(STATE_FIELDS, np.int64)
    state[BEGIN] = -1
    assert append_text(data, 0, len(content), 0, byte_kinds(), entities(), state, out) == len(content)
    assert bytes(out[: state[OUT]]) == b" ".join(content.split())
