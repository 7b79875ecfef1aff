"""A global step's `resolve` on the store: contributions in, one committed file of duplicates a unit out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from curate.dedup.step import DUPLICATES, Contributions
from curate.files import committed_folder, digest, read_json, write_json
from curate.plan import GlobalStage, Plan
from curate.store import FAST, Place, Rows, isin, rows_key, schema, table
from curate.work import Job, UnitState, alive_rows, earlier_signals, stage_files

# What `resolve` may use when no --memory is given, and the share of --memory otherwise.
DEFAULT_MEMORY = 2 << 30
MEMORY_SHARE = 0.4

# A file of duplicates: DUPLICATES with the kept document's own address instead of its place in the plan.
EVIDENCE = pa.schema(
    [
        pa.field("row", pa.int32()),
        pa.field("similarity", pa.float32()),
        pa.field("kept_id", pa.string()),
        pa.field("kept_path", pa.string()),
        pa.field("kept_offset", pa.int64()),
    ]
)


def resolve(plan: Plan, index: int, states: Sequence[UnitState]) -> tuple[list[UnitState], list[dict[str, Any]]]:
    """Decide over all units which documents a global step drops; from the store where nothing changed.

    Returns the states after it, and for each unit counts like a map stage's.
    """
    phase = plan.phases[index]
    assert isinstance(phase, GlobalStage)
    inputs = [[state.unit.fingerprint, state.entries[index], state.alive] for state in states]
    key = digest([phase.fingerprint, phase.step.model_dump(mode="json"), inputs])
    folder = Path(plan.store, "resolve", key[:20])
    receipt = read_json(folder / "receipt.json")
    if receipt is None:
        with committed_folder(folder) as fresh:
            receipt = _resolve(plan, index, states, fresh)
            write_json(fresh / "receipt.json", receipt)
    name = phase.step.drop_rule
    after, verdicts = [], []
    for i, (state, (alive, kept)) in enumerate(zip(states, receipt["units"], strict=True)):
        dropped = state.count - kept
        file = str(folder / f"{i:06d}.arrow")
        after.append(replace(state, verdicts={**state.verdicts, index: file}, alive=alive, count=kept))
        steps = {phase.name: {"dropped": dropped, "quarantined": 0, "rules": {name: dropped}}}
        verdicts.append({"kept": kept, "dropped": dropped, "quarantined": 0, "steps": steps})
    return after, verdicts


def _resolve(plan: Plan, index: int, states: Sequence[UnitState], folder: Path) -> dict[str, Any]:
    phase = plan.phases[index]
    assert isinstance(phase, GlobalStage)
    scratch = folder / "scratch"
    scratch.mkdir()
    memory = plan.pipeline.executor.memory
    contributions = Contributions(
        tables=lambda: _tables(plan, index, states),
        texts=_texts(plan, index, states),
        orders=_orders(plan, index, states),
        memory=int(memory * MEMORY_SHARE) if memory else DEFAULT_MEMORY,
        scratch=scratch,
    )
    duplicates = [table.cast(DUPLICATES) for table in phase.step.resolve(contributions)]
    shutil.rmtree(scratch)
    units = []
    for i, (state, found) in enumerate(zip(states, _with_addresses(plan, index, states, duplicates), strict=True)):
        with pa.ipc.new_file(str(folder / f"{i:06d}.arrow"), EVIDENCE, options=FAST) as writer:
            writer.write_table(found)
        alive = alive_rows(plan.phases, state, index)
        alive = alive[~isin(alive, found["row"].to_numpy())]
        units.append([rows_key(alive), len(alive)])
    return {"units": units}


def _tables(plan: Plan, index: int, states: Sequence[UnitState]) -> Iterator[pa.Table]:
    for state in states:
        place = Place(plan.store, plan.phases[index].fingerprint, state.unit.fingerprint)
        files = place.files(state.entries[index], "contribution.arrow")
        yield table(files, schema(files[0]).names, alive_rows(plan.phases, state, index))


def _texts(plan: Plan, index: int, states: Sequence[UnitState]) -> Callable[[int, Rows], pa.Array]:
    def texts(unit: int, rows: Rows) -> pa.Array:
        files = stage_files(plan.phases, states[unit], index, plan.store)
        found = table(files, ["row", "text"], rows)["text"].combine_chunks()
        return found.chunk(0) if isinstance(found, pa.ChunkedArray) else found

    return texts


def _orders(plan: Plan, index: int, states: Sequence[UnitState]) -> Callable[[], Iterator[Any]] | None:
    """The values of the signal that `keep` names, unit by unit; None where `keep` is an order of its own."""
    signal = getattr(plan.phases[index].step, "keep", "first")  # type: ignore[union-attr]
    if "." not in signal:
        return None
    struct, _, field = signal.partition(".")

    def orders() -> Iterator[Any]:
        for state in states:
            rows = alive_rows(plan.phases, state, index)
            column = earlier_signals(Job(plan.phases, index, state, plan.store), struct, rows)
            values = (
                pa.chunked_array([chunk.field(field) for chunk in column.chunks], type=None) if column.chunks else []
            )
            yield np.asarray(values, np.float64)

    return orders


def _with_addresses(
    plan: Plan, index: int, states: Sequence[UnitState], duplicates: Sequence[pa.Table]
) -> Iterator[pa.Table]:
    """Each unit's duplicates with id, path and offset of the kept document: one look at each unit that keeps one."""
    frames = [pl.DataFrame(pl.from_arrow(found)).with_columns(unit=pl.lit(i)) for i, found in enumerate(duplicates)]
    if not frames:
        return
    wanted = pl.concat(frames)
    addresses = []
    for (kept_unit,), group in wanted.group_by("kept_unit"):
        rows = np.unique(group["kept_row"].to_numpy())
        files = stage_files(plan.phases, states[int(str(kept_unit))], index, plan.store)
        found = pl.DataFrame(pl.from_arrow(table(files, ["row", "id", "path", "offset"], rows)))
        addresses.append(
            found.select(
                pl.lit(kept_unit, pl.Int32).alias("kept_unit"), pl.col("row").alias("kept_row"),
                pl.col("id").alias("kept_id"), pl.col("path").alias("kept_path"), pl.col("offset").alias("kept_offset"),
            )
        )  # fmt: skip
    for frame in frames:
        if frame.is_empty():
            yield EVIDENCE.empty_table()
        else:
            joined = frame.join(pl.concat(addresses), on=["kept_unit", "kept_row"], how="left").sort("row")
            yield joined.select(EVIDENCE.names).to_arrow().cast(EVIDENCE)
