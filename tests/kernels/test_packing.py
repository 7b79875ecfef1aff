"""Planning kernels against slow twins: what is drawn, what stands where; nothing overlaps, nothing is lost."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import mixture, packing
from curate.kernels.mixture import COLUMNS, NOTHING, Corpus, Position


def position(lengths: list[int]) -> Position:
    count = len(lengths)
    return Position(
        np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count), np.zeros(1), np.zeros(count, np.int64),
        np.zeros(count, np.int64), np.array(lengths, np.int64), np.zeros((count, COLUMNS), np.int64), np.full(4, NOTHING, np.int64),
    )  # fmt: skip


@settings(max_examples=75, deadline=None)
@given(
    weights=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any),
    lengths=st.lists(st.integers(1, 50), min_size=80, max_size=80),
)
def test_sources_are_chosen_as_exact_arithmetic_chooses(weights: list[int], lengths: list[int]) -> None:
    """WF2Q in fractions: of those not ahead of their share, the one that would be done first; ties go to the first."""
    shares = [Fraction(weight, sum(weights)) for weight in weights]
    served, at = [0] * len(weights), lengths[: len(weights)]
    place = position(at)
    for size in lengths[len(weights) :]:
        total = sum(served)
        behind = [i for i, share in enumerate(shares) if share and served[i] <= share * total]
        finish = {i: (served[i] + int(place.length[i])) / shares[i] for i in behind}
        found = int(mixture.next_source(place, np.array([float(share) for share in shares])))
        assert float(finish.get(found, min(finish.values()))) <= float(min(finish.values())) * (1 + 1e-12)
        served[found] += int(place.length[found])
        place.served[found] = served[found]
        place.total[0] = sum(served)
        place.length[found] = size
        for i, share in enumerate(shares):
            assert served[i] - share * sum(served) <= 50


@settings(max_examples=50, deadline=None)
@given(
    sources=st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=80), min_size=1, max_size=3),
    context=st.integers(1, 12),
)
def test_pieces_are_those_of_a_list(sources: list[list[int]], context: int) -> None:
    """Every piece of every document, in order, where each source's documents lie in one block."""
    offsets = [np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) for lengths in sources]
    count = len(sources)
    documents, nothing = np.array([len(lengths) for lengths in sources], np.int64), np.zeros(0, np.int64)
    corpus = Corpus(
        np.arange(count + 1), np.zeros(count, np.int64), np.array([held.ctypes.data for held in offsets], np.int64), nothing,
        nothing, nothing, documents, nothing.astype(np.uint64), documents, np.zeros(count + 1, np.int64), nothing,
    )  # fmt: skip
    corpus = mixture.in_pieces(corpus, context)
    for source, lengths in enumerate(sources):
        wanted = [(i, start) for i, length in enumerate(lengths) for start in range(0, max(1, length), context)]
        assert corpus.pieces[source] == len(wanted)
        assert [mixture.find_piece(corpus, source, i, context) for i in range(len(wanted))] == wanted


def best_fit_twin(pieces: list[int], carried: int, rows: int, context: int) -> tuple[dict[int, int], list[int]]:
    """(piece -> row, room of each row), in plain Python."""
    room = [context] * rows
    found = {}
    for part in (range(carried), range(carried, len(pieces))):
        for i in sorted(part, key=lambda i: -pieces[i]):
            fits = [r for r in range(rows) if room[r] >= pieces[i]]
            if fits:
                row = min(fits, key=lambda r: room[r])
                found[i] = row
                room[row] -= pieces[i]
    return found, room


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 200), max_size=60),
    carried=st.integers(0, 60),
    rows=st.integers(1, 12),
    context=st.sampled_from([200, 256, 301]),
)
def test_best_fit_is_best_fit(lengths: list[int], carried: int, rows: int, context: int) -> None:
    carried = min(carried, len(lengths))
    pool = np.array([[0, i, 0, length] for i, length in enumerate(lengths)], np.int64).reshape(-1, 4)
    out = np.zeros((len(lengths), packing.FIELDS), np.int64)
    count, left = packing.best_fit(position([1]), rows, context, pool, carried, len(lengths), out)
    placed, room = best_fit_twin(lengths, carried, rows, context)
    assert count + left == len(lengths) and count == len(placed)
    assert pool[:left, 1].tolist() == [i for i in range(len(lengths)) if i not in placed]
    taken = np.zeros((rows, context), int)
    for row, at, _, document, start, length in out[:count].tolist():
        assert (start, length) == (0, lengths[document])
        taken[row, at : at + length] += 1
    assert taken.max(initial=0) <= 1
    # which of two rows with equal room is taken is ours to choose: how full rows become is not
    assert sorted(taken.sum(1).tolist()) == sorted(context - r for r in room)
