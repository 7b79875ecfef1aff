"""The ledger: one row for each document that was ever read, as Parquet: its fate, why, the evidence, every signal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.files import committed_folder, file_sha256, write_json
from curate.plan import MapStage, Phase
from curate.store import Place, schema, table
from curate.work import UnitState, alive_rows, part_of
from curate.writers.versions import with_versions

# Rows of the ledger that are written, and so read, together.
ROW_GROUP = 20_000
FATES = ("kept", "dropped", "quarantined")
EVIDENCE = pl.Struct(
    {
        "kind": pl.String,
        "kept_id": pl.String,
        "kept_path": pl.String,
        "kept_offset": pl.Int64,
        "similarity": pl.Float32,
        "null_rules": pl.List(pl.String),
        "error": pl.String,
    }
)
PLACES = ("id", "source", "path", "offset")
# what later stages may set
FACTS = ("url", "date", "lang", "title")


@dataclass(frozen=True)
class LedgerTask:
    """One part of the ledger: units with where their kept rows stand, as (shard number, first row, rows)."""

    key: str
    phases: tuple[Phase, ...]
    store: str
    group: tuple[tuple[UnitState, tuple[tuple[int, int, int], ...]], ...]
    documents: int


def write_ledger(task: LedgerTask) -> dict[str, Any]:
    """Write one part into the store. Returns its receipt: rows, bytes, sha256."""
    target = Path(task.store, "published", task.key[:20])
    with committed_folder(target) as folder:
        path = folder / "ledger.parquet"
        rows, writer = 0, None
        for part in _row_groups(task):
            writer = writer or pq.ParquetWriter(path, with_versions(part.schema, task.phases), compression="zstd")
            writer.write_table(part)
            rows += part.num_rows
        if writer:
            writer.close()
        receipt = {"rows": rows, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
        write_json(folder / "receipt.json", receipt, indent=None)
    return receipt


def _row_groups(task: LedgerTask) -> Iterator[pa.Table]:
    """The rows of small units together: a row group costs by the column, not by the row."""
    held: list[pa.Table] = []
    for state, placed in task.group:
        held.append(_unit(task, state, placed))
        if sum(part.num_rows for part in held) >= ROW_GROUP:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _unit(task: LedgerTask, state: UnitState, placed: tuple[tuple[int, int, int], ...]) -> pa.Table:
    frames = [_stage(task, state, i) for i, phase in enumerate(task.phases) if isinstance(phase, MapStage)]
    ledger = frames[0]
    for later in frames[1:]:
        ledger = ledger.join(later.drop("error"), on="row", how="left", suffix="_later", maintain_order="left")
        newer = [name for name in (*FACTS, "size") if f"{name}_later" in ledger.columns]
        ledger = ledger.with_columns(pl.coalesce(f"{name}_later", name).alias(name) for name in newer)
        ledger = ledger.drop(f"{name}_later" for name in newer)
    ledger = ledger.join(_fates(task, state, frames), on="row", how="left", maintain_order="left")
    ledger = ledger.join(_positions(task, state, placed), on="row", how="left", maintain_order="left")
    made = {s.name: None for phase in task.phases if isinstance(phase, MapStage) for s in phase.steps}
    structs = [name for name in made if name in ledger.columns]
    return ledger.select(
        *PLACES, *FACTS, pl.col("size").alias("text_bytes"),
        pl.col("fate").fill_null("kept"), "step", pl.col("rule").fill_null([]), "evidence",
        "shard", "shard_row", pl.lit(state.unit.fingerprint).alias("unit"), "row", *structs,
    ).to_arrow()  # fmt: skip


def _stage(task: LedgerTask, state: UnitState, index: int) -> pl.DataFrame:
    stage = task.phases[index]
    assert isinstance(stage, MapStage)
    files = Place(task.store, stage.fingerprint, state.unit.fingerprint).files(state.entries[index], "signals.arrow")
    places = PLACES if index == 0 else ()
    structs = [step.name for step in stage.steps if step.name in schema(files[0]).names]
    rows = None if index == 0 else alive_rows(task.phases, state, index)
    columns = ["row", *places, *FACTS, "size", "error", *structs]
    return pl.DataFrame(pl.from_arrow(without_vectors(table(files, columns, rows))))


def without_vectors(content: pa.Table) -> pa.Table:
    """The table without those signals that are vectors: they stand in the shards, the ledger stays small."""
    for index, field in enumerate(content.schema):
        if not pa.types.is_struct(field.type):
            continue
        kept = [f for f in field.type if not pa.types.is_fixed_size_list(f.type)]
        if len(kept) == field.type.num_fields:
            continue
        if not kept:
            return without_vectors(content.remove_column(index))
        struct = content[field.name].combine_chunks()
        arrays = [pc.struct_field(struct, f.name) for f in kept]
        slim = pa.StructArray.from_arrays(arrays, fields=kept, mask=struct.is_null())
        content = content.set_column(index, field.name, slim)
    return content


def _fates(task: LedgerTask, state: UnitState, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Of each document that is not kept: fate, step, rule and evidence."""
    parts = []
    stages = iter(frames)
    for i, (path, _) in state.verdicts.items():
        phase = task.phases[i]
        if isinstance(phase, MapStage):
            found = pl.DataFrame(pl.from_arrow(table([Path(path)], ["row", "fate", "step", "rule", "null_rules"])))
            errors = next(stages).select("row", "error")
            out = found.filter(pl.col("fate") != 0).join(errors, on="row", how="left", maintain_order="left")
            null = pl.col("null_rules").list.len() > 0
            kind = pl.when(pl.col("error").is_not_null()).then(pl.lit("error")).when(null).then(pl.lit("null"))
            evidence = {
                "kind": kind.otherwise(pl.lit("signals")),
                "null_rules": pl.when(null).then("null_rules"),
                "error": pl.col("error"),
            }
            fate = pl.col("fate").replace_strict({1: FATES[1], 2: FATES[2]}, return_dtype=pl.String)
            parts.append(out.select("row", fate.alias("fate"), "step", "rule", _evidence(evidence)))
        else:
            found = pl.DataFrame(pl.from_arrow(part_of(path, state.unit)))
            kept = {name: pl.col(name) for name in ("kept_id", "kept_path", "kept_offset", "similarity")}
            rule = pl.lit([phase.step.drop_rule], pl.List(pl.String))
            parts.append(
                found.select(
                    "row", pl.lit(FATES[1]).alias("fate"), pl.lit(phase.name).alias("step"), rule.alias("rule"),
                    _evidence({"kind": pl.lit(phase.step.drop_rule), **kept}),
                )
            )  # fmt: skip
    return pl.concat(parts)


def _evidence(given: dict[str, pl.Expr]) -> pl.Expr:
    fields = [
        given.get(field.name, pl.lit(None)).cast(field.dtype).alias(field.name)
        for field in EVIDENCE.fields  # type: ignore[attr-defined]
    ]
    return pl.struct(fields).alias("evidence")


def _positions(task: LedgerTask, state: UnitState, placed: tuple[tuple[int, int, int], ...]) -> pl.DataFrame:
    rows = alive_rows(task.phases, state, len(task.phases))
    shard = np.concatenate([np.full(count, number, np.int32) for number, _, count in placed] or [np.zeros(0, np.int32)])
    at = np.concatenate([np.arange(first, first + count) for _, first, count in placed] or [np.zeros(0, np.int64)])
    names = pl.format("shards/{}.arrow", pl.col("shard").cast(pl.String).str.zfill(5))
    frame = pl.DataFrame({"row": rows, "shard": shard, "shard_row": at.astype(np.int64)})
    return frame.with_columns(names.alias("shard"))
