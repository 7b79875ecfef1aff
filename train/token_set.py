"""Tokenised documents on disk: a folder of uncompressed Arrow files that are mapped into memory, and its manifest.

    DIR/manifest.json       what it holds, every file with its SHA-256; written last
    DIR/tokens/00000.arrow  a row a document, a record batch a source
    DIR/tokenizer/          the tokenizer, as transformers loads it
    DIR/held_out/           another such set, of documents that are not for training, where some are held out

A row: `id`, `source`, `path`, `offset` (the keys of the ledger), `tokens` (uint16 or uint32), of conversations `mask`
(1 where the loss is) and `first_trained` (the place of the first such token), and where segments were scored `scores`
(float32, that of each token's segment). Nothing is read when a set is opened but
the manifest and the files' footers, so memory does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import ConfigError, CurateError, Problem
from curate.files import digest, file_sha256, read_json

FORMAT = 1
MANIFEST, TOKENS, TOKENIZER, HELD_OUT = "manifest.json", "tokens", "tokenizer", "held_out"
AGAIN = "run `curate tokenize` again: what is whole is kept"
Ids = npt.NDArray[Any]


class Block(NamedTuple):
    """The documents of one source in one file: the record batch `batch` of it."""

    source: str
    file: str
    batch: int
    documents: int
    tokens: int


@dataclass(frozen=True)
class Document:
    """One tokenised document: what names it in the ledger, its ids, and for conversations where the loss is."""

    id: str
    source: str
    path: str
    offset: int
    tokens: Ids
    mask: npt.NDArray[np.uint8] | None


def schema(width: int, *, masked: bool, scored: bool = False) -> pa.Schema:
    """The columns of a file of tokens of `width` bytes. Document offsets are 64 bits wide."""
    fields = [
        pa.field("id", pa.string()),
        pa.field("source", pa.dictionary(pa.int32(), pa.string())),
        pa.field("path", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("tokens", pa.large_list(pa.field("item", pa.uint16() if width == 2 else pa.uint32(), nullable=False))),
    ]
    if masked:
        fields.append(pa.field("mask", pa.large_list(pa.field("item", pa.uint8(), nullable=False))))
        fields.append(pa.field("first_trained", pa.int32()))
    if scored:
        fields.append(pa.field("scores", pa.large_list(pa.field("item", pa.float32(), nullable=False))))
    return pa.schema(fields)


class TokenSet:
    """An opened folder of tokenised documents."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self._batches: dict[tuple[str, int], pa.RecordBatch] = {}

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool = False) -> TokenSet:
        """The set in a folder. Raises ConfigError for a folder that is none, CurateError for files that are not whole.

        Sizes are always compared with the manifest; `verify` also reads every file and compares its hash.
        """
        folder = Path(folder)
        manifest = read_json(folder / MANIFEST)
        if manifest is None or manifest.get("kind") != "tokens":
            what = "holds no tokenised documents: there is no manifest of tokens"
            raise ConfigError([Problem(str(folder), what, "make it with `curate tokenize SHARDS --output DIR`")])
        if manifest["format"] != FORMAT:
            raise ConfigError([Problem(str(folder), f"format {manifest['format']}, this is for {FORMAT}", AGAIN)])
        found = cls(folder, manifest)
        found._check_files(verify)
        return found

    def _check_files(self, verify: bool) -> None:
        for entry in self.manifest["files"]:
            path = self.folder / entry["path"]
            size = path.stat().st_size if path.exists() else -1
            if size != entry["bytes"]:
                what = "is missing" if size < 0 else f"is {size:,} bytes long, the manifest says {entry['bytes']:,}"
                raise CurateError(str(path), what, AGAIN)
            if verify and file_sha256(path) != entry["sha256"]:
                raise CurateError(str(path), "is damaged: its SHA-256 is not that of the manifest", AGAIN)

    @property
    def hash(self) -> str:
        """What names the content: the files' hashes, the tokenizer's, and what every source holds."""
        return str(self.manifest["hash"])

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The curation runs whose shards these are, each with its folder as seen from here, version and fingerprint."""
        return list(self.manifest.get("runs", []))

    @property
    def masked(self) -> bool:
        """Whether documents say where the loss is: conversations."""
        return bool(self.manifest["masked"])

    @property
    def scored(self) -> bool:
        """Whether tokens have the scores of their segments: what objectives from preferences read."""
        return bool(self.manifest.get("scored"))

    @property
    def width(self) -> int:
        """Bytes a token."""
        return int(self.manifest["width"])

    @cached_property
    def blocks(self) -> dict[str, list[Block]]:
        """Of each source, in the order of their names, where its documents stand."""
        found: dict[str, list[Block]] = {name: [] for name in sorted(self.manifest["sources"])}
        for entry in self.manifest["files"]:
            for part in entry["blocks"]:
                block = Block(part["source"], entry["path"], part["batch"], part["documents"], part["tokens"])
                found[block.source].append(block)
        return found

    @property
    def sources(self) -> dict[str, dict[str, int]]:
        """Of each source how many documents and tokens it has, and with masks how many of them are trained."""
        return {name: dict(self.manifest["sources"][name]) for name in sorted(self.manifest["sources"])}

    def batch(self, block: Block) -> pa.RecordBatch:
        """The record batch of a block, mapped into memory and kept."""
        key = (block.file, block.batch)
        if key not in self._batches:
            path = self.folder / block.file
            try:
                file = pa.ipc.open_file(pa.memory_map(str(path)))
                batch = file.get_batch(block.batch)
            except (pa.ArrowException, OSError) as error:
                raise CurateError(str(path), f"cannot be read: {error}", AGAIN) from error
            _check_batch(path, batch, block)
            self._batches[key] = batch
        return self._batches[key]

    def document(self, source: str, number: int) -> Document:
        """Document `number` of a source. Raises IndexError."""
        for block in self.blocks[source]:
            if number < block.documents:
                return _document(self.batch(block), source, number)
            number -= block.documents
        raise IndexError(f"{source} has no such document")

    def documents(self, source: str) -> Iterator[Document]:
        """All documents of a source, in order."""
        for block in self.blocks[source]:
            for row in range(block.documents):
                yield _document(self.batch(block), source, row)


def _check_batch(path: Path, batch: pa.RecordBatch, block: Block) -> None:
    """Kernels read what stands here without a check of their own."""
    tokens = batch["tokens"]
    ends = tokens.offsets[len(batch)].as_py() if len(batch) else 0
    others = [batch[name] for name in ("mask", "scores") if name in batch.schema.names]
    same = all(len(held) == len(batch) and (not len(batch) or held.offsets[-1].as_py() == ends) for held in others)
    if (len(batch), ends) != (block.documents, block.tokens) or len(tokens.values) < ends or not same or tokens.offset:
        raise CurateError(str(path), f"batch {block.batch} does not hold what the manifest says of it", AGAIN)


def _document(batch: pa.RecordBatch, source: str, row: int) -> Document:
    place = [batch[name][row].as_py() for name in ("id", "path", "offset")]
    mask = batch["mask"][row].values.to_numpy() if "mask" in batch.schema.names else None
    return Document(place[0], source, place[1], place[2], batch["tokens"][row].values.to_numpy(), mask)


def content_hash(manifest: Mapping[str, Any]) -> str:
    """What names the content of a set: independent of time, machine and the engine that made the ids."""
    files = [[entry["path"], entry["sha256"], entry["blocks"]] for entry in manifest["files"]]
    return digest([FORMAT, manifest["tokenizer"]["sha256"], manifest["width"], manifest["masked"], files])
