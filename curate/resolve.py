"""A global step's `resolve` on the store: contributions in, one committed file of duplicates or findings out."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.step import DUPLICATES, Contributions, signal_values
from curate.files import committed_folder, digest, read_json, write_json
from curate.plan import GlobalStage, Plan, fingerprint_of
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
    """Decide over all units what a global step drops or finds; from the store where nothing changed.

    Returns the states after it, and for each unit counts like a map stage's.
    """
    phase = plan.phases[index]
    assert isinstance(phase, GlobalStage)
    inputs = [[state.unit.fingerprint, state.entries[index], state.alive] for state in states]
    key = digest([phase.fingerprint, phase.step.resolve_fingerprint(), inputs])
    folder = Path(plan.store, "resolve", key[:20])
    receipt = read_json(folder / "receipt.json")
    if receipt is None:
        with committed_folder(folder) as fresh:
            receipt = _resolve(plan, index, states, fresh)
            write_json(fresh / "receipt.json", receipt, indent=None)
    after, verdicts = [], []
    for state, (alive, kept, content) in zip(states, receipt["units"], strict=True):
        dropped, steps = state.count - kept, {}
        if phase.step.FINDINGS is not None:
            found = {**state.found, index: str(folder / "findings.arrow")}
            state = replace(state, found=found, findings=digest([state.findings, content])[:16])
        else:
            verdict = (str(folder / "duplicates.arrow"), content)
            state = replace(state, verdicts={**state.verdicts, index: verdict}, alive=alive, count=kept)
            steps = {phase.name: _counted(phase.step.drop_rule, dropped)}
        after.append(state)
        verdicts.append({"kept": kept, "dropped": dropped, "quarantined": 0, "steps": steps})
    return after, verdicts


def _counted(rule: str, dropped: int) -> dict[str, Any]:
    return {"dropped": dropped, "quarantined": 0, "rules": {rule: dropped}}


def _resolve(plan: Plan, index: int, states: Sequence[UnitState], folder: Path) -> dict[str, Any]:
    phase = plan.phases[index]
    assert isinstance(phase, GlobalStage)
    scratch = folder / "scratch"
    scratch.mkdir()
    memory = plan.pipeline.executor.memory
    contributions = Contributions(
        tables=lambda: _tables(plan, index, states),
        texts=_texts(plan, index, states),
        signals=_signals(plan, index, states),
        memory=int(memory * MEMORY_SHARE) if memory else DEFAULT_MEMORY,
        scratch=scratch,
        units=tuple(digest([state.unit.fingerprint, state.findings]) for state in states),
        remembered=remembered(plan.store, phase),
    )
    resolved = phase.step.resolve(contributions)
    write = _findings if phase.step.FINDINGS is not None else _duplicates
    units = write(plan, index, states, resolved, folder)
    shutil.rmtree(scratch)
    return {"units": units}


def remembered(store: str, phase: GlobalStage) -> Path:
    """Where a global step may keep what serves later runs."""
    return Path(store, "resolve", f"remembered-{digest(fingerprint_of(phase))[:16]}.arrow")


def _findings(
    plan: Plan, index: int, states: Sequence[UnitState], resolved: Iterator[pa.Table], folder: Path
) -> list[Any]:
    """Write what was found; nothing is dropped. For each unit the name of the rows alive, how many, the name of its findings."""
    phase = plan.phases[index]
    assert isinstance(phase, GlobalStage)
    schema = phase.step.findings_schema()
    with pa.ipc.new_file(str(folder / "findings.arrow"), schema, options=FAST) as writer:
        return [
            [state.alive, state.count, _write(writer, found.cast(schema))]
            for state, found in zip(states, resolved, strict=True)
        ]


def _duplicates(
    plan: Plan, index: int, states: Sequence[UnitState], resolved: Iterator[pa.Table], folder: Path
) -> list[Any]:
    """Write what is dropped, with evidence. For each unit the name of the rows alive, how many, the name of its part."""
    duplicates = [table.cast(DUPLICATES) for table in resolved]
    units = []
    with pa.ipc.new_file(str(folder / "duplicates.arrow"), EVIDENCE, options=FAST) as writer:
        for state, found in zip(states, _with_addresses(plan, index, states, duplicates), strict=True):
            alive = alive_rows(plan.phases, state, index)
            alive = alive[~isin(alive, found["row"].to_numpy())]
            units.append([rows_key(alive), len(alive), _write(writer, found)])
    return units


def _write(writer: Any, content: pa.Table) -> str:
    """Append the part of a unit as one batch; the name of its content."""
    batch = pa.RecordBatch.from_arrays([column.combine_chunks() for column in content.columns], schema=content.schema)
    writer.write_batch(batch)
    return hashlib.blake2b(batch.serialize(), digest_size=16).hexdigest()


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


def _signals(plan: Plan, index: int, states: Sequence[UnitState]) -> Callable[[str], Iterator[Any]]:
    """The values of a signal of an earlier step, unit by unit."""

    def signals(name: str) -> Iterator[Any]:
        struct, _, field = name.partition(".")
        for state in states:
            rows = alive_rows(plan.phases, state, index)
            column = earlier_signals(Job(plan.phases, index, state, plan.store), struct, rows)
            yield signal_values(pc.struct_field(column, field))

    return signals


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
        files = stage_files(plan.phases, states[int(str(kept_unit))], index, plan.store, "signals.arrow")
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
