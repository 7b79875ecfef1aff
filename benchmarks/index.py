"""The vector index beside plain FAISS: build time, recall@10 against all pairs, queries a second of the processor.

`python -m benchmarks.index [--quick] [--rows N] [--dimensions D] [--kinds ivf ...]`. Real: static vectors of 14,531 documents.
Synthetic: points of a space of 40 dimensions in 384 (`--dimensions`), with noise, so that neighbours overlap lists. The same
points, parameters and effort on both sides, one thread; searches of all sides in every round, medians over rounds. The last
line is the worst ratio of queries a second to those of FAISS' own call on our index: lists of an index that was trained
apart differ in length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, shared_file
from curate.select.index import VectorIndex, exact_neighbours, held_out, training_sample
from curate.select.index_kind import HNSW_LINKS, KINDS, PQ_BITS, PQ_WIDTH, Kind, lists_of
from curate.select.recall import recall_at

Points = npt.NDArray[np.float32]
QUERIES, NEAREST = 500, 10
# Queries that are also asked one at a time.
SINGLE = 50
# Rounds of searches that are compared, and seconds of the processor after which no more begin.
LEAST_ROUNDS, MOST_ROUNDS, ENOUGH = 5, 41, 20.0


def real() -> Points:
    """(14531, 512): the static vectors of the real documents, less those without a word."""
    from curate.select.vectors import static_vectors

    text = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"]
    found = np.concatenate([static_vectors(chunk) for chunk in text.chunks])
    return found[found.any(axis=1)]


def synthetic(rows: int, width: int, seed: int = 0) -> Points:
    """(rows, width) of length 1: 40 latent dimensions and noise of half their size."""
    rng = np.random.default_rng(seed)
    mix = (rng.standard_normal((40, width)) / np.sqrt(40)).astype(np.float32)
    made = np.empty((rows, width), np.float32)
    for start in range(0, rows, 1 << 16):
        part = made[start : start + (1 << 16)]
        part[:] = rng.standard_normal((len(part), 40), np.float32) @ mix
        part += np.float32(0.5) * rng.standard_normal(part.shape, np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return made


def plain(points: Points, kind: Kind, effort: int) -> Any:
    """The same index by FAISS' own calls and defaults."""
    import faiss

    width = points.shape[1]
    measure = faiss.METRIC_INNER_PRODUCT
    index: Any
    if kind == "flat":
        index = faiss.IndexFlatIP(width)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(width, HNSW_LINKS, measure)
        index.hnsw.efSearch = effort
    else:
        coarse = faiss.IndexFlatIP(width)
        lists = lists_of(len(points))
        if kind == "ivf":
            index = faiss.IndexIVFFlat(coarse, width, lists, measure)
        else:
            index = faiss.IndexIVFPQFastScan(coarse, width, lists, width // PQ_WIDTH, PQ_BITS, measure)
        index.nprobe = effort
        index.train(points)
    index.add(points)
    return index


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """(what it gave, seconds of the processor)."""
    start = time.process_time()
    return function(), time.process_time() - start


def rounds(sides: Sequence[Callable[[], Any]]) -> npt.NDArray[np.float64]:
    """(rounds, sides) seconds of the processor: all sides in every round, each time another one first."""
    found: list[list[float]] = []
    begun = time.process_time()
    while len(found) < LEAST_ROUNDS or (len(found) < MOST_ROUNDS and time.process_time() - begun < ENOUGH):
        seconds = [0.0] * len(sides)
        for place in range(len(sides)):
            side = (place + len(found)) % len(sides)
            seconds[side] = timed(sides[side])[1]
        found.append(seconds)
    return np.array(found)


def compare(name: str, points: Points, kind: Kind, queries: Points, wanted: Any, *, peer: bool) -> float:
    """Print figures of one kind of index over the same points, ours and plain; the ratio of queries a second."""

    def tell(what: str, figure: float, unit: str) -> None:
        print(f"{f'{name} {kind}: {what}':<66} {figure:10,.2f} {unit}", flush=True)

    sample, sampling = timed(lambda: training_sample(points, len(points), 0))
    ours, training = timed(lambda: VectorIndex.train(sample, expected=len(points), kind=kind))
    tell("train, with drawing the sample", sampling + training, "s")
    held = held_out(len(points), 0) & (kind != "flat")
    known = np.where(held[:, None], np.float32("nan"), points)
    tell("add", timed(lambda: ours.add(known))[1], "s")
    if kind == "ivf_pq":
        ours.stored = points.astype(np.float16)
    if kind != "flat":
        tell("tune", timed(lambda: ours.tune(lambda: [known], points[held]))[1], "s")
        tell("effort that was found", ours.effort, "")
        ours._put(points[held], np.flatnonzero(held))
    if kind == "ivf_pq":
        tell("candidates for each neighbour, compared again", ours.rerank, "")
        again, spent = timed(lambda: ours.search(queries, NEAREST)[1])
        tell(f"recall@{NEAREST}, compared again by stored float16", 100 * recall_at(again, wanted), "%")
        tell("queries, compared again", len(queries) / spent, "/s")
        ours.stored = None
    own = ours.faiss
    sides: dict[str, Callable[[], Any]] = {
        "": lambda: ours.search(queries, NEAREST)[1],
        " of our index by FAISS' own call": lambda: own.search(ours._padded(queries), NEAREST)[1],
    }
    if peer:
        other, built = timed(lambda: plain(points, kind, ours.effort))
        tell("train and add by plain FAISS", built, "s")
        sides[" of plain FAISS"] = lambda: other.search(queries, NEAREST)[1]
    for whose, search in sides.items():
        tell(f"recall@{NEAREST}{whose}", 100 * recall_at(search(), wanted), "%")
    seconds = rounds(list(sides.values()))
    for whose, column in zip(sides, seconds.T, strict=True):
        tell(f"queries{whose}, {len(queries)} at once", len(queries) / float(np.median(column)), "/s")
    over = [float(np.median(seconds[:, 0] / seconds[:, side])) - 1 for side in range(len(sides))]
    for whose, share in zip(("FAISS' own call", "plain FAISS"), over[1:], strict=False):
        tell(f"overhead over {whose}, median of {len(seconds)} rounds", 100 * share, "%")
    if kind in ("ivf", "hnsw"):
        found = ours.effort
        ours.effort = 1 << (found - 1).bit_length()
        rows, spent = timed(sides[""])
        tell(f"queries with the next power of two, {ours.effort}", len(queries) / spent, "/s")
        tell(f"recall@{NEAREST} with that", 100 * recall_at(rows, wanted), "%")
        ours.effort = found
    single = queries[:SINGLE]
    alone = rounds(
        [
            lambda: [ours.search(single[i : i + 1], NEAREST) for i in range(SINGLE)],
            lambda: [own.search(ours._padded(single[i : i + 1]), NEAREST) for i in range(SINGLE)],
        ]
    )
    tell(
        "overhead over FAISS' own call, one query at a time",
        100 * (float(np.median(alone[:, 0] / alone[:, 1])) - 1),
        "%",
    )
    tell("which is", 1e6 * float(np.median(alone[:, 0] - alone[:, 1])) / SINGLE, "us a query")
    return 1 / (1 + over[1])


def main() -> None:
    """Real points, then synthetic ones."""
    made = parser(__doc__)
    made.add_argument("--rows", type=int, default=1_000_000, help="synthetic points")
    made.add_argument("--dimensions", type=int, default=384, help="of synthetic points")
    made.add_argument(
        "--kinds", nargs="+", choices=KINDS, help="these alone; else all of real points, and flat, ivf, ivf_pq"
    )
    made.add_argument("--real", action="store_true", help="real points only")
    made.add_argument("--synthetic", action="store_true", help="synthetic points only")
    made.add_argument("--no-peer", action="store_true", help="without an index that plain FAISS builds")
    arguments = made.parse_args()
    pin_to_one_core()
    import faiss

    faiss.omp_set_num_threads(1)
    sets: list[tuple[str, Points, list[Kind]]] = []
    if not arguments.synthetic:
        sets.append(("14,531 real", real(), arguments.kinds or list(KINDS)))
    if not arguments.real:
        rows = 50_000 if arguments.quick else arguments.rows
        made_up = synthetic(rows, arguments.dimensions)
        sets.append((f"{rows:,} synthetic", made_up, arguments.kinds or ["flat", "ivf", "ivf_pq"]))
    ratios = []
    for name, points, kinds in sets:
        rng = np.random.default_rng(7)
        chosen = points[rng.choice(len(points), QUERIES, replace=False)]
        # near a point, not on it
        queries = chosen + 0.3 / np.sqrt(chosen.shape[1]) * rng.standard_normal(chosen.shape).astype(np.float32)
        queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
        wanted = exact_neighbours(points, queries, NEAREST)[1]
        for kind in kinds:
            ratios.append(compare(name, points, kind, queries, wanted, peer=not arguments.no_peer))
    print(f"ratio: {min(ratios):.2f}")


if __name__ == "__main__":
    main()
