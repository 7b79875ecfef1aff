"""LSH: which documents share a band of their signatures with another, and the sets that are linked so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.dedup.spill import Spill
from curate.dedup.step import Contributions
from curate.errors import StepError

BAND = np.dtype([("key", "<u8"), ("doc", "<i4")])


def signature_table(table: pa.Table, width: int) -> npt.NDArray[np.uint32]:
    """The column `signature` as an array (rows, width)."""
    column = table["signature"].combine_chunks()
    values: npt.NDArray[np.uint32] = column.flatten().to_numpy().reshape(len(table), width)
    return values


def keys_of(signatures: npt.NDArray[np.uint32], bands: int) -> npt.NDArray[np.uint64]:
    """The 64-bit keys of all bands, (n, bands); the number of the band is part of its key."""
    from curate.kernels.minhash import band_keys

    keys = np.empty((len(signatures), bands), np.uint64)
    band_keys(signatures, bands, signatures.shape[1] // bands, keys)
    return keys


def linked_sets(
    contributions: Contributions, bands: int, width: int, *, folder: Path, limit: int
) -> npt.NDArray[np.int32]:
    """For each document, counted through all units, the first document of its linked set; -1 where it is alone.

    The band table is sorted part by part: at most about three times `limit` bytes, and 4 a document for the result.
    """
    from curate.kernels.linking import flatten, link_buckets

    spill, documents = Spill(BAND, folder, limit), 0
    for table in contributions.tables():
        has_words = np.flatnonzero(table["shingles"].to_numpy() > 0)
        keys = keys_of(signature_table(table, width)[has_words], bands)
        rows = np.empty(keys.size, BAND)
        rows["key"], rows["doc"] = keys.reshape(-1), np.repeat(has_words + documents, bands)
        spill.add(rows)
        documents += len(table)
        if documents > np.iinfo(np.int32).max:
            raise StepError("minhash", "more than 2,147,483,647 documents in one run", "split the input by source")
    parent = np.full(documents, -1, np.int32)
    for rows in spill.sets():
        order = np.argsort(rows["key"])
        link_buckets(rows["key"][order], rows["doc"][order], parent)
    flatten(parent)
    return parent
