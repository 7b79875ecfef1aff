"""The texts of single documents, kept or dropped, from the store: for examples in the report and for `explain`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.store import Place, Rows, batches, isin

#: the fingerprint of a unit, and the row in it
Where = tuple[str, int]


def texts(store: Path, manifest: Mapping[str, Any], places: Sequence[Where]) -> dict[Where, str]:
    """The text of each document as the last stage left it that left any: a later step may cut a text down to nothing.

    Args:
        store: the folder `.store` of the output.
        manifest: of the version; only `stages` is read.
        places: (unit, row) of the documents, as the ledger has them.

    Returns:
        (unit, row) -> text. Documents without a text, and those whose text was collected as garbage, are absent.
    """
    stages = [stage["fingerprint"] for stage in manifest["stages"] if stage["kind"] == "map"]
    wanted: dict[str, set[int]] = defaultdict(set)
    for unit, row in places:
        wanted[unit].add(row)
    found: dict[Where, str] = {}
    for unit, rows in wanted.items():
        missing = rows
        for fingerprint in reversed(stages):
            for row, text in _of_unit(Place(str(store), fingerprint, unit), missing):
                found[unit, row] = text or found.get((unit, row), "")
            missing = {row for row in missing if not found.get((unit, row))}
            if not missing:
                break
    return found


def _of_unit(place: Place, rows: set[int]) -> list[tuple[int, str]]:
    chosen = np.array(sorted(rows), np.int32)
    found = []
    for entry in place.entries():
        path = place.folder / entry / "documents.arrow"
        if path.exists():
            found += _of_file(path, chosen)
    return found


def _of_file(path: Path, rows: Rows) -> list[tuple[int, str]]:
    """Only the batches that hold one of `rows` are read beyond their column `row`."""
    holding = [i for i, batch in enumerate(batches([path], ["row"])) if isin(batch["row"].to_numpy(), rows).any()]
    found = []
    with pa.OSFile(str(path)) as source:
        reader = pa.ipc.open_file(source)
        if "text" not in reader.schema.names:
            return []
        fields = [reader.schema.get_field_index(name) for name in ("row", "text")]
        reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=sorted(fields)))
        for i in holding:
            batch = reader.get_batch(i)
            chosen = batch.filter(pa.array(isin(batch["row"].to_numpy(), rows)))
            pairs = zip(chosen["row"].to_pylist(), chosen["text"].to_pylist(), strict=True)
            found += [(row, text) for row, text in pairs if text is not None]
    return found
