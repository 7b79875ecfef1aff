"""`look`: does a document agree with its neighbours about its label?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from curate.dedup.step import Contributions
from curate.select.compare import Comparing
from curate.select.index import VectorIndex
from curate.select.index_kind import all_pairs_kind
from curate.select.order import Scores
from curate.select.points import blocks

# Documents whose neighbours are looked up at once.
BLOCK = 4096
COLUMNS = ("source", "lang", "path")


class Look(Comparing):
    """The share of a document's k nearest neighbours, itself left out, that have its label: leave-one-out agreement.

    Little agreement points at wrong labels, documents that straddle kinds, or labels that the vectors cannot tell. The
    label is a column (source, lang, path) or any numeric signal, as a cluster or a rating. A document without a label
    or a vector has no score. Pools beyond 50,000 documents are searched by an approximate index, which
    finds 95 % of the neighbours. Holds the vectors of all documents, and half as much again beyond that.
    """

    kind: ClassVar[str] = "look"
    version: ClassVar[int] = 3
    source: ClassVar[str] = "leave-one-out k nearest neighbours (Cover & Hart 1967; edited: Wilson 1972)"
    RULE_FIELDS: ClassVar[frozenset[str]] = Comparing.RULE_FIELDS | {"k"}

    label: str = Field("source", description="source, lang, path, or a signal as `step.field`")
    k: int = Field(10, ge=1, description="neighbours that are asked")

    @field_validator("label")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in COLUMNS and "." not in value:
            raise ValueError(f"a label is one of {', '.join(COLUMNS)}, or a signal as `step.field`")
        return value

    def reads(self) -> Mapping[str, str]:
        """The vectors, the label if a signal, and the signal that counts tokens."""
        return {**super().reads(), **({"label": self.label} if "." in self.label else {})}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`key` and `size` of any selector, and `label` if it is a column."""
        return [*super().collect(batch), *([("label", batch[self.label])] if self.label in COLUMNS else [])]

    def fit(self, pool: Contributions) -> Scores:
        """(n,) the agreement of all documents."""
        self.hold_vectors(pool)
        self.checked(pool)
        labels = self._labels(pool)
        units = [values.astype(np.float32, copy=False) for values in pool.signals(self.vectors)]
        index = VectorIndex.build(units, kind=all_pairs_kind(len(labels)), seed=self.seed)
        agreement, start = np.full(len(labels), np.nan), 0
        for block in blocks(units, BLOCK):
            own = np.arange(start, start + len(block))
            start += len(block)
            found = index.search(block, self.k + 1)[1]
            agreement[own] = agreements(found, own, labels, self.k)
        return agreement

    def score(self, state: Scores, pool: Contributions) -> Iterator[Scores]:
        """The agreement, unit by unit."""
        yield from np.split(state, np.cumsum([len(table) for table in pool.tables()])[:-1])

    def _labels(self, pool: Contributions) -> npt.NDArray[Any]:
        """(n,) numbers of labels, -1 for none."""
        if self.label in COLUMNS:
            parts = [table["label"].combine_chunks().cast(pa.string()) for table in pool.tables()]
            codes = pa.concat_arrays([pa.array([], pa.string()), *parts]).dictionary_encode().indices
            return np.asarray(pc.fill_null(codes, -1))
        values = np.concatenate([*pool.signals(self.label), np.zeros(0)])
        codes = np.unique(values, return_inverse=True)[1]
        return np.where(np.isnan(values), -1, codes)


def agreements(found: npt.NDArray[np.int64], own: npt.NDArray[np.int64], labels: npt.NDArray[Any], k: int) -> Scores:
    """(m, k + 1) neighbours of the m documents `own` -> (m,) the share of the first k others with the same label.

    Neighbours are places in `labels` (-1: none). Those without a label (-1) do not count; NaN where none counts.
    """
    others = (found != own[:, None]) & (found >= 0)
    others &= np.cumsum(others, axis=1) <= k
    counted = others & (labels[found] >= 0)
    same = (counted & (labels[found] == labels[own][:, None])).sum(axis=1)
    total = counted.sum(axis=1)
    share = np.where(total > 0, same / np.maximum(total, 1), np.nan)
    return np.where(labels[own] >= 0, share, np.nan)
