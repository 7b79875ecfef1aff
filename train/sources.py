"""The sources of tokenised sets, as kernels read them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from curate.files import digest
from curate.kernels import mixture
from curate.kernels.addresses import address_of
from curate.kernels.mixture import Corpus
from curate.train.token_set import Block, TokenSet


class Sources:
    """The sources of one or more sets as the table of addresses that kernels read. Sources of one name are joined."""

    def __init__(self, sets: Sequence[TokenSet], seed: int) -> None:
        blocks: dict[str, list[tuple[TokenSet, Block]]] = {}
        for found in sets:
            for name, held in found.blocks.items():
                blocks.setdefault(name, []).extend((found, block) for block in held)
        self.names = tuple(sorted(blocks))
        self.sets = tuple(sets)
        #: what names the data: that of the only set, or of all in their order
        self.hash = sets[0].hash if len(sets) == 1 else digest([found.hash for found in sets])
        self.blocks = [pair for name in self.names for pair in blocks[name]]
        starts, first = [], [0]
        for name in self.names:
            at = 0
            for _, block in blocks[name]:
                starts.append(at)
                at += block.documents
            first.append(len(starts))
        self.documents = {name: sum(block.documents for _, block in blocks[name]) for name in self.names}
        self.tokens = {name: sum(block.tokens for _, block in blocks[name]) for name in self.names}
        keys = [hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest() for name in self.names]
        table = np.array([_addresses(found.batch(block)) for found, block in self.blocks], np.int64).reshape(-1, 4)
        offsets, tokens, masks, trained = (np.ascontiguousarray(table[:, i]) for i in range(4))
        documents = np.array([self.documents[name] for name in self.names], np.int64)
        self.corpus = Corpus(
            np.array(first, np.int64), np.array(starts, np.int64), offsets, tokens, masks, trained, documents,
            np.array([int.from_bytes(key, "little") for key in keys], np.uint64), documents,
            np.zeros(len(documents) + 1, np.int64), np.zeros(0, np.int64),
        )  # fmt: skip

    def place(self, source: int, document: int) -> tuple[TokenSet, Block, int]:
        """The set, block and row of a document."""
        at = int(mixture.block_of(self.corpus, source, document))
        found, block = self.blocks[at]
        return found, block, document - int(self.corpus.start[at])


def _addresses(batch: Any) -> tuple[int, int, int, int]:
    """Of a record batch: token offsets, tokens, mask, first trained tokens; 0 where there is no such column."""
    _, offsets, _, tokens = batch["tokens"].buffers()
    if "mask" not in batch.schema.names:
        return address_of(offsets), address_of(tokens), 0, 0
    mask, first = batch["mask"].buffers()[3], batch["first_trained"].buffers()[1]
    return address_of(offsets), address_of(tokens), address_of(mask), address_of(first)
