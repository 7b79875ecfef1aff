"""A part of a tokenised set: the first documents of each source in a keyed order, so that a larger part holds a smaller."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.files import committed_folder
from curate.train.token_files import TokenFile, write_manifest
from curate.train.token_set import TOKENIZER, TOKENS, TokenSet


def subset(data: TokenSet, fraction: float, seed: int, output: Path) -> TokenSet:
    """The set at `output`: of each source the share `fraction` of its documents, at least one. It is made unless it is
    there; what is there of other data, another share or another seed is made anew.

    Files are read and written one at a time. Which documents come first is decided by seed, source and place alone.
    """
    part = {"of": data.hash, "fraction": fraction, "seed": seed}
    if output.is_dir():
        found = TokenSet.open(output)
        if found.manifest["part"] == part:
            return found
        shutil.rmtree(output)
    chosen = {name: _first(data, name, fraction, seed) for name in data.sources}
    done = dict.fromkeys(chosen, 0)
    with committed_folder(output) as folder:
        (folder / TOKENS).mkdir()
        facts: list[dict[str, Any]] = []
        for entry in data.manifest["files"]:
            file = TokenFile(data.width, masked=data.masked, scored=data.scored)
            for block in [b for blocks in data.blocks.values() for b in blocks if b.file == entry["path"]]:
                begin = done[block.source]
                done[block.source] += block.documents
                rows = np.flatnonzero(chosen[block.source][begin : begin + block.documents])
                _add(file, data.batch(block), block.source, rows.tolist())
            path = folder / TOKENS / f"{len(facts):05d}.arrow"
            facts.append({"path": f"{TOKENS}/{path.name}", **file.write(path)})
        if (data.folder / TOKENIZER).is_dir():
            (folder / TOKENIZER).mkdir()
            for source in (data.folder / TOKENIZER).iterdir():
                (folder / TOKENIZER / source.name).write_bytes(source.read_bytes())
        write_manifest(
            folder, facts, tokenizer=data.manifest["tokenizer"], width=data.width, masked=data.masked, scored=data.scored,
            more={"part": part, "runs": _runs(data, output)},
        )  # fmt: skip
    return TokenSet.open(output)


def _runs(data: TokenSet, output: Path) -> list[dict[str, Any]]:
    """The runs of the whole set, their folders as seen from the part."""
    return [
        {**run, "folder": os.path.relpath((data.folder / run["folder"]).resolve(), output.resolve())}
        for run in data.runs
    ]


def _first(data: TokenSet, source: str, fraction: float, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """(documents,) bool: which are in the part."""
    count = sum(block.documents for block in data.blocks[source])
    ranks = np.empty(count, np.uint64)
    for number in range(count):
        key = hashlib.blake2b(f"{seed} {source} {number}".encode(), digest_size=8).digest()
        ranks[number] = int.from_bytes(key, "little")
    kept = np.zeros(count, np.bool_)
    kept[np.argsort(ranks, kind="stable")[: max(1, round(fraction * count))]] = True
    return kept


def _add(file: TokenFile, batch: pa.RecordBatch, source: str, rows: list[int]) -> None:
    for row in rows:
        name, path, offset = (batch[key][row].as_py() for key in ("id", "path", "offset"))
        others = [
            batch[key][row].values.to_numpy() if key in batch.schema.names else None for key in ("mask", "scores")
        ]
        file.add(source, name, path, offset, batch["tokens"][row].values.to_numpy(), *others)
