"""The keyed permutation: a bijection, another one for each key, without a pattern that a shuffle lacks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import kernel
from curate.kernels.permutation import epoch_key, permuted


@kernel
def order(count: int, key: np.uint64) -> np.ndarray:
    """The whole permutation."""
    out = np.empty(count, np.int64)
    for i in range(count):
        out[i] = permuted(i, count, key)
    return out


@kernel
def keyed(key: np.uint64, epoch: int) -> np.uint64:
    """The key of an epoch."""
    return epoch_key(key, epoch)


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
def test_it_is_a_bijection(count: int, key: int) -> None:
    assert np.array_equal(np.sort(order(count, np.uint64(key))), np.arange(count))


@pytest.mark.parametrize("count", [97, 128, 1000])
def test_every_place_is_as_likely_as_another(count: int) -> None:
    """Chi-square of where item 0 and item count - 1 go, over many keys, and of the distance of neighbours."""
    keys = 20000
    found = np.array([[permuted_at(i, count, key) for i in (0, 1, count - 1)] for key in range(keys)])
    for column in (found[:, 0], found[:, 2], (found[:, 1] - found[:, 0]) % count):
        seen = np.bincount(column, minlength=count)[
            1 if column is not found[:, 0] and column is not found[:, 2] else 0 :
        ]
        expected = keys / len(seen)
        chi = float(((seen - expected) ** 2 / expected).sum())
        assert abs(chi - len(seen)) < 6 * np.sqrt(2 * len(seen))


@kernel
def permuted_at(index: int, count: int, key: int) -> int:
    """One place of it."""
    return permuted(index, count, np.uint64(key))


def test_epochs_have_keys_of_their_own() -> None:
    assert len({int(keyed(np.uint64(5), epoch)) for epoch in range(1000)}) == 1000
