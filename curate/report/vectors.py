"""The vectors of single documents, chosen or not, from the store: for the map of a selection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.step import signal_values
from curate.report.texts import Where
from curate.store import Place, batches, isin, schema

Vectors = npt.NDArray[np.float32]


def vectors(
    store: Path, manifest: Mapping[str, Any], places: Sequence[Where], step: str, field: str = "vector"
) -> dict[Where, Vectors]:
    """(unit, row) -> (d,) float32, of the documents that have a vector `step`.`field` in the store."""
    stages = [s["fingerprint"] for s in manifest["stages"] if s["kind"] == "map" and step in s["steps"]]
    wanted: dict[str, set[int]] = defaultdict(set)
    for unit, row in places:
        wanted[unit].add(row)
    found: dict[Where, Vectors] = {}
    for unit, rows in wanted.items():
        for fingerprint in stages:
            folder = Place(str(store), fingerprint, unit).folder
            for path in sorted(folder.glob("*/signals.arrow")):
                found |= {(unit, row): vector for row, vector in _of_file(path, rows, step, field)}
    return found


def _of_file(path: Path, rows: set[int], step: str, field: str) -> list[tuple[int, Vectors]]:
    """Only of batches that hold one of `rows` is more than the column `row` read."""
    if step not in schema(path).names:
        return []
    chosen = np.array(sorted(rows), np.int32)
    masks = [isin(batch["row"].to_numpy(), chosen) for batch in batches([path], ["row"])]
    found: list[tuple[int, Vectors]] = []
    with pa.OSFile(str(path)) as source:
        reader = pa.ipc.open_file(source)
        fields = sorted(reader.schema.get_field_index(name) for name in ("row", step))
        reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=fields))
        for i, mask in enumerate(masks):
            if mask.any():
                batch = reader.get_batch(i).filter(pa.array(mask))
                values = signal_values(pc.struct_field(batch[step], field))
                found += [(r, v) for r, v in zip(batch["row"].to_pylist(), values, strict=True) if np.isfinite(v).all()]
    return found
