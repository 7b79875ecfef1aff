"""Standard spelling in Indic scripts: what the Unicode Standard says not to use, joiners kept, a slow twin, any bytes."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import document_batch
from curate.kernels.indic import DIGITS, FINALS, NUKTAS, PAIRS, VOWEL_SIGNS, standard_spelling
from curate.steps.normalize import Normalize
from curate.text import buffers, from_buffers


def spelled(text: str, *, spelling: bool = True, digits: bool = False) -> str:
    data, offsets, replaced = standard_spelling(
        *buffers(pa.array([text], pa.string())), spelling=spelling, digits=digits
    )
    made: str = from_buffers(data, offsets)[0].as_py()
    assert (replaced[0] > 0) == (made != text)
    return made


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("अाम अोस", "आम ओस"),  # vowel letters of two parts
        ("काॅलेज", "कॉलेज"),
        ("অামি", "আমি"),
        ("ਅਾਮ ੲਿਕ", "ਆਮ ਇਕ"),
        ("અાવો", "આવો"),
        ("ఒౌ", "ఔ"),
        ("ഇൗ", "ഈ"),
        ("അവന്\u200d", "അവൻ"),  # a chillu
        ("সত্\u200d", "সৎ"),  # khanda ta
        ("कि\u093c", "क\u093cि"),  # the nukta before the vowel sign
        ("क्\u200dष नहीं\u200cहै", "क्\u200dष नहीं\u200cहै"),  # joiners stay
        ("क्\u200d\u200dष", "क्\u200dष"),
        ("वह गया | वह गया|| (a | b)\nगया|", "वह गया । वह गया॥ (a | b)\nगया।"),
        ("अवन|ത|x", "अवन|ത|x"),
    ],
)
def test_known_answers(text: str, standard: str) -> None:
    assert spelled(text) == standard


def test_digits_are_an_option() -> None:
    text = "१२३ ৪৫ ੬ ૭ ୮ ௯ ౦ ೧ ൨ ۳ ٤ ᱕ ꯶ 7 ７"
    assert spelled(text) == text
    assert spelled(text, digits=True) == "123 45 6 7 8 9 0 1 2 3 4 5 6 7 ７"
    assert spelled("अा१", spelling=False, digits=True) == "अा1"


def numbers(words: str) -> list[int]:
    return [int(word, 16) for word in words.split()]


def test_tables_are_of_letters_and_signs_of_one_script() -> None:
    found = numbers(PAIRS)
    for a, b, one in zip(found[::3], found[1::3], found[2::3], strict=True):
        assert len({unicodedata.name(chr(code)).split()[0] for code in (a, b, one)}) == 1
        assert unicodedata.category(chr(b))[0] == "M"
        # composition does not know them
        assert unicodedata.normalize("NFC", chr(a) + chr(b)) != chr(one)
    assert all(unicodedata.decimal(chr(zero)) == 0 for zero in numbers(DIGITS))


def twin(text: str, *, digits: bool) -> str:
    signs = "".join(f"{chr(int(a, 16))}-{chr(int(b, 16))}" for a, b in (r.split("-") for r in VOWEL_SIGNS.split()))
    found, finals = numbers(PAIRS), numbers(FINALS)
    one = {chr(a) + chr(b): chr(c) for a, b, c in zip(found[::3], found[1::3], found[2::3], strict=True)}
    final = {chr(a): chr(b) for a, b in zip(finals[::2], finals[1::2], strict=True)}
    if digits:
        for zero in numbers(DIGITS):
            text = re.sub(f"[{chr(zero)}-{chr(zero + 9)}]", lambda c, zero=zero: str(ord(c[0]) - zero), text)
    out: list[str] = []
    for char in text:
        if out and out[-1] + char in one:
            out[-1] = one[out[-1] + char]
        elif out and ord(char) in NUKTAS and re.fullmatch(f"[\u0900-\u0dff](?<![{signs}])[{signs}]", "".join(out[-2:])):
            out.insert(-1, char)
        elif out and char in "\u200c\u200d" and out[-1] == char:
            pass
        elif char == "\u200d" and len(out) > 1 and out[-1] in "\u09cd\u0d4d" and out[-2] in final:
            out[-2:] = [final[out[-2]]]
        else:
            out.append(char)
    text = "".join(out)
    bar = r"(?<=[\u0900-\u0b7f])( ?)\|(\|?)(?=[\x00-\x20]|\Z)"
    return re.sub(bar, lambda found: found[1] + ("\u0965" if found[2] else "\u0964"), text)


LETTERS = sorted(
    {chr(code) for code in numbers(PAIRS) + numbers(FINALS)} | set("कनിി\u093c\u09cd\u0d4d\u200d\u200c १৫a")
)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(LETTERS), max_size=30), st.booleans())
def test_equals_the_twin_and_a_second_time_does_nothing(text: str, digits: bool) -> None:
    made = spelled(text, digits=digits)
    assert made == twin(text, digits=digits)
    assert spelled(made, digits=digits) == made


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.sampled_from("कअि |a\n।"), max_size=30), max_size=4))
def test_bars_equal_the_twin(texts: list[str]) -> None:
    data, offsets, _ = standard_spelling(*buffers(pa.array(texts, pa.string())), spelling=True, digits=False)
    assert from_buffers(data, offsets).to_pylist() == [twin(text, digits=False) for text in texts]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_written_within_bounds(raw: bytes, digits: bool) -> None:
    data, offsets = np.frombuffer(raw, np.uint8), np.array([0, len(raw)], np.int32)
    made, bounds, _ = standard_spelling(data, offsets, spelling=True, digits=digits)
    assert bounds[-1] == len(made) <= len(raw) + 2 * raw.count(b"|")


def test_the_step_respells_and_composes() -> None:
    texts = ["काॅलेज  १२", "ﬁ ｱ ²", "क्\u200dष नहीं\u200cहै", None, "plain"]
    batch = document_batch([{"row": i, "text": text} for i, text in enumerate(texts)])
    made = Normalize(form="NFKC", indic=True, digits="ascii").process(batch)
    assert made["text"].to_pylist() == ["कॉलेज 12", "fi ア 2", "क्\u200dष नहीं\u200cहै", None, "plain"]
    assert made["normalize"].field("respelled").to_pylist() == [3, 0, 0, 0, 0]
    assert made["normalize"].field("composed").to_pylist() == [False, True, False, False, False]
    assert "respelled" not in Normalize().signals()
