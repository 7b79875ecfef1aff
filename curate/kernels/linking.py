"""Loops over LSH buckets: linking the documents of a bucket, and finding candidates among kept documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel
from curate.kernels.shingles import Hashes

Int32 = npt.NDArray[np.int32]
UNLINKED = -1


@kernel
def root_of(parent: Int32, doc: Any) -> Any:
    """The root of a linked document; halves the path to it."""
    while parent[doc] != doc:
        parent[doc] = parent[parent[doc]]
        doc = parent[doc]
    return doc


@kernel
def link_buckets(keys: Hashes, docs: Int32, parent: Int32) -> None:
    """Link in the union-find `parent` (n,) all documents with the same key; `keys` (m,) ascending, `docs` beside it.

    A document that shares no key stays UNLINKED; the root of a set is its smallest document, whatever the order.
    """
    for i in range(1, len(keys)):
        if keys[i] != keys[i - 1] or docs[i] == docs[i - 1]:
            continue
        a, b = docs[i - 1], docs[i]
        if parent[a] == UNLINKED:
            parent[a] = a
        if parent[b] == UNLINKED:
            parent[b] = b
        a, b = root_of(parent, a), root_of(parent, b)
        if a < b:
            parent[b] = a
        elif b < a:
            parent[a] = b


@kernel
def flatten(parent: Int32) -> None:
    """Make `parent` the root of every linked document."""
    for doc in range(len(parent)):
        if parent[doc] != UNLINKED:
            parent[doc] = root_of(parent, doc)


@kernel
def propose(
    doc: int,
    buckets: Int32,
    starts: Int32,
    filled: Int32,
    slots: Int32,
    seen: Int32,
    counts: Int32,
    sketches: npt.NDArray[np.uint8],
    least_equal: int,
    threshold: float,
    out: Int32,
    alike: Int32,
) -> tuple[int, int]:
    """The kept documents in the buckets of `doc` that may be similar enough, to `out`: (how many, how many looked at).

    Bucket b holds `slots[starts[b]:starts[b] + filled[b]]`. A kept document is left out where the sizes of the two
    shingle sets rule out `threshold`, or where fewer than `least_equal` bytes of the sketches are equal; how many are
    goes to `alike`, beside `out`.
    """
    found, looked = 0, 0
    for band in range(buckets.shape[1]):
        bucket = buckets[doc, band]
        for at in range(starts[bucket], starts[bucket] + filled[bucket]):
            other = slots[at]
            if seen[other] == doc:
                continue
            seen[other] = doc
            looked += 1
            small, large = min(counts[doc], counts[other]), max(counts[doc], counts[other])
            if small / large < threshold:
                continue
            equal = 0
            for k in range(sketches.shape[1]):
                equal += sketches[doc, k] == sketches[other, k]
            if equal >= least_equal:
                out[found], alike[found] = other, equal
                found += 1
    return found, looked


@kernel
def place(doc: int, kept: int, buckets: Int32, starts: Int32, filled: Int32, slots: Int32, most: int) -> None:
    """Put `kept`, which stands for `doc`, in each bucket of `doc` that holds neither it nor `most` others."""
    for band in range(buckets.shape[1]):
        bucket = buckets[doc, band]
        if filled[bucket] >= most:
            continue
        end = starts[bucket] + filled[bucket]
        present = False
        if kept != doc:
            for at in range(starts[bucket], end):
                if slots[at] == kept:
                    present = True
                    break
        if not present:
            slots[end] = kept
            filled[bucket] += 1
