"""Shards: the kept documents as Arrow IPC files with zstd, with all their signals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.documents import SHARD_COLUMNS
from curate.files import committed_folder, file_sha256, write_json
from curate.plan import MapStage, Phase
from curate.store import Place, RowReader, Rows
from curate.work import UnitState, stage_files
from curate.writers.versions import with_versions


@dataclass(frozen=True)
class Segment:
    """Kept rows of one unit that stand together in a shard; `bounds` are the ends of its record batches."""

    state: UnitState
    rows: Rows
    bounds: tuple[int, ...]


@dataclass(frozen=True)
class ShardTask:
    """One shard to write: `key` names its content."""

    key: str
    phases: tuple[Phase, ...]
    store: str
    segments: tuple[Segment, ...]

    @property
    def documents(self) -> int:
        """How many documents the shard holds."""
        return sum(len(segment.rows) for segment in self.segments)


def write_shard(task: ShardTask) -> dict[str, Any]:
    """Write one shard into the store. Returns its receipt: rows, bytes, sha256."""
    target = Path(task.store, "published", task.key[:20])
    with committed_folder(target) as folder:
        path = folder / "shard.arrow"
        rows = _write(task, path)
        receipt = {"rows": rows, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
        write_json(folder / "receipt.json", receipt, indent=None)
    return receipt


def _write(task: ShardTask, path: Path) -> int:
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd"))
    writer: Any = None
    rows = 0
    try:
        for segment in task.segments:
            readers = stage_readers(task.phases, segment.state, task.store)
            start = 0
            for stop in segment.bounds:
                batch = _batch(readers, segment.rows[start:stop])
                if writer is None:
                    writer = pa.ipc.new_file(str(path), with_versions(batch.schema, task.phases), options=options)
                writer.write_table(batch)
                rows += batch.num_rows
                start = stop
    finally:
        if writer:
            writer.close()
    return rows


def stage_readers(phases: tuple[Phase, ...], state: UnitState, store: str) -> list[RowReader]:
    """Readers of a unit: the documents as the last stage left them, then the structs of each stage."""
    readers = [RowReader(stage_files(phases, state, len(phases), store), ["row", *SHARD_COLUMNS])]
    for i, stage in enumerate(phases):
        if isinstance(stage, MapStage):
            files = Place(store, stage.fingerprint, state.unit.fingerprint).files(state.entries[i], "signals.arrow")
            readers.append(RowReader(files, ["row", *(step.name for step in stage.steps)]))
    return readers


def _batch(readers: list[RowReader], rows: Rows) -> pa.Table:
    columns: dict[str, Any] = {}
    for reader in readers:
        found = reader.take(rows).combine_chunks()
        columns |= {name: found[name] for name in found.schema.names if name != "row"}
    return pa.table(columns)
