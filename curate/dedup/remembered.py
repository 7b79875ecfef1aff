"""What near-dedup found in each set of linked documents, kept from run to run: the same set is not compared again.

What is found in a set depends on its members and their order alone. So one file, named for the settings, serves every
run; a changed rule or one per cent of new input compares the sets that it changed and no other.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from curate.dedup.candidates import UNLINKED, mixed
from curate.dedup.step import Contributions
from curate.dedup.verdicts import Verdicts, with_order
from curate.files import write_file

MEMBER = np.dtype([("root", "<i4"), ("doc", "<i4"), ("unit", "<i4"), ("row", "<i4"), ("order", "<f8")])
# What a linked document takes here at most: as a member, sorted and hashed.
MEMBER_BYTES = 100
# A drop: the places of both documents in their set; `dropped` is -1 in the only row of a set without drops.
DROP: dict[str, type[pl.DataType]] = {"dropped": pl.Int32, "kept": pl.Int32, "similarity": pl.Float64}
# The name of a set: two hashes of its members.
NAME: dict[str, type[pl.DataType]] = {"high": pl.UInt64, "low": pl.UInt64}
_PLACE, _LOW = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)

Members = npt.NDArray[Any]


class Remembered:
    """The linked sets of a run, and what earlier runs found in them.

    Attributes:
        members: the documents of all sets, set by set, each in keep order.
        starts: where each set begins.
    """

    def __init__(self, given: Contributions, keep: str, roots: npt.NDArray[np.int32]) -> None:
        assert given.remembered
        self._path = given.remembered
        self.members = _members(given, keep, roots)
        self.starts = np.flatnonzero(np.diff(self.members["root"], prepend=-1))
        self._sets = _named(given.units, self.members, self.starts)
        stored = pl.read_ipc(self._path) if self._path.exists() else pl.DataFrame(schema=NAME | DROP)
        self._known = stored.join(self._sets, on=list(NAME))
        self._new = [pl.DataFrame(schema={"set": pl.Int64, **DROP})]

    def recall(self, roots: npt.NDArray[np.int32], verdicts: Verdicts) -> None:
        """Add the drops of known sets to `verdicts`, and mark the documents of these sets as UNLINKED in `roots`."""
        drops = self._known.filter(pl.col("dropped") >= 0)
        first = self.starts[drops["set"].to_numpy()]
        dropped, kept = (self.members[first + drops[name].to_numpy()] for name in ("dropped", "kept"))
        verdicts.add(dropped, kept, drops["similarity"].to_numpy())
        known = np.zeros(len(self.starts), np.bool_)
        known[self._known["set"].to_numpy()] = True
        sizes = np.diff(self.starts, append=len(self.members))
        roots[self.members["doc"][np.repeat(known, sizes)]] = UNLINKED

    def add(self, dropped: Members, kept: Members, similarity: npt.NDArray[np.float64]) -> None:
        """Take note of drops: (n,) each, with the fields `unit` and `row`."""
        where, at = self._places(dropped), self._places(kept)
        number = np.searchsorted(self.starts, where, "right") - 1
        columns = [number, where - self.starts[number], at - self.starts[number], similarity]
        self._new.append(pl.DataFrame(columns, {"set": pl.Int64, **DROP}))

    def save(self) -> None:
        """Write what is known of the sets of this run, and of no other."""
        drops = pl.concat(self._new)
        new = self._sets.join(self._known, on="set", how="anti").join(drops, on="set", how="left")
        new = new.with_columns(pl.col("dropped").fill_null(-1))
        buffer = io.BytesIO()
        pl.concat([frame.select([*NAME, *DROP]) for frame in (self._known, new)]).write_ipc(buffer, compression="lz4")
        write_file(self._path, buffer.getvalue())

    def _places(self, rows: Members) -> npt.NDArray[np.int64]:
        addresses = _addresses(self.members)
        order = np.argsort(addresses)
        found: npt.NDArray[np.int64] = order[np.searchsorted(addresses, _addresses(rows), sorter=order)]
        return found


def _addresses(rows: Members) -> npt.NDArray[np.int64]:
    address: npt.NDArray[np.int64] = rows["unit"].astype(np.int64) << 32 | rows["row"]
    return address


def _members(given: Contributions, keep: str, roots: npt.NDArray[np.int32]) -> Members:
    parts, first = [np.empty(0, MEMBER)], 0
    for unit, table, order in with_order(given, keep):
        own = roots[first : first + len(table)]
        chosen = np.flatnonzero(own != UNLINKED)
        part = np.empty(len(chosen), MEMBER)
        part["root"], part["doc"], part["unit"] = own[chosen], first + chosen, unit
        part["row"], part["order"] = table["row"].to_numpy()[chosen], order[chosen]
        parts.append(part)
        first += len(table)
    members = np.concatenate(parts)
    # the order of the input stands where `order` is equal
    return members[np.lexsort((members["doc"], -members["order"], members["root"]))]


def _named(units: tuple[str, ...], members: Members, starts: npt.NDArray[np.int64]) -> pl.DataFrame:
    """`high`, `low`: the name of each set, from the unit, row and place of all members; and its number, `set`."""
    unit = np.array([int(name[:16], 16) for name in units], np.uint64)[members["unit"]]
    place = np.arange(len(members)) - np.repeat(starts, np.diff(starts, append=len(members)))
    own = mixed(mixed(unit ^ members["row"].astype(np.uint64)) + place.astype(np.uint64) * _PLACE)
    halves = [np.add.reduceat(part, starts) if len(starts) else part for part in (own, mixed(own ^ _LOW))]
    return pl.DataFrame([*halves, np.arange(len(starts))], {**NAME, "set": pl.Int64})
