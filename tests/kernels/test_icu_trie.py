"""Dictionaries are read from the memory of ICU, and from nothing that is no such ICU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.kernels.icu_trie import load, read


def test_the_dictionary_of_ideographs_is_read() -> None:
    assert len(load("cjdict")) > 100_000


@pytest.mark.parametrize("name", ["thaidict", "nodict"])
def test_what_is_no_trie_of_16_bit_units_is_not_read(name: str) -> None:
    assert len(load(name)) == 0


def test_a_library_that_is_no_icu_gives_no_dictionary(tmp_path: Path) -> None:
    other = next(Path(np.__file__).parent.rglob("_multiarray_umath*.so"))
    damaged = tmp_path / "libicuuc.so.74"
    damaged.write_bytes(b"no library")
    assert len(read(other, "74", "cjdict")) == len(read(damaged, "74", "cjdict")) == 0
