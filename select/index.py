"""Nearest neighbours among embeddings, by FAISS: flat, HNSW, IVF or IVF-PQ as size and memory ask for.

    index = VectorIndex.build(vectors)             # (n, d) float32, or a sequence of blocks; cosine unless metric="l2"
    nearness, rows = index.search(queries, 10)     # (m, 10) float32, (m, 10) int64; NaN and -1 where there are fewer

In parts: `VectorIndex.train(sample, expected=n)`, then `add` for each block, in order. Everything runs on one thread
unless said otherwise and is a function of points, order and seed; the links of HNSW also of where blocks end. Where FAISS
sees GPUs, flat and ivf are searched there, in float16.

Bytes a point of d dimensions: flat and ivf 4 d, hnsw 4 d + 288, ivf_pq d / 4 (four bits for two dimensions) and beside it
2 d of float16 (`stored`, which may be mapped from a file), by which what the product quantiser finds is compared again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf, sqrt
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curate.errors import CurateError
from curate.select.faiss_module import faiss_module, gpus, on_gpus, threads
from curate.select.index_kind import HNSW_LINKS, MEMORY, PQ_BITS, PQ_WIDTH, Kind, choose_kind, lists_of, on_gpu
from curate.select.kmeans import kmeans
from curate.select.points import Mask, Points, blocks, check_width, sample_points, unit_points, valid_rows
from curate.select.recall import Rows, recalls

Metric = Literal["cosine", "l2"]

# Points a list on which the centroids of lists are trained, and the rounds.
POINTS_A_LIST, ROUNDS = 64, 10
# Points that a product quantiser is trained on.
PQ_POINTS = 1 << 14
# Points that are held back while an index is tuned, at most a tenth of all: queries that it has not seen.
HELD_OUT = 300
# Where `tune` begins, and the recall that twice the effort must gain, else it stops.
LEAST_EFFORT: dict[Kind, int] = {"hnsw": 16, "ivf": 1, "ivf_pq": 1}
LEAST_GAIN = 0.005
# Standard errors between the mean recall of the queries and its lower bound: one-sided, 95 %.
MARGIN = 1.645
# What float32 may leave of a squared length of 1.
UNIT = 1e-6
# Candidates for each neighbour that is wanted, where they are compared again by stored vectors; the most, where a tuned index
# finds too little with so many; and queries at once.
RERANK, MOST_RERANK, RERANKED = 10, 40, 128


class VectorIndex:
    """Points that can be searched. Rows are numbered from 0 as they were added; rows that are no points are never found.

    `effort` is how many lists (IVF) or candidates (HNSW) a search looks at; `tune` sets it by measured recall.
    """

    def __init__(self, faiss_index: Any, kind: Kind, metric: Metric, dimensions: int, *, rows: int = 0) -> None:
        """Over a FAISS index whose numbers are ours and below `rows`; see `build` and `train`."""
        self.faiss, self.kind, self.metric, self.dimensions, self.rows = faiss_index, kind, metric, dimensions, rows
        self.recall: float | None = None
        #: candidates for each neighbour that is wanted, which are compared again where points are `stored`
        self.rerank = RERANK
        self._answering: Any = None
        #: (rows, d) of any float, mapped from a file at will: the points, by which candidates are compared again
        self.stored: npt.NDArray[Any] | None = None

    @classmethod
    def build(
        cls,
        points: Points | Sequence[Points],
        *,
        kind: Kind | None = None,
        metric: Metric = "cosine",
        memory: int = MEMORY,
        seed: int = 0,
        recall: float = 0.95,
    ) -> VectorIndex:
        """Train on a sample, add all, and tune the effort to find `recall` of the ten nearest of points not seen before.

        These are a sample that is held back until the effort is found.
        """
        parts = [points] if isinstance(points, np.ndarray) else points
        expected = sum(len(part) for part in parts)
        sample = training_sample(parts, expected, seed)
        made = cls.train(sample, expected=expected, kind=kind, metric=metric, memory=memory, seed=seed)
        held = held_out(expected, seed) if made.kind != "flat" else np.zeros(expected, np.bool_)

        def known() -> Iterator[Points]:
            start = 0
            for block in blocks(parts):
                own = held[start : start + len(block)]
                start += len(block)
                yield np.where(own[:, None], np.float32("nan"), block) if own.any() else block

        for block in known():
            made.add(block)
        if made.kind == "ivf_pq":
            made.stored = (
                points if isinstance(points, np.ndarray) else np.concatenate([_halved(p, metric) for p in parts])
            )
        if made.kind != "flat":
            numbers, asked = np.flatnonzero(held), _rows_of(parts, held)
            made.tune(known, asked, recall=recall)
            with threads(1):
                made._put(asked, numbers)
        return made

    @classmethod
    def train(
        cls,
        sample: Points,
        *,
        expected: int,
        kind: Kind | None = None,
        metric: Metric = "cosine",
        memory: int = MEMORY,
        seed: int = 0,
    ) -> VectorIndex:
        """An empty index for about `expected` points like the `sample`."""
        width = sample.shape[1]
        kind = kind or choose_kind(expected, width, memory)
        known = unit_points(sample)[0] if metric == "cosine" else sample[valid_rows(sample)]
        made = cls(None, kind, metric, width)
        with threads(1):
            made.faiss = _empty(made._padded(known), kind, metric, lists_of(expected), seed)
        return made

    def add(self, points: Points) -> None:
        """(n, d) more rows, numbered on from the last."""
        with threads(1):
            for block in blocks(points):
                self._put(block, np.arange(self.rows, self.rows + len(block)))
                self.rows += len(block)

    def _put(self, block: Points, numbers: Rows) -> None:
        """Add (n, d) rows under these (n,) numbers."""
        check_width(block, self.dimensions)
        chosen, valid = self._comparable(block)
        self._answering = None
        if len(chosen):
            self.faiss.add_with_ids(self._padded(chosen), numbers if valid.all() else numbers[valid])

    def search(
        self, queries: Points, k: int, *, among: Mask | None = None, threads_used: int = 1
    ) -> tuple[npt.NDArray[np.float32], Rows]:
        """(m, d) queries -> the k nearest of each, the nearest first: nearness (m, k) float32 and rows (m, k) int64.

        Nearness is the cosine, or the negative squared distance. `among` (rows,) says which rows may be found. Where the
        index has `stored` points, `rerank` x k candidates are compared again by them. NaN and -1 stand where there are fewer
        than k, and for a query that is no point.
        """
        check_width(queries, self.dimensions)
        chosen, valid = self._asked(np.ascontiguousarray(queries, np.float32))
        if not len(chosen) or not self.rows or k < 1:
            return np.full((len(queries), k), np.nan, np.float32), np.full((len(queries), k), -1, np.int64)
        wide = k if self.stored is None else min(self.rerank * k, self.rows)
        with threads(threads_used):
            if among is None:
                found, numbers = self._answers().search(self._padded(chosen), wide)
            else:
                found, numbers = self.faiss.search(self._padded(chosen), wide, params=self._parameters(among))
        if self.stored is not None:
            found, numbers = self._again(chosen, numbers, self.stored, k)
        elif self.metric == "l2":
            found = -found
        # FAISS puts those that are lacking last
        if min(numbers[:, -1].tolist()) < 0:
            found = np.where(numbers >= 0, found, np.float32("nan"))
        if valid is None and found.shape[1] == k:
            return found, numbers
        near, rows = np.full((len(queries), k), np.nan, np.float32), np.full((len(queries), k), -1, np.int64)
        own = slice(None) if valid is None else valid
        near[own, : found.shape[1]] = found
        rows[own, : found.shape[1]] = numbers
        return near, rows

    def _again(
        self, queries: Points, numbers: Rows, stored: npt.NDArray[Any], k: int
    ) -> tuple[npt.NDArray[np.float32], Rows]:
        """The k nearest of each query's candidates (m, c), -1 for none, by the stored points."""
        near = np.full(numbers.shape, np.nan, np.float32)
        for start in range(0, len(queries), RERANKED):
            own, part = numbers[start : start + RERANKED], queries[start : start + RERANKED]
            points = np.asarray(stored[np.maximum(own, 0)], np.float32)
            if self.metric == "cosine":
                lengths = np.sqrt(np.vecdot(points, points))
                close = np.vecdot(points, part[:, None]) / np.maximum(lengths, np.finfo(np.float32).tiny)
            else:
                close = -((points - part[:, None]) ** 2).sum(axis=2)
            near[start : start + RERANKED] = np.where(own >= 0, close, np.nan)
        order = np.argsort(-near, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(near, order, 1), np.take_along_axis(numbers, order, 1)

    @property
    def effort(self) -> int:
        """Lists or candidates that a search looks at; 0 where it looks at all points."""
        inner = _inner(self.faiss)
        if self.kind == "flat":
            return 0
        return int(inner.hnsw.efSearch if self.kind == "hnsw" else inner.nprobe)

    @effort.setter
    def effort(self, value: int) -> None:
        inner = _inner(self.faiss)
        if self.kind == "hnsw":
            inner.hnsw.efSearch = value
        elif self.kind != "flat":
            inner.nprobe = min(value, inner.nlist)
            if self._answering is not None and self._answering is not self.faiss:
                faiss_module().GpuParameterSpace().set_index_parameter(self._answering, "nprobe", inner.nprobe)

    def save(self, path: Path) -> None:
        """Write the FAISS index to a new file; kind, dimensions and number of rows are the caller's to remember."""
        faiss_module().write_index(self.faiss, str(path))

    @classmethod
    def load(
        cls, path: Path, kind: Kind, metric: Metric, dimensions: int, rows: int, *, mapped: bool = True
    ) -> VectorIndex:
        """What `save` wrote. `mapped`: left on disk where FAISS can, to be searched and not added to."""
        faiss = faiss_module()
        flag = getattr(faiss, "IO_FLAG_MMAP" if kind.startswith("ivf") else "IO_FLAG_MMAP_IFC", 0) if mapped else 0
        return cls(faiss.read_index(str(path), flag), kind, metric, dimensions, rows=rows)

    def _answers(self) -> Any:
        """The FAISS index that is searched: a copy on GPUs, made once all points are there, or our own."""
        if self._answering is None:
            self._answering = on_gpus(self.faiss) if on_gpu(self.kind, gpus()) else self.faiss
        return self._answering

    def tune(self, points: Callable[[], Iterable[Points]], asked: Points, *, recall: float = 0.95) -> float | None:
        """Set the least effort that finds `recall` of the ten nearest of the queries `asked` (m, d), to a sixteenth of it.

        Found by doubling, then by halving between the last two. The recall must be there with a margin, the lower bound of
        a one-sided interval of 95 % for the mean over queries, which are to be points that the index does not hold: those
        that it holds are found too easily, by a graph above all. `points` yields those that it holds, and is called once.
        Where points are `stored` and no effort is enough, twice as many candidates are compared again (`rerank`), at most
        `MOST_RERANK`. Returns the recall at that effort (at the one from which no more is found, where none is enough),
        which `self.recall` then has too; None, and the most effort, without a query.
        """
        most = 1024 if self.kind == "hnsw" else int(_inner(self.faiss).nlist)
        asked = asked[valid_rows(asked)]
        if not len(asked):
            self.effort = most
            return None
        wanted = exact_neighbours(points(), asked, 10, metric=self.metric)[1]
        measured: dict[int, tuple[float, bool]] = {}

        def enough(effort: int) -> bool:
            self.effort = effort
            shares = recalls(self.search(asked, 10)[1], wanted)
            mean, error = float(shares.mean()), float(shares.std()) / np.sqrt(len(shares))
            measured[effort] = mean, mean - MARGIN * error >= recall
            return measured[effort][1]

        low = effort = min(LEAST_EFFORT[self.kind], most)
        before = -1.0
        while not enough(effort):
            if effort < most and measured[effort][0] - before >= LEAST_GAIN:
                low, effort, before = effort, min(2 * effort, most), measured[effort][0]
            elif self.stored is not None and self.rerank < MOST_RERANK:
                # a product quantiser finds no more from some point on, whatever it looks at, but more comes to light again
                self.rerank, low = 2 * self.rerank, min(LEAST_EFFORT[self.kind], most)
            else:
                break
        while measured[effort][1] and effort - low > max(1, effort // 16):
            middle = (low + effort) // 2
            low, effort = (low, middle) if enough(middle) else (middle, effort)
        self.effort, self.recall = effort, measured[effort][0]
        return self.recall

    def _parameters(self, among: Mask) -> Any:
        faiss = faiss_module()
        # the selector reads the packed bits where they are: they must outlive the search, which holds the parameters
        packed = np.packbits(among, bitorder="little")
        chosen = faiss.IDSelectorBitmap(packed)
        if self.kind == "flat":
            return faiss.SearchParameters(sel=chosen)
        if self.kind == "hnsw":
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=self.effort)
        return faiss.SearchParametersIVF(sel=chosen, nprobe=self.effort)

    def _asked(self, queries: Points) -> tuple[Points, Mask | None]:
        """As `_comparable`, in as few calls as there can be: a search of one query takes no longer than twenty of them.

        No mask where all queries are points, and no copy where all have length 1, up to rounding. One query is measured and
        divided by numbers, for a third of the time.
        """
        as_they_are = self.metric == "l2"
        if len(queries) == 1:
            square = float(queries[0].dot(queries[0]))
            if 0 < square < inf:
                return (queries if as_they_are or abs(square - 1) < UNIT else queries / sqrt(square)), None
        squares = np.vecdot(queries, queries)
        valid = None
        if not all(0 < square < inf for square in squares.tolist()):
            valid = np.isfinite(squares) & (squares > 0)
            queries, squares = queries[valid], squares[valid]
        as_they_are = as_they_are or bool(np.abs(squares - 1).max(initial=0) < UNIT)
        return (queries if as_they_are else queries / np.sqrt(squares)[:, None]), valid

    def _comparable(self, block: Points) -> tuple[Points, Mask]:
        if self.metric == "cosine":
            return unit_points(block)
        valid = valid_rows(block)
        return (block if valid.all() else block[valid]), valid

    def _padded(self, points: Points) -> Points:
        """Zeros behind, where a product quantiser needs a multiple of its width: they change no distance."""
        lacking = -self.dimensions % PQ_WIDTH if self.kind == "ivf_pq" else 0
        return np.pad(points, ((0, 0), (0, lacking))) if lacking else points


def held_out(rows: int, seed: int) -> Mask:
    """(rows,) which are held back while an index of so many is tuned."""
    held = np.zeros(rows, np.bool_)
    held[np.random.default_rng([seed, 1]).choice(rows, min(HELD_OUT, rows // 10), replace=False)] = True
    return held


def _halved(points: Points, metric: Metric) -> npt.NDArray[Any]:
    """(n, d) as they are kept to be compared again: float16 at length 1, which holds no other numbers."""
    if metric == "l2":
        return points
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return (points / np.where(lengths > 0, lengths, 1)).astype(np.float16)


def _rows_of(points: Iterable[Points], chosen: Mask) -> Points:
    """The rows of (n, d) points, in blocks, that are chosen (n,)."""
    start, found = 0, []
    for block in blocks(points):
        found.append(block[chosen[start : start + len(block)]])
        start += len(block)
    return np.concatenate(found)


def training_sample(points: Points | Iterable[Points], expected: int, seed: int) -> Points:
    """What an index of about `expected` points is trained on. Raises CurateError where there is no point."""
    sample = sample_points(points, max(POINTS_A_LIST * lists_of(expected), PQ_POINTS), seed)
    if not len(sample):
        raise CurateError("index", "there is no point: all vectors are null or not finite", "embed the documents first")
    return sample


def exact_neighbours(
    points: Points | Iterable[Points], queries: Points, k: int, *, metric: Metric = "cosine"
) -> tuple[npt.NDArray[np.float32], Rows]:
    """The k nearest of each query among all points, read block by block: what `search` of a flat index gives."""
    near = np.full((len(queries), k), np.nan, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    start = 0
    for block in blocks(points):
        if valid_rows(block).any():
            part = VectorIndex.train(block[:1], expected=1, kind="flat", metric=metric)
            part.add(block)
            found, numbers = part.search(queries, k)
            near, rows = np.hstack([near, found]), np.hstack([rows, np.where(numbers < 0, -1, numbers + start)])
            order = np.argsort(-near, axis=1, kind="stable")[:, :k]
            near, rows = np.take_along_axis(near, order, 1), np.take_along_axis(rows, order, 1)
        start += len(block)
    return near, rows


def _empty(known: Points, kind: Kind, metric: Metric, lists: int, seed: int) -> Any:
    faiss = faiss_module()
    width = known.shape[1]
    measure = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
    if kind == "flat":
        return faiss.IndexIDMap2(faiss.IndexFlat(width, measure))
    if kind == "hnsw":
        return faiss.IndexIDMap2(faiss.IndexHNSWFlat(width, HNSW_LINKS, measure))
    found = kmeans(known, lists, seed=seed, spherical=metric == "cosine", iterations=ROUNDS, sample=POINTS_A_LIST)
    coarse = faiss.IndexFlat(width, measure)
    coarse.add(found.centroids)
    if kind == "ivf":
        made = faiss.IndexIVFFlat(coarse, width, len(found.centroids), measure)
    else:
        made = faiss.IndexIVFPQFastScan(coarse, width, len(found.centroids), width // PQ_WIDTH, PQ_BITS, measure)
        made.pq.cp.seed = seed & 0x7FFFFFFF
        made.pq.cp.min_points_per_centroid = 1
    # the index's own training finds the centroids there, and trains no more than the product quantiser
    taken = sample_points(known, PQ_POINTS, seed)
    made.train(np.resize(taken, (max(len(taken), 1 << 8), width)))
    made.own_fields = True
    coarse.this.disown()
    return made


def _inner(index: Any) -> Any:
    faiss = faiss_module()
    index = faiss.downcast_index(index)
    return faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
