"""LSH: which documents share a band of their signatures with another, and the sets that are linked so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.dedup.spill import Spill
from curate.dedup.step import Contributions
from curate.errors import StepError

UNLINKED = -1
_33 = np.uint64(33)
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
BAND = np.dtype([("key", "<u8"), ("doc", "<i4")])


def signature_table(table: pa.Table, width: int) -> npt.NDArray[np.uint32]:
    """The column `signature` as an array (rows, width)."""
    column = table["signature"].combine_chunks()
    values: npt.NDArray[np.uint32] = column.flatten().to_numpy().reshape(len(table), width)
    return values


def keys_of(signatures: npt.NDArray[np.uint32], bands: int) -> npt.NDArray[np.uint64]:
    """The 64-bit keys of all bands, (n, bands); the number of the band is part of its key."""
    values = signatures.reshape(len(signatures), bands, signatures.shape[1] // bands)
    keys = np.tile(np.arange(1, bands + 1, dtype=np.uint64), (len(signatures), 1))
    for row in range(values.shape[2]):
        keys = mixed(keys ^ values[:, :, row])
    return keys


def mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijection of uint64 in which every bit depends on every bit (the finaliser of MurmurHash3), of an array.

    In numpy, as all here: a run in which no document is new then needs no kernel, and loads none.
    """
    x = (x ^ (x >> _33)) * _MIX1
    x = (x ^ (x >> _33)) * _MIX2
    return x ^ (x >> _33)


def linked_sets(
    contributions: Contributions, bands: int, width: int, *, folder: Path, limit: int
) -> tuple[npt.NDArray[np.int32], int]:
    """For each document, counted through all units, the first of its linked set, UNLINKED where it is alone; and units.

    The band table is sorted part by part: at most about three times `limit` bytes, and 4 a document for the result.
    """
    spill, documents, units = Spill(BAND, folder, limit), 0, 0
    for table in contributions.tables():
        has_words = np.flatnonzero(table["shingles"].to_numpy() > 0)
        keys = keys_of(signature_table(table, width)[has_words], bands)
        rows = np.empty(keys.size, BAND)
        rows["key"], rows["doc"] = keys.reshape(-1), np.repeat(has_words + documents, bands)
        spill.add(rows)
        documents, units = documents + len(table), units + 1
        if documents > np.iinfo(np.int32).max:
            raise StepError("minhash", "more than 2,147,483,647 documents in one run", "split the input by source")
    parent = np.full(documents, UNLINKED, np.int32)
    for rows in spill.sets():
        rows = rows[np.argsort(rows["key"])]
        same = rows["key"][1:] == rows["key"][:-1]
        link(parent, rows["doc"][:-1][same], rows["doc"][1:][same])
    linked = np.flatnonzero(parent != UNLINKED)
    parent[linked] = _roots(parent, linked)
    return parent, units


def link(parent: npt.NDArray[np.int32], a: npt.NDArray[np.int32], b: npt.NDArray[np.int32]) -> None:
    """Join in the union-find `parent` (n,), UNLINKED where a document is alone, the sets of each a[i] and b[i].

    The root of a set is its smallest document, whatever the order. Each round hangs roots on smaller ones.
    """
    a, b = a[a != b], b[a != b]
    for docs in (a, b):
        alone = docs[parent[docs] == UNLINKED]
        parent[alone] = alone
    while len(a):
        a, b = _roots(parent, a), _roots(parent, b)
        a, b = np.minimum(a, b)[a != b], np.maximum(a, b)[a != b]
        np.minimum.at(parent, b, a)


def _roots(parent: npt.NDArray[np.int32], docs: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """The roots of linked documents."""
    roots: npt.NDArray[np.int32] = parent[docs]
    while not np.array_equal(above := parent[roots], roots):
        roots = parent[above]
    parent[docs] = roots
    return roots
