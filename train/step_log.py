"""Which documents each step was trained on: `OUTPUT/steps/FIRST-LAST.arrow`, written with each checkpoint.

A row a piece of a document: `step`, `row` of the global batch, `source`, `document` (its number in the source), `start`
(its first token that was used) and `length`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch import distributed

from curate.files import sync
from curate.kernels.mixture import Integers
from curate.train.parallel import Parallel

COLUMNS = ("step", "row", "source", "document", "start", "length")
SCHEMA = pa.schema([(name, pa.int64() if name == "document" else pa.int32()) for name in COLUMNS])


class StepLog:
    """What was trained on since the last checkpoint."""

    def __init__(self, output: Path, parallel: Parallel, first: int) -> None:
        """Files of steps from `first` on are of a run that was cut off there: they are removed."""
        self._folder, self._parallel, self._first = output / "steps", parallel, first
        self._parts: list[Integers] = []
        if parallel.first:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in self._folder.glob("*.arrow"):
                if int(path.stem.split("-")[1]) > first:
                    path.unlink()

    def add(self, step: int, segments: Integers) -> None:
        """The segments of this process's rows of a step, as the loader gave them."""
        rows = segments[:, 0] * self._parallel.world + self._parallel.rank
        self._parts.append(np.column_stack([np.full(len(rows), step), rows, segments[:, 2:]]))

    def commit(self, stop: int) -> None:
        """Write the steps before `stop`. Every process calls it."""
        own = np.concatenate(self._parts) if self._parts else np.zeros((0, len(COLUMNS)), np.int64)
        parts: list[Integers] = [own]
        if self._parallel.world > 1:
            parts = [own] * self._parallel.world
            distributed.all_gather_object(parts, own)
        if self._parallel.first and stop > self._first:
            rows = np.concatenate(parts)
            rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
            self._write(self._folder / f"{self._first:06d}-{stop:06d}.arrow", rows)
        self._parts, self._first = [], stop

    def _write(self, path: Path, rows: Integers) -> None:
        made = pa.table([pa.array(rows[:, i], field.type) for i, field in enumerate(SCHEMA)], schema=SCHEMA)
        beside = path.with_suffix(".tmp")
        with pa.ipc.new_file(str(beside), SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(made)
        sync(beside)
        beside.rename(path)


def steps(output: Path, first: int, last: int) -> pa.Table:
    """The rows of steps `first` to `last`, both included."""
    parts: Sequence[pa.Table] = [
        pa.ipc.open_file(str(path)).read_all()
        for path in sorted((output / "steps").glob("*.arrow"))
        if _overlaps(path, first, last)
    ]
    found = pa.concat_tables(parts) if parts else SCHEMA.empty_table()
    return found.filter(pc.and_(pc.greater_equal(found["step"], first), pc.less_equal(found["step"], last)))


def _overlaps(path: Path, first: int, last: int) -> bool:
    start, stop = (int(part) for part in path.stem.split("-"))
    return start <= last and first < stop
