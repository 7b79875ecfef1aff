"""The index in a folder: only what is new is added, what is gone is passed over, what is torn is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.errors import CurateError
from curate.select import stored_index
from curate.select.index import exact_neighbours
from curate.select.index_kind import KINDS
from curate.select.stored_index import StoredIndex, point_keys

Batches = list[Any]


def batches(seed: int, count: int, rows: int = 50) -> Batches:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rows, 16)).astype(np.float32) for _ in range(count)]


def found(index: StoredIndex, given: Batches, queries: Any, k: int = 5) -> list[list[int]]:
    """Rows in the concatenation of the batches, as the index gives them."""
    return index.search(queries, k, point_keys(given))[1].tolist()


def synced(index: StoredIndex, given: Batches) -> tuple[int, int, bool]:
    """(points added, points, whether it was built anew)."""
    done, keys = index.sync(lambda: given)
    assert np.array_equal(keys, point_keys([np.concatenate(given)])), "keys do not depend on where batches end"
    return done.added, done.points, done.rebuilt


def exact(given: Batches, queries: Any, k: int = 5) -> list[list[int]]:
    return exact_neighbours(given, queries, k)[1].tolist()


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_versions_come_and_go(tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_index, "PIECE_ROWS", 120)  # two batches a piece
    first = batches(1, 5)
    index = StoredIndex(tmp_path, kind=kind)
    assert synced(index, first) == (250, 250, True)
    index = StoredIndex(tmp_path, kind=kind)
    assert synced(index, first) == (0, 250, False)
    second = [first[3], *batches(2, 1), *first[:3]]  # the last is gone, one is new, the order is another
    assert synced(index, second) == (50, 250, False)
    for queries in (second[1][:10] + 0.1, first[0][:10] + 0.1, first[4][:10]):
        got, wanted = found(index, second, queries), exact(second, queries)
        if kind == "flat":
            assert got == wanted
        else:
            assert np.mean([len(set(a) & set(b)) for a, b in zip(got, wanted, strict=True)]) > 4
        assert all(0 <= row < 250 for line in got for row in line)
    assert len(index.facts["pieces"]) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_again_from_disk(tmp_path: Path, kind: Any) -> None:
    given = batches(3, 8, 60)
    StoredIndex(tmp_path, kind=kind).sync(lambda: given)
    index = StoredIndex(tmp_path, kind=kind)
    got = found(index, given, given[2][:20])
    assert np.mean([120 + i in line for i, line in enumerate(got)]) > 0.9 and index.facts["kind"] == kind
    more = [*given, *batches(4, 1)]
    assert synced(index, more)[0] == 50
    assert np.mean([480 + i in line for i, line in enumerate(found(index, more, more[-1][:20]))]) > 0.9


def test_it_is_built_anew_when_most_is_gone_or_it_is_outgrown(tmp_path: Path) -> None:
    first = batches(5, 6)
    index = StoredIndex(tmp_path)
    synced(index, first)
    few = first[:2]
    assert synced(index, few) == (100, 100, True)
    grown = [*few, *batches(6, 7)]
    assert synced(index, grown) == (450, 450, True)
    assert found(index, grown, grown[8][:5], 1) == [[400 + i] for i in range(5)]
    assert StoredIndex(tmp_path, kind="hnsw").sync(lambda: grown)[0].rebuilt, "another kind was asked for"


def test_equal_points_are_held_once_and_found_all(tmp_path: Path) -> None:
    one = batches(7, 1)[0]
    one[3], one[4] = np.nan, 0
    given = [one, one[::-1].copy(), np.full((2, 16), np.nan, np.float32)]
    index = StoredIndex(tmp_path)
    assert synced(index, given) == (48, 48, True)
    got = found(index, given, one[:6], 2)
    assert got == [[i, 99 - i] if i not in (3, 4) else [-1, -1] for i in range(6)]
    assert found(index, given, one[:1], 3)[0][:2] == [0, 99] and len(set(found(index, given, one[:1], 96)[0])) == 96
    assert synced(index, given[1:2]) == (0, 48, False) and found(index, given[1:2], one[:1], 2)[0][0] == 49


def test_what_a_killed_writer_left_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = batches(8, 3)
    index = StoredIndex(tmp_path)
    synced(index, given[:2])

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(StoredIndex, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        StoredIndex(tmp_path).sync(lambda: given)
    monkeypatch.undo()
    left = StoredIndex(tmp_path)
    assert found(left, given[:2], given[1][:3], 1) == [[50], [51], [52]]
    assert synced(left, given)[0] == 50
    assert found(left, given, given[2][:3], 1) == [[100], [101], [102]]
    named = {left.facts["trained"], "index", *(piece["name"] for piece in left.facts["pieces"])}
    assert {file.stem for file in tmp_path.iterdir()} == named | {"lock"}


def test_nothing_to_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="there is no point"):
        StoredIndex(tmp_path).sync(lambda: [np.zeros((3, 4), np.float32)])
