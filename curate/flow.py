"""The steps of a stage over one batch: errors leave the flow, a step that raises loses only the rows at fault."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from curate.documents import FINDINGS_COLUMN, RAW, drop_columns, joined, set_column
from curate.edits import edit_messages
from curate.errors import CurateError
from curate.steps.step import Step


def run_steps(
    steps: Sequence[Step], batch: pa.RecordBatch, skip: dict[int, str], seconds: dict[str, float]
) -> pa.RecordBatch:
    """All steps over one batch. Rows with an error leave the flow and come back, in their places, without signals."""
    batch = set_column(batch, "error_step", pa.array(["read"] * batch.num_rows, pa.string()))
    first = next((step.name for step in steps if step.reads_raw), steps[0].name if steps else "read")
    batch = _with_errors(batch, skip, first) if skip else batch
    aside: list[pa.RecordBatch] = []
    for step in steps:
        batch = _set_aside(batch, aside)
        start = time.perf_counter()
        batch = _attempt(step, batch)
        seconds[step.name] += time.perf_counter() - start
        batch = set_column(batch, "error_step", pa.repeat(pa.scalar(step.name), batch.num_rows))
    passing = (*RAW.names, FINDINGS_COLUMN)
    batch = drop_columns(_set_aside(batch, aside), passing)
    batch = set_column(batch, "error_step", pa.nulls(batch.num_rows, pa.string()))
    if aside:
        names = batch.schema.names
        whole = joined([batch, *(drop_columns(rows, passing) for rows in aside)])
        batch = pa.Table.from_batches([whole]).select(names).sort_by("row").combine_chunks().to_batches()[0]
    return set_column(batch, "size", pc.fill_null(pc.binary_length(batch["text"]), 0))


def _set_aside(batch: pa.RecordBatch, aside: list[pa.RecordBatch]) -> pa.RecordBatch:
    if batch["error"].null_count == batch.num_rows:
        return batch
    aside.append(batch.filter(pc.is_valid(batch["error"])))
    return batch.filter(pc.is_null(batch["error"]))


def _with_errors(batch: pa.RecordBatch, skip: dict[int, str], step: str) -> pa.RecordBatch:
    rows = batch["row"].to_pylist()
    errors = [skip.get(row) or old for row, old in zip(rows, batch["error"].to_pylist(), strict=True)]
    steps = [step if row in skip else old for row, old in zip(rows, batch["error_step"].to_pylist(), strict=True)]
    return set_column(
        set_column(batch, "error", pa.array(errors, pa.string())), "error_step", pa.array(steps, pa.string())
    )


def _attempt(step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
    """One step over a batch; if it raises, over halves, down to the rows that are at fault, which get the error."""
    if step.reads_raw and "content" not in batch.schema.names:
        # the input has text already: there is nothing to read, the step's signals are null
        return _padded(batch, step)
    try:
        done = step.process(batch)
        if "messages" in batch.schema.names and batch["messages"].null_count < batch.num_rows:
            done = edit_messages(step, batch, done)
    except CurateError:
        raise
    except Exception as error:  # whatever a parser throws at bad input, the run goes on
        if batch.num_rows > 1:
            half = batch.num_rows // 2
            parts = [_attempt(step, batch.slice(0, half)), _attempt(step, batch.slice(half))]
            return joined(parts)
        if batch.num_rows == 0:
            raise
        why = pa.array([f"{type(error).__name__}: {error}"[:500]], pa.string())
        return _padded(set_column(batch, "error", why), step)
    if done.num_rows != batch.num_rows:
        raise CurateError(f"step {step.name}", f"returned {done.num_rows} rows for {batch.num_rows}")
    return done


def _padded(batch: pa.RecordBatch, step: Step) -> pa.RecordBatch:
    signals = step.signals()
    if not signals:
        return batch
    kind = pa.struct([pa.field(name, signal.type) for name, signal in signals.items()])
    return set_column(batch, step.name, pa.nulls(batch.num_rows, kind))
