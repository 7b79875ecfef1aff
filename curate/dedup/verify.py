"""The second half of near-dedup: documents linked by LSH are compared by their exact sets of shingles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.dedup.candidates import UNLINKED, keys_of, linked_sets, signature_table
from curate.dedup.remembered import MEMBER_BYTES, Remembered
from curate.dedup.spill import LEAST_LIMIT, Rows, Spill
from curate.dedup.step import Contributions
from curate.dedup.verdicts import Verdicts, with_order
from curate.text import buffers

if TYPE_CHECKING:
    from curate.dedup.minhash import MinhashDedup

# A pair that is similar enough fails the estimate from its signatures with at most this probability.
MISS = 1e-5
# A bucket that holds so many kept documents takes no more: what they share is a template, and a duplicate of a later
# one shares other bands with it too. With the next limit this bounds the work on each document.
BUCKET = 1024
# Exact comparisons for one document; where there are more candidates, those with the most equal hashes.
COMPARISONS = 64
# Spreads the numbers of linked sets over all 64 bits.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def record_type(bands: int, width: int) -> np.dtype[Any]:
    """A linked document: its set (`key`), address, keep order, shingles (where, how many), sketch and band keys."""
    return np.dtype(
        [
            ("key", "<u8"),
            ("order", "<f8"),
            ("at", "<i8"),
            ("bands", "<u8", (bands,)),
            ("unit", "<i4"),
            ("row", "<i4"),
            ("count", "<i4"),
            ("sketch", "u1", (width,)),
        ]
    )


def least_equal(width: int, threshold: float) -> int:
    """The least number of equal hashes of `width` that a pair at `threshold` falls short of with probability < MISS."""
    below = 0.0
    for equal in range(width + 1):
        below += comb(width, equal) * threshold**equal * (1 - threshold) ** (width - equal)
        if below >= MISS:
            return equal
    return width


class ShingleFile:
    """Sorted sets of shingle hashes on disk, with the last used ones in memory: at most `limit` bytes, two at least."""

    def __init__(self, path: Path, limit: int) -> None:
        self.limit = limit
        self._file = path.open("w+b")
        self._end = self._held_bytes = 0
        self._held: OrderedDict[int, npt.NDArray[np.uint64]] = OrderedDict()

    def append(self, values: npt.NDArray[np.uint64]) -> int:
        """Write values; the position (in values) of the first."""
        self._file.seek(self._end * 8)
        self._file.write(values.data)
        self._end += len(values)
        return self._end - len(values)

    def read(self, at: int, count: int) -> npt.NDArray[np.uint64]:
        """The `count` values at position `at`."""
        if at in self._held:
            self._held.move_to_end(at)
            return self._held[at]
        self._file.seek(at * 8)
        values = np.frombuffer(self._file.read(count * 8), np.uint64)
        self._held[at] = values
        self._held_bytes += values.nbytes
        while self._held_bytes > self.limit and len(self._held) > 2:
            self._held_bytes -= self._held.popitem(last=False)[1].nbytes
        return values

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Verification:
    """One run of `resolve`.

    Attributes:
        linked: documents that share a band with another: those whose texts are read again.
        looked: pairs whose sizes and sketches were compared.
        compared: pairs whose shingles were compared.
    """

    def __init__(self, step: MinhashDedup, contributions: Contributions) -> None:
        self.step, self.given = step, contributions
        self.width = step.bands * step.rows
        self.limit = max(contributions.memory // 10, LEAST_LIMIT)
        self.linked = self.looked = self.compared = 0

    def verdicts(self) -> Iterator[pa.Table]:
        """For each unit, in order, a table of `DUPLICATES`."""
        scratch = self.given.scratch
        sets, units = linked_sets(self.given, self.step.bands, self.width, folder=scratch / "bands", limit=self.limit)
        verdicts = Verdicts(scratch / "verdicts", units, self.limit)
        remembered = None
        if self.given.remembered and np.count_nonzero(sets != UNLINKED) * MEMBER_BYTES < self.limit:
            remembered = Remembered(self.given, self.step.keep, sets)
            remembered.recall(sets, verdicts)
        if (sets != UNLINKED).any():
            for found in self._found(sets):
                verdicts.add(*found)
                if remembered:
                    remembered.add(*found)
        if remembered:
            remembered.save()
        yield from verdicts.tables()

    def _found(self, sets: npt.NDArray[np.int32]) -> Iterator[tuple[Rows, Rows, npt.NDArray[np.float64]]]:
        """Compare within the linked sets: drops, what they are dropped for, and how similar they are."""
        shingles = ShingleFile(self.given.scratch / "shingles", self.limit)
        records = Spill(record_type(self.step.bands, self.width), self.given.scratch / "linked", self.limit)
        first = 0
        for unit, table, order in with_order(self.given, self.step.keep):
            roots = sets[first : first + len(table)]
            self._record(unit, table, order, roots, shingles, records)
            first += len(table)
        for rows in records.sets():
            # unit and row order is that of the input: what is equal in `order` stays in it
            yield self._compare(rows[np.lexsort((rows["row"], rows["unit"], -rows["order"]))], shingles)
        shingles.close()

    def _record(
        self,
        unit: int,
        table: pa.Table,
        order: npt.NDArray[np.float64],
        roots: npt.NDArray[np.int32],
        shingles: ShingleFile,
        records: Spill,
    ) -> None:
        """Read the linked documents of a unit again, in pieces: shingles to their file, the rest to `records`."""
        chosen = np.flatnonzero(roots >= 0)
        if len(chosen) == 0:
            return
        signatures = signature_table(table, self.width)
        numbers, lengths = table["row"].to_numpy(), table["length"].to_numpy()
        self.linked += len(chosen)
        # a piece has about this many characters: its shingles take some five times the room
        piece = np.cumsum(lengths[chosen], dtype=np.int64) // max(1, self.limit // 8)
        for part in np.split(chosen, np.flatnonzero(np.diff(piece)) + 1):
            rows = np.empty(len(part), records.dtype)
            rows["key"] = roots[part].astype(np.uint64) * _SPREAD
            rows["unit"], rows["row"], rows["order"] = unit, numbers[part], order[part]
            rows["sketch"] = signatures[part].astype(np.uint8)
            rows["bands"] = keys_of(signatures[part], self.step.bands)
            values, ends = shingle_sets(self.given.texts(unit, numbers[part]), self.step.ngram)
            rows["at"] = shingles.append(values) + ends[:-1]
            rows["count"] = np.diff(ends)
            records.add(rows)

    def _compare(self, rows: Rows, shingles: ShingleFile) -> tuple[Rows, Rows, npt.NDArray[np.float64]]:
        """Go through some whole linked sets, in keep order: each document is kept, or dropped for a kept one."""
        from curate.kernels.linking import place, propose
        from curate.kernels.shingles import similarity

        names, flat = np.unique(rows["bands"], return_inverse=True)
        buckets = flat.reshape(rows["bands"].shape).astype(np.int32)
        sizes = np.bincount(buckets.reshape(-1), minlength=len(names))
        starts = (np.cumsum(sizes) - sizes).astype(np.int32)
        filled, slots = np.zeros(len(names), np.int32), np.empty(buckets.size, np.int32)
        counts, at = np.ascontiguousarray(rows["count"]), rows["at"].tolist()
        sketches = np.ascontiguousarray(rows["sketch"])
        seen, found, alike = (np.full(len(rows), -1, np.int32) for _ in range(3))
        enough, threshold = least_equal(self.width, self.step.threshold), self.step.threshold
        kept, best = np.arange(len(rows)), np.zeros(len(rows))
        for doc in range(len(rows)):
            number, looked = propose(
                doc, buckets, starts, filled, slots, seen, counts, sketches, enough, threshold, found, alike
            )
            self.looked += looked
            if number:
                own = shingles.read(at[doc], int(counts[doc]))
                for other in _likeliest(found[:number], alike[:number]):
                    score = similarity(own, shingles.read(at[other], int(counts[other])), threshold)
                    self.compared += 1
                    if score > best[doc]:
                        kept[doc], best[doc] = other, score
            place(doc, int(kept[doc]), buckets, starts, filled, slots, BUCKET)
        dropped = np.flatnonzero(kept != np.arange(len(rows)))
        return rows[dropped], rows[kept[dropped]], best[dropped]


def _likeliest(found: npt.NDArray[np.int32], alike: npt.NDArray[np.int32]) -> list[int]:
    """At most COMPARISONS of `found`, ascending: of equally similar ones the first in keep order is to stand."""
    if len(found) > COMPARISONS:
        found = found[np.lexsort((found, -alike))[:COMPARISONS]]
    ascending: list[int] = np.sort(found).tolist()
    return ascending


def shingle_sets(text: pa.Array, ngram: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The distinct shingle hashes of each text, ascending, one text after the other; and n + 1 ends."""
    from curate.kernels.segments import word_edges
    from curate.kernels.shingles import distinct, shingle_hashes, word_characters
    from curate.kernels.unicode import tables

    data, offsets = buffers(text)
    size = (int(offsets[-1]) - int(offsets[0])) // 2 + len(text) + 1
    values, ends = np.empty(size, np.uint64), np.empty(len(text) + 1, np.int64)
    edges = word_edges(data, offsets)
    shingle_hashes(data, offsets, ngram, word_characters(), tables().lower, edges, values, ends)
    for start, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        values[start:stop].sort()
    distinct(values, ends)
    return values[: ends[-1]], ends
