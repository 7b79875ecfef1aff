"""The automaton against a search written as its rule reads."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.kernels.automaton import MOST_BYTES, automaton, find, folded, is_unspaced
from curate.kernels.masking import replace_spans
from curate.kernels.unicode import tables
from curate.text import buffers


def _part(char: str) -> bool:
    return char == "_" or char.isalnum() or unicodedata.category(char)[0] == "M"


def _words(text: str) -> int:
    count, inside = 0, False
    for char in text:
        if _part(char) and is_unspaced(ord(char)):
            count, inside = count + 1, False
        else:
            count, inside = count + (_part(char) and not inside), _part(char)
    return count


def _matches(text: str, phrases: list[str], boundaries: bool) -> list[tuple[int, int, int]]:
    """(start, stop, phrase) in characters: at each place from the left the longest phrase that stands apart."""
    low, found, i = folded(text), [], 0
    plain = [folded(phrase) for phrase in phrases]
    while i < len(low):
        fits = [
            (len(phrase), number)
            for number, phrase in enumerate(plain)
            if low.startswith(phrase, i) and (not boundaries or _apart(text, i, i + len(phrase), phrases[number]))
        ]
        if fits:
            length, number = max(fits)
            found.append((i, i + length, number))
            i += length
        else:
            i += 1
    return found


def _apart(text: str, start: int, stop: int, phrase: str) -> bool:
    left = _part(phrase[0]) and not is_unspaced(ord(phrase[0]))
    right = _part(phrase[-1]) and not is_unspaced(ord(phrase[-1]))
    return not (left and start > 0 and _part(text[start - 1])) and not (
        right and stop < len(text) and _part(text[stop])
    )


def _found(texts: list[str], phrases: list[str], boundaries: bool = True) -> list[list[tuple[int, int, int]]]:
    data, offsets = buffers(pa.array(texts, pa.string()))
    matches = find(data, offsets, automaton(phrases, boundaries=boundaries))
    result = []
    for i, text in enumerate(texts):
        raw = text.encode()
        spans = range(matches.first[i], matches.first[i + 1])
        cuts = [(matches.start[s] - offsets[i], matches.stop[s] - offsets[i], matches.phrase[s]) for s in spans]
        result.append([(len(raw[:a].decode()), len(raw[:b].decode()), int(number)) for a, b, number in cuts])
        assert matches.words[i] == _words(text)
    return result


LETTERS = st.text("abAB _.\n\u00e9\u00c9\u212a\u023a\u2c65性的กคम\u093e\u00a0\U0001f595", max_size=14)
PHRASES = st.lists(LETTERS.filter(bool), max_size=8, unique_by=folded)


@settings(max_examples=200, deadline=None)
@given(st.lists(LETTERS, max_size=4), PHRASES, st.booleans())
@example(["abab ab"], ["ab", "b a", "abab"], False)
@example(["aab aabb"], ["aab", "ab", "aabb", "b"], False)
@example(["K Ⱥ ⱥ k"], ["k", "ⱥ"], True)
def test_matches_are_those_of_the_rule(texts: list[str], phrases: list[str], boundaries: bool) -> None:
    assert _found(texts, phrases, boundaries) == [_matches(text, phrases, boundaries) for text in texts]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 0),
        ("ass", 1),
        ("Ass! ASS, (ass)", 3),
        ("class assassin passé ass_", 0),
        ("a big\nass\u00a0hat", 1),
        ("性的小说", 1),
        ("किताब कित", 1),
    ],
)
def test_words_are_not_found_inside_others(text: str, found: int) -> None:
    assert len(_found([text], ["ass", "big ass hat", "性的", "कित"])[0]) == found


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_may_come_in(raw: bytes) -> None:
    data = np.frombuffer(raw, np.uint8)
    offsets = np.array([0, len(raw) // 2, len(raw)], np.int32)
    matches = find(data, offsets, automaton(["a", "é", "性", "\ufffd"]))
    assert matches.first[-1] == len(matches.start)
    assert np.all(matches.stop <= len(raw))


def test_a_byte_leads_to_the_state_of_the_longest_suffix() -> None:
    # every state but the root is the longest prefix of a phrase that the text so far ends with
    assert [number for _, _, number in _found(["ushers"], ["he", "she", "his", "hers"], False)[0]] == [1]


def test_too_many_phrases_are_refused() -> None:
    with pytest.raises(ValueError, match="bytes together"):
        automaton(["x" * (MOST_BYTES + 1)])


def test_simple_lower_case_is_one_code_point_to_one() -> None:
    assert folded("ÀẞK\u0130\t") == "àßki "
    assert tables().lower[0x130] == ord("i")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(LETTERS, st.lists(st.integers(0, 14), max_size=6)), max_size=4), LETTERS)
def test_spans_are_replaced(rows: list[tuple[str, list[int]]], placeholder: str) -> None:
    texts, expected, start, stop, first, base = [], [], [], [], [0], 0
    for text, cuts in rows:
        ordered = sorted({min(cut, len(text)) for cut in cuts})
        pairs = list(zip(ordered[::2], ordered[1::2], strict=False))
        made, at = "", 0
        for a, b in pairs:
            start.append(base + len(text[:a].encode()))
            stop.append(base + len(text[:b].encode()))
            made, at = made + text[at:a] + placeholder, b
        texts.append(text)
        expected.append(made + text[at:])
        first.append(len(start))
        base += len(text.encode())
    data, offsets = buffers(pa.array(texts, pa.string()))
    spans = np.array(start, np.int32), np.array(stop, np.int32), np.array(first, np.int64)
    new, ends = replace_spans(data, offsets, *spans, placeholder)
    assert [bytes(new[ends[i] : ends[i + 1]]).decode() for i in range(len(texts))] == expected
