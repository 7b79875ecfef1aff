"""Loops over LSH buckets: finding candidates among kept documents."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel

Int32 = npt.NDArray[np.int32]


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
