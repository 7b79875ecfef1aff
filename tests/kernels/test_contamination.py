"""Passages found by n-grams, against a slow twin over words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.contamination.index import Index, build_index
from curate.contamination.search import Search, index_texts
from curate.contamination.sets import BenchmarkSets, Passage

letters = st.lists(st.sampled_from("abcdefg"), max_size=25).map(" ".join)


def twin(text: str, passage: str, ngram: int, min_words: int) -> tuple[int, int]:
    """(words of the passage that n-grams of the text cover, words that they can cover)"""
    own, other = passage.split(), text.split()
    if len(set(own)) < min_words:
        return 0, 0
    n = min(ngram, len(own))
    grams = {tuple(other[i : i + n]) for i in range(len(other) - n + 1)}
    covered = set()
    for i in range(len(own) - n + 1):
        if tuple(own[i : i + n]) in grams:
            covered |= set(range(i, i + n))
    return len(covered), len(own)


def spans(text: str, passages: list[str], found: set[int], ngram: int) -> set[int]:
    """The words of the text in n-grams of passages."""
    words, covered = text.split(), set()
    for number in found:
        own = passages[number].split()
        n = min(ngram, len(own))
        grams = {tuple(own[i : i + n]) for i in range(len(own) - n + 1)}
        for i in range(len(words) - n + 1):
            if tuple(words[i : i + n]) in grams:
                covered |= set(range(i, i + n))
    return covered


@given(
    values=st.lists(letters, max_size=4),
    passages=st.lists(letters, min_size=1, max_size=8),
    ngram=st.integers(2, 6),
    min_words=st.integers(1, 3),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
)
@settings(max_examples=60, deadline=None)
def test_shares_and_stretches_are_those_of_the_slow_twin(
    values: list[str], passages: list[str], ngram: int, min_words: int, threshold: float
) -> None:
    min_words = min(min_words, ngram)
    index = index_texts("b", passages, ngram=ngram, min_words=min_words)
    search = Search(index, threshold)
    texts = pa.array(values, pa.string())
    found = search(texts)
    offsets = np.cumsum([0, *map(len, values)])
    anywhere: dict[int, int] = {}
    for i, text in enumerate(values):
        want = [twin(text, passage, ngram, min_words) for passage in passages]
        assert index.grams.passage.tolist() == [size for _, size in want]
        part = slice(found.first[i], found.first[i + 1])
        pairs = dict(zip(found.passage[part].tolist(), found.covered[part].tolist(), strict=True))
        above = {p: covered for p, (covered, size) in enumerate(want) if size and covered / size > threshold}
        assert pairs == above
        shares = [covered / size if size else 0 for covered, size in want]
        assert (found.best[i] < 0) == (max(shares) == 0)
        if found.best[i] >= 0:
            assert found.best_covered[i] / index.grams.passage[found.best[i]] == max(shares)
            run, start, stop = found.evidence[i]
            assert (
                text[start - offsets[i] : stop - offsets[i]].split()
                == text[start - offsets[i] : stop - offsets[i]].split()
            )
            assert len(text[start - offsets[i] : stop - offsets[i]].split()) == run >= min(ngram, min_words)
        words = spans(text, passages, set(above), ngram)
        assert found.matched[i] == len(words)
        cut = "".join(
            text[found.span_start[k] - offsets[i] : found.span_stop[k] - offsets[i]] + " "
            for k in range(found.span_first[i], found.span_first[i + 1])
        )
        assert cut.split() == [word for place, word in enumerate(text.split()) if place in words]
        for p, (covered, _) in enumerate(want):
            anywhere[p] = max(anywhere.get(p, 0), covered)
    assert [int(x) for x in np.rint(search.most * np.maximum(index.grams.passage, 1))] == [
        anywhere.get(p, 0) for p in range(len(passages))
    ]
    assert (search.anywhere >= search.most * index.grams.passage - 1e-9).all()


def test_more_is_found_than_there_was_room_for() -> None:
    passages = [f"this is passage number x{i} of a very long list" for i in range(3000)]
    search = Search(index_texts("b", passages, ngram=5, min_words=4), 0.5)
    found = search(pa.array(["nothing here", " -- ".join(passages), None, passages[7]], pa.string()))
    assert np.diff(found.first).tolist() == [0, 3000, 0, 1]
    assert found.best[3] == 7 and found.words[2] == 0
    assert (search.most == 1).all()


def test_texts_of_any_bytes_are_searched() -> None:
    search = Search(index_texts("b", ["one two three four five six seven"], ngram=5, min_words=4), 0.5)
    rng = np.random.default_rng(3)
    junk = [bytes(rng.integers(0, 256, size).astype(np.uint8)) for size in range(200)]
    assert search(pa.array(junk, pa.binary())).best.max() == -1


@pytest.mark.parametrize("examples", [10, 60])
def test_what_many_examples_share_is_template(examples: int) -> None:
    start = "answer the following question about the text with yes or no"
    texts = [f"{start} is the thing w{i} in the box z{i} or on the table q{i}" for i in range(examples)]
    index = index_texts("b", texts, ngram=5, min_words=4)
    found = Search(index, 0.3)(pa.array([f"we said {start} and so on", texts[3]], pa.string()))
    assert (np.diff(found.first)[0] > 0) == (examples == 10)
    assert 3 in found.passage[found.first[1] :]


def test_benchmarks_have_templates_of_their_own() -> None:
    line = "the cat sat on the mat and looked at the dog"
    sets = BenchmarkSets(
        ("many", "one"), (0,) * 50 + (1,), tuple(map(str, range(51))),
        tuple(Passage(i, "q", f"{line} w{i} x{i} y{i} z{i} v{i}" if i < 50 else line) for i in range(51)),
    )  # fmt: skip
    index: Index = build_index(sets, ngram=5, min_words=4)
    found = Search(index, 0.5)(pa.array([line]))
    assert found.passage.tolist() == [50]
