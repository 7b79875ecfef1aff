"""Writing tokenised documents: a file has a record batch a source, in the order they came; the manifest comes last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.files import file_sha256, write_json
from curate.train.token_set import FORMAT, MANIFEST, Ids, content_hash, schema

Mask = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]


@dataclass
class _Source:
    """The documents of one source so far."""

    ids: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    tokens: list[Ids] = field(default_factory=list)
    masks: list[Mask] = field(default_factory=list)
    scores: list[Scores] = field(default_factory=list)


class TokenFile:
    """Documents of one file to be written, held in memory: 2 or 4 bytes a token, one more with masks, four with scores."""

    def __init__(self, width: int, *, masked: bool, scored: bool = False) -> None:
        self._type = np.uint16 if width == 2 else np.uint32
        self._width, self._masked, self._scored = width, masked, scored
        self._sources: dict[str, _Source] = {}

    def add(
        self, source: str, name: str, path: str, offset: int, tokens: npt.NDArray[Any], mask: Mask | None = None,
        scores: Scores | None = None,
    ) -> None:  # fmt: skip
        """Take up one document of at least one token; ids must fit the width. With masks, some token is trained."""
        held = self._sources.setdefault(source, _Source())
        held.ids.append(name)
        held.paths.append(path)
        held.places.append(offset)
        held.tokens.append(tokens.astype(self._type))
        if mask is not None:
            held.masks.append(mask)
        if scores is not None:
            held.scores.append(scores.astype(np.float32))

    def write(self, path: Path) -> dict[str, Any]:
        """Write the file; what the manifest says of it, all but its path."""
        names = sorted(self._sources)
        columns = schema(self._width, masked=self._masked, scored=self._scored)
        blocks = []
        with pa.ipc.new_file(str(path), columns, options=pa.ipc.IpcWriteOptions(unify_dictionaries=False)) as file:
            for number, name in enumerate(names):
                batch, facts = self._batch(name, number, names, columns)
                file.write_batch(batch)
                blocks.append({"source": name, "batch": number, **facts})
        return {"bytes": path.stat().st_size, "sha256": file_sha256(path), "blocks": blocks}

    def _batch(
        self, name: str, number: int, names: Sequence[str], columns: pa.Schema
    ) -> tuple[pa.RecordBatch, dict[str, Any]]:
        held = self._sources.pop(name)
        offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in held.tokens])]).astype(np.int64)
        tokens = np.concatenate(held.tokens)
        sources = pa.DictionaryArray.from_arrays(np.full(len(held.ids), number, np.int32), pa.array(names, pa.string()))
        arrays = [
            pa.array(held.ids, pa.string()), sources, pa.array(held.paths, pa.string()),
            pa.array(held.places, pa.int64()), _lists(offsets, tokens, columns.field("tokens").type),
        ]  # fmt: skip
        facts = {"documents": len(held.ids), "tokens": len(tokens), "largest": int(tokens.max())}
        facts["longest"] = int(np.diff(offsets).max())
        facts["trained"] = len(tokens) - len(held.ids)
        if self._masked:
            mask = np.concatenate(held.masks)
            first = np.array([int(np.argmax(part)) for part in held.masks], np.int32)
            arrays += [_lists(offsets, mask, columns.field("mask").type), pa.array(first)]
            facts["trained"] = int(mask.sum())
        if self._scored:
            arrays.append(_lists(offsets, np.concatenate(held.scores), columns.field("scores").type))
        return pa.RecordBatch.from_arrays(arrays, schema=columns), facts


def _lists(offsets: npt.NDArray[np.int64], values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets)]
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers, children=[pa.array(values)])


def write_manifest(
    folder: Path,
    files: Sequence[Mapping[str, Any]],
    *,
    tokenizer: Mapping[str, Any],
    width: int,
    masked: bool,
    scored: bool = False,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the manifest of files that are there. `tokenizer` has at least `name`, `sha256`, `vocabulary`."""
    sources: dict[str, dict[str, int]] = defaultdict(lambda: {"documents": 0, "tokens": 0, "trained": 0})
    for entry in files:
        for block in entry["blocks"]:
            for key in ("documents", "tokens", "trained"):
                sources[block["source"]][key] += block[key]
    total = {key: sum(held[key] for held in sources.values()) for key in ("documents", "tokens", "trained")}
    manifest: dict[str, Any] = {
        "format": FORMAT, "kind": "tokens", "hash": "", **total, "width": width, "masked": masked,
        "tokenizer": dict(tokenizer), "sources": dict(sorted(sources.items())), "files": [dict(f) for f in files],
        **({"scored": True} if scored else {}), **(more or {}),
    }  # fmt: skip
    manifest["hash"] = content_hash(manifest)
    write_json(folder / MANIFEST, manifest)
    return manifest
