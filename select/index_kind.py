"""The kinds of index, by size and memory: what each holds, and which is right for so many points."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Kind = Literal["flat", "hnsw", "ivf", "ivf_pq"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Below, comparing with every point costs less than building anything (100k x 384: 0.7 ms a query).
FLAT_ROWS = 50_000
# HNSW finds more for its time than lists, but takes 0.5 ms a point to build.
HNSW_ROWS = 200_000
HNSW_LINKS = 32
# Dimensions that the bits of a product quantiser stand for (FAISS' fast scan: of a table in registers).
PQ_WIDTH, PQ_BITS = 2, 4
MEMORY = 2 << 30


def choose_kind(rows: int, dimensions: int, memory: int = MEMORY) -> Kind:
    """The kind of index for so many points within `memory` bytes: the most exact that is quick and fits."""
    if rows * dimensions * 4 > memory:
        return "ivf_pq"
    if rows <= FLAT_ROWS:
        return "flat"
    return "hnsw" if rows <= HNSW_ROWS and memory_of("hnsw", rows, dimensions) <= memory else "ivf"


def all_pairs_kind(rows: int) -> Kind:
    """The kind for the neighbours of all of so many points among themselves: many queries at once, for which lists that are
    scanned in registers and compared again are quicker than a graph (100k x 384: 0.3 ms a query, HNSW 1)."""
    return "flat" if rows <= FLAT_ROWS else "ivf_pq"


def on_gpu(kind: Kind, seen: int) -> bool:
    """Whether an index of this kind is searched on GPUs where FAISS sees so many: it has no graph and no fast scan there."""
    return seen > 0 and kind in ("flat", "ivf")


def memory_of(kind: Kind, rows: int, dimensions: int) -> int:
    """Bytes that an index holds in memory, about; of ivf_pq without the points that it compares again."""
    a_row = {
        "flat": dimensions * 4,
        "hnsw": dimensions * 4 + HNSW_LINKS * 9,
        "ivf": dimensions * 4 + 8,
        "ivf_pq": -(-dimensions // PQ_WIDTH) * PQ_BITS // 8 + 8,
    }[kind]
    return rows * a_row + (0 if kind in ("flat", "hnsw") else lists_of(rows) * dimensions * 4)


def lists_of(rows: int) -> int:
    """How many lists an inverted file of so many points has: twice the root, a power of two."""
    return 1 << int(np.clip(np.round(np.log2(2 * np.sqrt(max(rows, 1)))), 4, 16))
