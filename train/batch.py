"""One rank's rows of one step: tokens, and from their segments labels, positions and the numbers of documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels import packing
from curate.kernels.mixture import Integers
from curate.train.sources import Sources

IGNORE = packing.IGNORE


@dataclass(frozen=True, eq=False)
class Batch:
    """`tokens`, (rows, context) int32, and `segments`, (n, 6) int64: row, place, source, document, first token, length.

    Attributes:
        step: the step that this is the batch of.
        tokens: token ids; padding holds the id `pad` of the loader.
        segments: what stands where, by row and place; sources and documents by number (`Loader.documents` names them).
    """

    step: int
    tokens: npt.NDArray[np.int32]
    segments: Integers
    sources: Sources

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """(rows, context) int64, not shifted: the token itself where the loss is of it, else -100.

        The first token of a document or of a piece is never predicted, nor is padding or what a mask leaves out.
        """
        labels = self._empty(IGNORE)
        packing.copy_labels(self.sources.corpus, self.segments, self.tokens, labels)
        return labels

    @cached_property
    def whole_labels(self) -> npt.NDArray[np.int64]:
        """(rows, context) int64: labels as if no token were masked."""
        there = (self.positions > 0) & (self.documents >= 0)
        return np.where(there, self.tokens, IGNORE).astype(np.int64)

    @cached_property
    def scores(self) -> npt.NDArray[np.float32]:
        """(rows, context) float32: the misalignment of each token's segment; the sets must have scores."""
        out = np.zeros(self.tokens.shape, np.float32)
        for row, at, source, document, start, length in self.segments.tolist():
            held, block, number = self.sources.place(source, document)
            values = held.batch(block)["scores"][number].values
            out[row, at : at + length] = values.slice(start, length).to_numpy()
        return out

    @cached_property
    def _places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        positions, documents = self._empty(-1), self._empty(-1)
        packing.copy_positions(self.segments, positions, documents)
        if self.padded:
            packing.place_padding(positions, documents)
        return positions, documents

    @property
    def padded(self) -> int:
        """How many places hold no document."""
        return self.tokens.size - int(self.segments[:, packing.LENGTH].sum())

    def _empty(self, value: int) -> npt.NDArray[np.int64]:
        """An array of the shape of the tokens, with `value` where nothing will be written."""
        return np.full(self.tokens.shape, value, np.int64) if self.padded else np.empty(self.tokens.shape, np.int64)

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """(rows, context) int64: the place of each token in its piece, from 0; padding counts from 0, too."""
        return self._places[0]

    @property
    def documents(self) -> npt.NDArray[np.int64]:
        """(rows, context) int64: the number of the token's piece in its row, from 0; -1 for padding."""
        return self._places[1]

    @cached_property
    def trained(self) -> int:
        """How many tokens the loss is of."""
        return int((self.labels != IGNORE).sum())

    @cached_property
    def token_sources(self) -> npt.NDArray[np.int64]:
        """(rows, context) int64: the number of each token's source in `Loader.sources`, -1 for padding."""
        out = np.full(self.tokens.shape, -1, np.int64)
        for row, at, source, _, _, length in self.segments.tolist():
            out[row, at : at + length] = source
        return out

    def cu_seqlens(self, size: int | None = None) -> tuple[npt.NDArray[np.int32], int]:
        """Where each piece begins in the flattened rows, and the end; and the length of the longest.

        With `size`, the end is repeated to that many entries: kernels compiled for one shape see one shape.
        """
        width = self.tokens.shape[1]
        starts = np.flatnonzero(self.positions.ravel() == 0)
        ends = np.append(starts, self.tokens.size)
        longest = int(np.diff(ends).max()) if len(starts) else width
        if size is not None:
            ends = np.append(ends, np.full(max(0, size - len(ends)), self.tokens.size))
        return ends.astype(np.int32), longest

    def micro_batches(self, rows: int) -> Iterator[Batch]:
        """The rows in groups of at most `rows`, in order."""
        for start in range(0, len(self.tokens), rows):
            stop = min(start + rows, len(self.tokens))
            first, last = np.searchsorted(self.segments[:, packing.ROW], [start, stop])
            segments = self.segments[first:last].copy()
            segments[:, packing.ROW] -= start
            yield replace(self, tokens=self.tokens[start:stop], segments=segments)

    def torch(self, device: Any = None) -> dict[str, Any]:
        """`input_ids`, `labels`, `position_ids`, `doc_ids`, each (rows, context) int64 of torch.

        Give models `input_ids` and `position_ids` with `use_cache=False` and no `attention_mask`
        (`curate.train.attention.model_inputs` does): else many let documents attend to each other.
        """
        import torch

        arrays = {
            "input_ids": self.tokens, "labels": self.labels, "position_ids": self.positions, "doc_ids": self.documents,
        }  # fmt: skip
        return {name: torch.from_numpy(a).to(device=device, dtype=torch.int64) for name, a in arrays.items()}

    def digest(self) -> str:
        """A 128-bit hash of tokens, labels, positions and documents."""
        state = hashlib.blake2b(repr((self.step, self.tokens.shape)).encode(), digest_size=16)
        for part in (self.tokens, self.labels, self.positions, self.documents):
            state.update(part.tobytes())
        return state.hexdigest()
