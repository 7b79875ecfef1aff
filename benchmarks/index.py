"""The vector index beside plain FAISS: build time, recall@10 against all pairs, queries a second of the processor.

`python -m benchmarks.index [--quick] [--rows N] [--kinds ivf ...]`. Real: static vectors of 14,531 documents. Synthetic: points of a space of 40
dimensions in 384, with noise, so that neighbours overlap lists. The same points, parameters and effort on both sides,
one thread; searches of both sides alternate. The last line is the worst ratio of queries a second to those of FAISS' own
call on our index: lists of an index that was trained apart differ in length.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, shared_file
from curate.select.index import HNSW_LINKS, KINDS, PQ_WIDTH, Kind, VectorIndex, exact_neighbours, lists_of, recall_at

Points = npt.NDArray[np.float32]
QUERIES, NEAREST = 500, 10


def real() -> Points:
    """(14531, 512): the static vectors of the real documents, less those without a word."""
    from curate.select.vectors import static_vectors

    text = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"]
    found = np.concatenate([static_vectors(chunk) for chunk in text.chunks])
    return found[found.any(axis=1)]


def synthetic(rows: int, seed: int = 0) -> Points:
    """(rows, 384) of length 1: 40 latent dimensions and noise of half their size."""
    rng = np.random.default_rng(seed)
    mix = (rng.standard_normal((40, 384)) / np.sqrt(40)).astype(np.float32)
    made = np.empty((rows, 384), np.float32)
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
            index = faiss.IndexIVFPQ(coarse, width, lists, width // PQ_WIDTH, 8, measure)
        index.nprobe = effort
        index.train(points)
    index.add(points)
    return index


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """(what it gave, seconds of the processor)."""
    start = time.process_time()
    return function(), time.process_time() - start


def compare(
    name: str, points: Points, kind: Kind, queries: Points, wanted: Any
) -> tuple[list[tuple[str, float, str]], float]:
    """Figures of one kind of index over the same points, ours and plain; the ratio of queries a second."""
    ours, built = timed(lambda: VectorIndex.build(points, kind=kind))
    peer, built_plain = timed(lambda: plain(points, kind, ours.effort))
    spent: list[float] = []
    spent_plain: list[float] = []
    spent_same: list[float] = []
    while len(spent) < 5 or (sum(spent) < 3 and len(spent) < 50):
        (_, rows), seconds = timed(lambda: ours.search(queries, NEAREST))
        spent.append(seconds)
        (_, rows_plain), seconds = timed(lambda: peer.search(queries, NEAREST))
        spent_plain.append(seconds)
        spent_same.append(timed(lambda: ours.faiss.search(ours._padded(queries), NEAREST))[1])
    rate, rate_plain, rate_same = (len(queries) / min(each) for each in (spent, spent_plain, spent_same))
    figures = [
        (f"{name} {kind}: build, effort {ours.effort} tuned", built, "s"),
        (f"{name} {kind}: build by plain FAISS", built_plain, "s"),
        (f"{name} {kind}: recall@{NEAREST}", 100 * recall_at(rows, wanted), "%"),
        (f"{name} {kind}: recall@{NEAREST} of plain FAISS", 100 * recall_at(rows_plain, wanted), "%"),
        (f"{name} {kind}: queries", rate, "/s"),
        (f"{name} {kind}: queries of plain FAISS", rate_plain, "/s"),
        (f"{name} {kind}: queries of our index by FAISS' own call", rate_same, "/s"),
    ]
    for what, figure, unit in figures:
        print(f"{what:<60} {figure:10,.2f} {unit}", flush=True)
    return figures, rate / rate_same


def main() -> None:
    """Real points, then synthetic ones."""
    made = parser(__doc__)
    made.add_argument("--rows", type=int, default=1_000_000, help="synthetic points")
    made.add_argument(
        "--kinds", nargs="+", choices=KINDS, help="these alone; else all of real points, and flat, ivf, ivf_pq"
    )
    made.add_argument("--real", action="store_true", help="real points only")
    arguments = made.parse_args()
    pin_to_one_core()
    import faiss

    faiss.omp_set_num_threads(1)
    sets: list[tuple[str, Points, list[Kind]]] = [("14,531 real", real(), arguments.kinds or list(KINDS))]
    if not arguments.real:
        rows = 50_000 if arguments.quick else arguments.rows
        sets.append((f"{rows:,} synthetic", synthetic(rows), arguments.kinds or ["flat", "ivf", "ivf_pq"]))
    figures, ratios = [], []
    for name, points, kinds in sets:
        rng = np.random.default_rng(7)
        chosen = points[rng.choice(len(points), QUERIES, replace=False)]
        # near a point, not on it
        queries = chosen + 0.3 / np.sqrt(chosen.shape[1]) * rng.standard_normal(chosen.shape).astype(np.float32)
        queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
        wanted = exact_neighbours(points, queries, NEAREST)[1]
        for kind in kinds:
            found, ratio = compare(name, points, kind, queries, wanted)
            figures += found
            ratios.append(ratio)
    print()
    report(figures, min(ratios))


if __name__ == "__main__":
    main()
