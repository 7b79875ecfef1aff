"""An index in a folder: trained once, added to by content, sharded in pieces, whole after a crash.

    index.json      kind, dimensions, effort, and the pieces: what it does not name is not there
    trained.faiss   the trained index without a point
    NAME.faiss      a piece of at most `PIECE_ROWS` points, searched where it lies on disk
    NAME.npy        the key of each of its points, uint64
    NAME-points.npy of ivf_pq: the points, float16, by which what it finds is compared again

A point that is there already is not added again, wherever it stands now; of equal points one is held. What no version
has any more is passed over, and the whole is built anew when that is more than half of it, or when there are four times
the points it was trained for.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.files import read_json, sync, write_json
from curate.select.index import VectorIndex, held_out, training_sample
from curate.select.index_kind import Kind
from curate.select.points import Points, blocks, unit_points, valid_rows
from curate.select.recall import Rows

FORMAT = 4
PIECE_ROWS = 1 << 20
# So many times the points it was trained for, an index is trained anew.
OUTGROWN = 4
# The key of a row that is no point.
NOTHING = np.uint64(0)

Keys = npt.NDArray[np.uint64]
Source = Callable[[], Iterable[Points]]


@dataclass(frozen=True)
class Synced:
    """What became of an index: points that were added, points it answers from, and whether it was built from nothing."""

    added: int
    points: int
    rebuilt: bool


def point_keys(points: Iterable[Points]) -> Keys:
    """The key of each row, by its bytes: two multilinear hashes modulo 2^64, mixed. `NOTHING` for a row that is no point."""
    found: list[Keys] = [np.zeros(0, np.uint64)]
    weights: Any = None
    for block in blocks(points, 1 << 14):
        if weights is None:
            weights = np.random.default_rng(0).integers(1, 1 << 63, (block.shape[1], 2), np.uint64) | np.uint64(1)
        with np.errstate(over="ignore"):
            sums = block.view(np.uint32).astype(np.uint64) @ weights
            keys = (
                sums[:, 0] ^ (sums[:, 1] * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)) ^ sums[:, 1] << np.uint64(32)
            )
        keys[keys == NOTHING] = np.uint64(1)
        keys[~valid_rows(block)] = NOTHING
        found.append(keys)
    return np.concatenate(found)


class StoredIndex:
    """The index in a folder. `sync` makes it hold given points, `search` answers from them alone."""

    def __init__(self, folder: Path, *, kind: Kind | None = None, memory: int = 2 << 30, seed: int = 0) -> None:
        """`kind`: that which size and `memory` ask for if None. An index of another kind there is built anew."""
        self.folder, self._kind, self._memory, self._seed = folder, kind, memory, seed
        self._opened: tuple[list[VectorIndex], Keys] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """`index.json`; empty where nothing is that was built with these settings."""
        found: dict[str, Any] = read_json(self.folder / "index.json") or {}
        wanted = {"format": FORMAT, "seed": self._seed} | ({"kind": self._kind} if self._kind else {})
        return found if all(found.get(name) == value for name, value in wanted.items()) else {}

    def sync(self, source: Source) -> tuple[Synced, Keys]:
        """Make the index hold all points that `source` yields, which is called more than once and gives the same.

        Returns what was done, and the key of each row of the source.
        """
        with self._locked():
            keys = point_keys(source())
            wanted = np.unique(keys[keys != NOTHING])
            held = self._keys()
            lost = len(held) - int(np.isin(held, wanted).sum())
            rebuilt = not len(held) or lost > len(wanted) or len(wanted) > OUTGROWN * self.facts["expected"]
            # a build that was killed before its end is begun anew
            rebuilt = rebuilt or not self.facts["tuned"]
            if rebuilt:
                self._create(source, len(wanted))
                held = held[:0]
            # the first row of each key that is not held
            first = np.unique(keys, return_index=True)[1]
            fresh = np.zeros(len(keys), np.bool_)
            fresh[first] = True
            fresh &= ~np.isin(keys, held) & (keys != NOTHING)
            later = np.zeros(len(keys), np.bool_)
            if rebuilt and self.facts["kind"] != "flat":
                later[np.flatnonzero(fresh)[held_out(int(fresh.sum()), self._seed)]] = True
            self._append(fresh & ~later, keys, source)
            if rebuilt:
                self._tune(source, fresh & ~later, later)
                self._append(later, keys, source)
            self._sweep()
            return Synced(int(fresh.sum()), len(wanted), rebuilt), keys

    def search(self, queries: Points, k: int, keys: Keys) -> tuple[Points, Rows]:
        """The k nearest rows of the source whose keys are given: nearness (m, k) float32, row (m, k) int64.

        NaN and -1 where there are fewer. Rows of equal points stand together, in their order.
        """
        if self._opened is None:
            self._opened = self._load(), self._keys()
        pieces, held = self._opened
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        alive = np.isin(held, keys)
        near, found, start = [], [], 0
        for piece in pieces:
            among = alive[start : start + piece.rows]
            distance, rows = piece.search(queries, k, among=None if among.all() else among)
            near.append(distance)
            found.append(np.where(rows < 0, -1, rows + start))
            start += piece.rows
        joined, numbers = np.hstack(near), np.hstack(found)
        best = np.argsort(-joined, axis=1, kind="stable")[:, :k]
        joined, numbers = np.take_along_axis(joined, best, 1), np.take_along_axis(numbers, best, 1)
        nearness, rows = np.full((len(queries), k), np.nan, np.float32), np.full((len(queries), k), -1, np.int64)
        for line, (distance, number) in enumerate(zip(joined, numbers, strict=True)):
            number = number[number >= 0]
            left, right = (np.searchsorted(ranked, held[number], side) for side in ("left", "right"))
            expanded = np.concatenate([order[a:b] for a, b in zip(left, right, strict=True)] or [order[:0]])[:k]
            rows[line, : len(expanded)] = expanded
            nearness[line, : len(expanded)] = np.repeat(distance[: len(number)], right - left)[:k]
        return nearness, rows

    # --- what is on disk ---------------------------------------------------------------------------------------------

    def _keys(self) -> Keys:
        """The key of each point, in the order of its number."""
        parts = [np.load(self.folder / f"{piece['name']}.npy") for piece in self.facts.get("pieces", ())]
        return np.concatenate([np.zeros(0, np.uint64), *parts])

    def _load(self) -> list[VectorIndex]:
        """Each piece as it lies on disk, with its points where they are stored."""
        found = []
        for piece in self.facts["pieces"]:
            found.append(self._read(piece["name"], piece["rows"], mapped=True))
            found[-1].stored = self._points(piece["name"])
        return found

    def _points(self, name: str) -> Any:
        """(rows, d) float16, mapped; None but of ivf_pq."""
        return np.load(self.folder / f"{name}-points.npy", mmap_mode="r") if self.facts["kind"] == "ivf_pq" else None

    def _read(self, name: str, rows: int, *, mapped: bool) -> VectorIndex:
        facts = self.facts
        path = self.folder / f"{name}.faiss"
        found = VectorIndex.load(path, facts["kind"], "cosine", facts["dimensions"], rows, mapped=mapped)
        found.effort, found.rerank = facts["effort"], facts["rerank"]
        return found

    def _create(self, source: Source, expected: int) -> None:
        """Train on a sample of the points."""
        sample = training_sample(source(), expected, self._seed)
        made = VectorIndex.train(sample, expected=expected, kind=self._kind, memory=self._memory, seed=self._seed)
        name = f"trained-{hashlib.blake2b(sample.tobytes(), digest_size=6).hexdigest()}"
        self._save(made, name)
        self._write(
            {
                "format": FORMAT, "kind": made.kind, "dimensions": made.dimensions, "seed": self._seed,
                "expected": expected, "effort": made.effort, "rerank": made.rerank, "recall": None,
                "tuned": False, "trained": name, "pieces": [],
            }
        )  # fmt: skip

    def _append(self, fresh: npt.NDArray[np.bool_], keys: Keys, source: Source) -> None:
        """Add the rows that are `fresh`, filling the last piece first."""
        if not fresh.any():
            return
        piece, start, kept = self._last_piece(), 0, self.facts["kind"] == "ivf_pq"
        for block in blocks(source()):
            rows = np.flatnonzero(fresh[start : start + len(block)])
            while len(rows):
                if piece.index.rows == PIECE_ROWS:
                    self._commit(piece)
                    piece = _Piece(self._read(self.facts["trained"], 0, mapped=False), [], [])
                now, rows = np.split(rows, [PIECE_ROWS - piece.index.rows])
                piece.index.add(block[now])
                piece.keys.append(keys[start + now])
                if kept:
                    piece.points.append(unit_points(block[now])[0].astype(np.float16))
            start += len(block)
        self._commit(piece)

    def _last_piece(self) -> _Piece:
        last = (self.facts["pieces"] or [None])[-1]
        if last is None or last["rows"] == PIECE_ROWS:
            return _Piece(self._read(self.facts["trained"], 0, mapped=False), [], [])
        held, points = np.load(self.folder / f"{last['name']}.npy"), self._points(last["name"])
        read = self._read(last["name"], last["rows"], mapped=False)
        return _Piece(read, [held], [] if points is None else [points], replaces=True)

    def _commit(self, piece: _Piece) -> None:
        """Write a piece beside what is there, then name it: until then the index is what it was."""
        keys = np.concatenate(piece.keys)
        name = hashlib.blake2b(keys.tobytes(), digest_size=8).hexdigest()
        self._save(piece.index, name)
        facts = self.facts
        beside = {name: keys} | ({f"{name}-points": np.concatenate(piece.points)} if facts["kind"] == "ivf_pq" else {})
        for own, values in beside.items():
            np.save(self.folder / f"{own}.npy", values)
            sync(self.folder / f"{own}.npy")
        kept = facts["pieces"][:-1] if piece.replaces else facts["pieces"]
        self._write({**facts, "pieces": [*kept, {"name": name, "rows": piece.index.rows}]})

    def _added(self, source: Source, fresh: npt.NDArray[np.bool_]) -> Iterator[Points]:
        """The points of the first piece, in order, after a build from nothing."""
        start, room = 0, PIECE_ROWS
        for block in blocks(source()):
            chosen = block[fresh[start : start + len(block)]][:room]
            start, room = start + len(block), room - len(chosen)
            yield chosen
            if not room:
                return

    def _tune(self, source: Source, fresh: npt.NDArray[np.bool_], later: npt.NDArray[np.bool_]) -> None:
        """Find the effort on the first piece, by points that are added later: all pieces are alike."""
        facts = self.facts
        if facts["kind"] != "flat":
            first, start, asked = self._load()[0], 0, []
            for block in blocks(source()):
                asked.append(block[later[start : start + len(block)]])
                start += len(block)
            recall = first.tune(lambda: self._added(source, fresh), np.concatenate(asked))
            facts |= {
                "effort": first.effort,
                "rerank": first.rerank,
                "recall": None if recall is None else round(recall, 4),
            }
        self._write({**facts, "tuned": True})

    def _save(self, index: VectorIndex, name: str) -> None:
        path = self.folder / f"{name}.faiss"
        index.save(path)
        sync(path)

    def _write(self, facts: dict[str, Any]) -> None:
        write_json(self.folder / "index.json", facts)
        self._opened = None

    def _sweep(self) -> None:
        """Remove what `index.json` does not name."""
        facts = self.facts
        named = {facts["trained"], "index", *(piece["name"] for piece in facts["pieces"])}
        for file in self.folder.iterdir():
            if file.stem.removesuffix("-points") not in named and file.suffix in (".faiss", ".npy", ".tmp"):
                file.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@dataclass
class _Piece:
    """A piece that is being filled: its index, the keys of its points, and they themselves in float16."""

    index: VectorIndex
    keys: list[Keys]
    points: list[Any]
    replaces: bool = False
