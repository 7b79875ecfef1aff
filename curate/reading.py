"""The documents of a unit from its input files, in batches worth a kernel call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.documents import RAW, document_batch, joined, set_column
from curate.files import digest
from curate.plan import Part, Unit
from curate.readers import FORMATS
from curate.readers.reader import BATCH_BYTES, BATCH_ROWS, Tally


def coalesced(source: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of small files joined, since each kernel call has its price; a function of the batches alone."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in source:
        full = rows + batch.num_rows > BATCH_ROWS or size + batch.nbytes > BATCH_BYTES
        if held and (full or batch.schema != held[0].schema):
            yield joined(held)
            held, rows, size = [], 0, 0
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if held:
        yield joined(held)


def read_unit(unit: Unit, tally: Tally) -> Iterator[pa.RecordBatch]:
    """The documents of a unit from its input files, as the sample has it; `row` counts through the unit."""
    left, base = unit.limit, 0
    for part in unit.parts:
        if left == 0:
            return
        count = 0
        for batch in _read_part(part, tally):
            count = max(count, batch["row"][-1].as_py() + 1)
            batch = set_column(batch, "row", pc.add(batch["row"], pa.scalar(base, pa.int32())))
            if unit.share is not None:
                batch = batch.filter(pa.array(_sampled(batch["offset"].to_numpy(), unit, part)))
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            if batch.num_rows:
                yield set_column(batch, "path", pa.repeat(pa.scalar(part.path), batch.num_rows))
            if left == 0:
                return
        base += count


def _read_part(part: Part, tally: Tally) -> Iterator[pa.RecordBatch]:
    """The non-empty batches of one part; a file that cannot be opened is one row that says why."""
    try:
        for batch in FORMATS[part.settings.format].read(part.piece, part.settings, tally):
            if batch.num_rows:
                yield pages(batch) if part.settings.html else batch
    except OSError as error:
        why = f"cannot be read: {error.strerror or error}"
        row = {"row": 0, "id": "", "source": part.settings.source, "path": part.path, "offset": 0, "error": why}
        yield document_batch([row])


def pages(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Texts that are HTML pages -> raw pages, as other readers give them."""
    count = batch.num_rows
    columns = [batch["text"].cast(pa.binary()), pa.repeat("text/html", count), pa.repeat("utf-8", count),
               pa.nulls(count, pa.string())]  # fmt: skip
    for field, column in zip(RAW, columns, strict=True):
        batch = batch.append_column(field, column)
    return set_column(batch, "text", pa.nulls(count, pa.string()))


def _sampled(offsets: Any, unit: Unit, part: Part) -> Any:
    """Which records fall in the sample: a hash of seed, path and offset below the share."""
    seed, share = unit.share or (0, 1.0)
    state = np.uint64(int(digest([seed, part.path, part.piece.start])[:16], 16))
    # the splitmix64 finaliser
    mixed = offsets.astype(np.uint64) + state
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) < np.uint64(min(share, 1.0) * (2**64 - 2048))
