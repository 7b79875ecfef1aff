"""What the two dedup benchmarks share: the corpus or its head as a Parquet file, and timed runs of our steps over it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import shared_file
from curate.dedup.memory import dedup_texts
from curate.dedup.step import GlobalStep

UNIT_ROWS = 2000


def head(folder: Path, rows: int) -> Path:
    """The first `rows` documents of the Debian corpus as a Parquet file of its own: columns id and text."""
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["id", "text"]).slice(0, rows)
    path = folder / "documents.parquet"
    pq.write_table(table, path, compression="zstd", row_group_size=UNIT_ROWS)
    return path


def megabytes(path: Path) -> float:
    """Bytes of text in the file, in units of 10^6."""
    return float(pq.read_table(path, columns=["text"])["text"].combine_chunks().buffers()[2].size) / 1e6


def read_units(path: Path) -> list[pa.Array]:
    """The texts of the file, a unit at most UNIT_ROWS documents."""
    batches = pq.ParquetFile(path).iter_batches(UNIT_ROWS, columns=["text"], use_threads=False)
    return [batch.column("text") for batch in batches]


def warm_up(step: GlobalStep) -> float:
    """Compile the kernels of a step, or load them: seconds."""
    start = time.perf_counter()
    dedup_texts(step, [pa.array(["one two three four five six"] * 3 + ["seven"])])
    return time.perf_counter() - start


def timed(step: GlobalStep, path: Path, rounds: int, out: Path | None = None) -> tuple[float, int]:
    """From the Parquet file to verdicts: the median of the seconds of `rounds` runs, and documents dropped.

    With `out` the file is read once more, and the documents that stay are written there as an Arrow shard.
    """
    seconds, dropped = [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        verdicts = dedup_texts(step, read_units(path))
        if out is not None:
            _write_kept(path, verdicts, out)
        seconds.append(time.perf_counter() - start)
        dropped = sum(len(table) for table in verdicts)
    return statistics.median(seconds), dropped


def _write_kept(path: Path, verdicts: Sequence[pa.Table], out: Path) -> None:
    """The documents without a verdict, to an Arrow IPC file with zstd, as shards are."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    batches = pq.ParquetFile(path).iter_batches(UNIT_ROWS, columns=["id", "text"], use_threads=False)
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    with pa.ipc.new_file(out, schema, options=options) as writer:
        for batch, table in zip(batches, verdicts, strict=True):
            kept = np.ones(len(batch), bool)
            kept[table["row"].to_numpy()] = False
            writer.write_batch(batch.filter(pa.array(kept)).cast(schema))
