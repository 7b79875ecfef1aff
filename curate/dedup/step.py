"""What a global step is: `collect` from every unit, `resolve` over all contributions, a verdict or findings for each row.

`collect` is a map step: it runs fused at the end of its stage and returns columns that go to a file of their own, read
by `resolve` only. `resolve` runs in the parent, within a memory bound, and gives one table a unit. No text moves:
`resolve` gets a reader for the few texts it must look at.

There are two kinds. A step that drops (dedup) gives tables of `DUPLICATES`. A step that applies declares `FINDINGS`
and gives tables of `row` and those columns; it then stands at the head of the stage that follows, where `process`
meets each document with its findings in the struct column `findings` (null where `resolve` gave the row none): it may
edit text, and makes signals that rules judge like any filter's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.documents import FINDINGS_COLUMN
from curate.errors import CurateError
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
        signals: `signals("quality.word_count")` yields for each unit an array aligned with `tables`, of a signal that
            the step `reads`, as `signal_values` gives it.
        memory: bytes that `resolve` may use beyond the process's own.
        scratch: an empty folder for spill files.
        units: the name of each unit's content, in hexadecimal; empty where nothing is remembered.
        remembered: a file in which the step, with these settings, may keep what serves later runs; others of that name with
            another suffix are its own, too.
    """

    tables: Callable[[], Iterator[pa.Table]]
    texts: Callable[[int, npt.NDArray[np.int32]], pa.Array]
    signals: Callable[[str], Iterator[npt.NDArray[Any]]]
    memory: int
    scratch: Path
    units: tuple[str, ...] = ()
    remembered: Path | None = None


def signal_values(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """A signal of n documents as numpy has it: (n,) float64 with NaN for null, or (n, d) float32 of vectors.

    Of lists of numbers (n, k) float64, k the longest and at least 1: NaN behind the end of a list, and for null.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_list(column.type):
        return _padded(column)
    if not pa.types.is_fixed_size_list(column.type):
        return np.asarray(column, np.float64)
    width = column.type.list_size
    values = np.asarray(column.values.slice(column.offset * width, len(column) * width), np.float32).reshape(-1, width)
    if column.null_count:
        values = np.where(np.asarray(column.is_valid())[:, None], values, np.float32("nan"))
    return values


def token_counts(pool: Contributions, signal: str, step: str) -> npt.NDArray[np.float64]:
    """(n,) what a signal counts for all documents. Raises CurateError, of `step`, where it is null or below 0: no budget holds."""
    counts: npt.NDArray[np.float64] = np.concatenate([*pool.signals(signal), np.zeros(0)])
    if strange := int((~(counts >= 0)).sum()):
        what = f"`{signal}` counts no tokens of {strange:,} documents: it is null there, or below 0"
        raise CurateError(step, what, "name a signal that counts those of every document, or leave `count` out")
    return counts


def _padded(lists: pa.ListArray) -> npt.NDArray[np.float64]:
    sizes = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    padded = np.full((len(lists), max(1, sizes.max(initial=0))), np.nan)
    padded[np.arange(padded.shape[1]) < sizes[:, None]] = np.asarray(lists.flatten(), np.float64)
    return padded


class GlobalStep(Step):
    """The base of steps that need all documents.

    `RULE_FIELDS` of a subclass names the settings that `resolve` alone reads: changing them re-runs no `collect`.
    """

    #: of a step that applies: the columns beside `row` of what `resolve` gives
    FINDINGS: ClassVar[pa.Schema | None] = None
    #: settings that only judge what was found: changing them resolves nothing again
    VERDICT_FIELDS: ClassVar[frozenset[str]] = frozenset()
    #: the name of the rule that the ledger gives to documents that `resolve` drops
    drop_rule: ClassVar[str] = "duplicate"

    def resolve_fingerprint(self) -> dict[str, Any]:
        """What of this step decides what `resolve` gives."""
        skip = Step.RULE_FIELDS | set(self.SIGNALS) | self.VERDICT_FIELDS
        return {name: value for name, value in self.model_dump(mode="json").items() if name not in skip}

    def findings_schema(self) -> pa.Schema:
        """Of a step that applies: the schema of the tables that `resolve` gives."""
        return pa.schema([DUPLICATES.field("row"), *(self.FINDINGS or ())])

    def reads(self) -> Mapping[str, str]:
        """Setting -> the signal of an earlier step (`step.field`) that `resolve` reads by it."""
        return {}

    def takes(self, setting: str, kind: pa.DataType) -> bool:
        """Whether that setting of `reads` may name a signal of this type: `vectors` names vectors, all others numbers."""
        if setting == "vectors":
            return bool(pa.types.is_fixed_size_list(kind))
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))

    @abstractmethod
    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """A batch of documents -> named columns, one value a row: this unit's contribution."""

    @abstractmethod
    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """All contributions -> for each unit, in order, a table, rows ascending, of the documents that it is about.

        Of `DUPLICATES`, the documents to drop; or, of a step that applies, of `row` (int32) and `FINDINGS`.
        """

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Of a step that applies: a batch with the column `findings` -> text edited, signals made.

        Unless overridden, findings become signals of the same names. A step that drops has nothing to process.
        """
        if self.FINDINGS is None:
            return batch
        found = batch[FINDINGS_COLUMN]
        return self.with_signals(batch, **{name: pc.struct_field(found, name) for name in self.FINDINGS.names})
