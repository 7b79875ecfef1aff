"""A global step over texts in memory: no files, no pipeline."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.dedup.step import Contributions, GlobalStep
from curate.readers.reader import BATCH_BYTES, BATCH_ROWS


def dedup_texts(
    step: GlobalStep,
    units: Sequence[pa.Array],
    *,
    signals: Mapping[str, Sequence[npt.NDArray[Any]]] | None = None,
    memory: int = 1 << 30,
) -> list[pa.Table]:
    """Run a global step over string arrays, one a unit: for each the table that it resolves to, as `DUPLICATES`.

    `signals` has, by name, the values of the signals that the step reads, one array a unit. `memory` is in
    bytes.
    """
    tables = [_contribution(step, texts) for texts in units]

    def texts_of(unit: int, rows: npt.NDArray[np.int32]) -> pa.Array:
        return units[unit].take(pa.array(rows))

    return resolve_here(step, tables, texts_of, signals or {}, memory)


def resolve_here(
    step: GlobalStep,
    tables: Sequence[pa.Table],
    texts: Callable[[int, npt.NDArray[np.int32]], pa.Array],
    signals: Mapping[str, Sequence[npt.NDArray[Any]]],
    memory: int = 1 << 30,
) -> list[pa.Table]:
    """`resolve` of a global step over contributions in memory, one table a unit. See `Contributions` for the rest."""
    with tempfile.TemporaryDirectory(prefix="curate-") as scratch:
        contributions = Contributions(
            tables=lambda: iter(tables),
            texts=texts,
            signals=lambda name: iter(signals[name]),
            memory=memory,
            scratch=Path(scratch),
        )
        return list(step.resolve(contributions))


def _contribution(step: GlobalStep, texts: pa.Array) -> pa.Table:
    columns: list[dict[str, pa.Array]] = [dict(step.collect(batch)) for batch in _batches(texts)]
    names = list(columns[0])
    merged = [pa.chunked_array([part[name] for part in columns]).combine_chunks() for name in names]
    rows = pa.array(np.arange(len(texts), dtype=np.int32))
    return pa.table([rows, *merged], names=["row", *names])


def _batches(texts: pa.Array) -> Iterator[pa.RecordBatch]:
    """Batches as readers make them: at most so many rows and bytes, one row at least; an empty one for no texts."""
    start = 0
    while start < len(texts) or start == 0:
        rows = min(BATCH_ROWS, len(texts) - start)
        while rows > 1 and texts.slice(start, rows).nbytes > BATCH_BYTES:
            rows //= 2
        yield pa.RecordBatch.from_arrays([texts.slice(start, rows)], names=["text"])
        start += max(rows, 1)
