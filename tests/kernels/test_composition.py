"""NFC by our kernel is Python's, for every character alone, behind others, and in texts of marks without order."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import entry
from curate.kernels.composition import CHANGES, CLASS, GROWTH, Composition, compose, composition, may_change
from curate.kernels.unicode import LAST
from curate.text import Bytes, buffers, from_buffers

#: letters, marks of several classes, Hangul, characters that may not be composed, and those that only NFC changes
PARTS = (
    "aeoıΑ가각"
    + "\u0301\u0323\u0327\u0345\u0653\u064b\u0651\u09be\u3099\u1161\u11a8\u1100"
    + "é\u0958\u212b\u2126\U0001d15e ạ̈か"
)


@entry
def changes(text: Bytes, tables: Composition) -> bool:
    return may_change(text, 0, len(text), tables)


def nfc(texts: list[str]) -> list[str]:
    data, offsets = buffers(pa.array(texts, pa.string()))
    found: list[str] = from_buffers(*compose(data, offsets, composition())).to_pylist()
    return found


def check(texts: list[str]) -> None:
    wanted = [unicodedata.normalize("NFC", text) for text in texts]
    assert nfc(texts) == wanted
    for text, normal in zip(texts, wanted, strict=True):
        raw = np.frombuffer(text.encode(), np.uint8)
        assert text == normal or changes(raw, composition())
        assert len(normal.encode()) <= GROWTH * len(raw)


def test_every_character_alone_and_its_decomposition_before_a_mark() -> None:
    codes = [
        *range(0x3400),
        *range(0xA000, 0xD800, 5),
        *range(0xE000, 0x12000),
        *range(0x1D000, 0x1D200),
        *range(0x2F800, LAST),
    ]
    texts = [chr(code) for code in codes]
    assert nfc(texts) == [unicodedata.normalize("NFC", text) for text in texts]
    changed = [text for text in texts if unicodedata.normalize("NFD", text) != text]
    check([*changed, *(unicodedata.normalize("NFD", text) + "\u0323" for text in changed[::3])])


def test_every_character_that_may_change_begins_with_a_suspect_byte() -> None:
    tables = composition()
    codes = [code for code in np.flatnonzero(tables.known).tolist() if not 0xD800 <= code < 0xE000]
    assert all(tables.suspect[chr(code).encode()[0]] for code in codes)
    assert tables.known.max() <= CHANGES | CLASS


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.sampled_from(PARTS), max_size=40), max_size=6))
def test_texts(texts: list[str]) -> None:
    check(texts)


@pytest.mark.parametrize("many", [15, 16, 17, 5000])
def test_many_marks_on_one_letter(many: int) -> None:
    check(["x" + "\u0301\u0323\u0651\u0345" * many + "e\u0301", "\u0323\u0301" * many])


def test_quick_check_leaves_composed_text_alone() -> None:
    for text in (
        "Überall für das Größte",
        "日本語のテキスト、カナ",
        "Việt Nam",
        "слово й ё",
        "أهلا وسهلا",
        "가각 한국어",
        "فَتْحَة",
    ):
        assert unicodedata.is_normalized("NFC", text)
        assert not changes(np.frombuffer(text.encode(), np.uint8), composition())
