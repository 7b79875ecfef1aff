"""What a global step is: `collect` from every unit, `resolve` over all contributions, a verdict for each row.

`collect` is a map step: it runs fused at the end of its stage and returns columns that go to a file of their own, read
by `resolve` only. `resolve` runs in the parent or in the workers, within a memory bound, and writes one table of
verdicts a unit. No text moves: `resolve` gets a reader for the few texts it must look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.steps.step import Step

# One row for each document that the step drops: `row` of the unit, the kept document that stands for it, how similar.
DUPLICATES = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),
        pa.field("kept_unit", pa.int32(), nullable=False),
        pa.field("kept_row", pa.int32(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Contributions:
    """What all units contributed, in unit order.

    Attributes:
        tables: yields for each unit the table that `collect` made, with a leading column `row` (int32, ascending);
            only documents that are alive are in it. May be iterated more than once.
        texts: `texts(unit, rows)` -> string array, the texts of these rows (ascending int32) of that unit.
        orders: for `keep: <signal>`: yields for each unit a float64 array aligned with `tables`; else None.
        memory: bytes that `resolve` may use beyond the process's own.
        scratch: an empty folder for spill files.
    """

    tables: Callable[[], Iterator[pa.Table]]
    texts: Callable[[int, npt.NDArray[np.int32]], pa.Array]
    orders: Callable[[], Iterator[npt.NDArray[np.float64]]] | None
    memory: int
    scratch: Path


class GlobalStep(Step):
    """The base of steps that need all documents.

    `RULE_FIELDS` of a subclass names the settings that `resolve` alone reads: changing them re-runs no `collect`.
    """

    #: the name of the rule that the ledger gives to documents that `resolve` drops
    drop_rule: ClassVar[str] = "duplicate"

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """A batch of documents -> named columns, one value a row: this unit's contribution."""
        raise NotImplementedError(type(self).__name__)

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """All contributions -> for each unit, in order, a table of `DUPLICATES`: the documents to drop."""
        raise NotImplementedError(type(self).__name__)

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A global step changes nothing inside its stage."""
        return batch
