"""Passages that many documents share: counted over all documents, cut from each, the text that was cut on record."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.dedup.by_unit import ByUnit
from curate.dedup.spill import LEAST_LIMIT, Rows, Spill
from curate.dedup.step import Contributions, GlobalStep
from curate.documents import FINDINGS_COLUMN, set_column
from curate.steps.step import Bound, Signal
from curate.text import buffers, from_buffers

# Where a passage stands: `passage` is its number in the document. `need`: from how many on it is repeated.
OCCURRENCE = np.dtype([("key", "<u8"), ("unit", "<i4"), ("row", "<i4"), ("passage", "<i4"), ("need", "<i4")])
# A passage to cut; `copies`: how many there are of it.
CUT = np.dtype([("key", "<u8"), ("unit", "<i4"), ("row", "<i4"), ("passage", "<i4"), ("copies", "<i4")])
Integers = npt.NDArray[np.int64]


class PassageStep(GlobalStep):
    """The base of steps that cut repeated passages. Subclasses say what makes a passage repeated.

    Conversations are left alone: a cut would tear their messages.
    `resolve` holds at most `memory`; on disk 24 bytes a passage.
    """

    source: ClassVar[str] = "CCNet (Wenzek et al. 2020, arXiv 1911.00359), section 3.1"
    FINDINGS: ClassVar[pa.Schema | None] = pa.schema(
        [("passages", pa.list_(pa.int32())), ("copies", pa.list_(pa.int32()))]
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "passages": Signal(pa.int32(), "passages of the text, blank lines left out"),
        "removed": Signal(pa.int32(), "passages that were cut"),
        "removed_frac": Signal(pa.float64(), "of these / passages; 0 for a text without any"),
        "chars_removed": Signal(pa.int32(), "characters (code points) cut, line feeds with them"),
        "chars_removed_frac": Signal(pa.float64(), "of these / characters; 0 for an empty text"),
        "chars_left": Signal(pa.int32(), "characters that stay"),
        "cut": Signal(pa.list_(pa.string()), "the passages that were cut"),
        "copies": Signal(pa.list_(pa.int32()), "how often each of these was found"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"keep"}

    passage: Literal["line", "block"] = Field(
        "line", description="what a passage is: a line, or lines between blank ones (hard-wrapped text)"
    )
    min_letters: int = Field(1, ge=1, description="letters and digits that a passage needs to be looked at")
    removed_frac: Bound | None = Field(None, description="bound on: passages cut / passages")
    chars_removed_frac: Bound | None = Field(None, description="bound on: characters cut / characters")
    chars_left: Bound | None = Field(Bound(min=1), description="bound on: characters that stay")

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`keys`, a list of uint64: of each passage the key of its normal form, 0 for one that is not looked at."""
        from curate.kernels.passages import passage_keys, passages_of

        data, offsets = buffers(batch["text"])
        found = passages_of(data, offsets, blocks=self.passage == "block")
        keys, sizes = passage_keys(data, found)
        keys[sizes < self.min_letters] = 0
        if "messages" in batch.schema.names and batch["messages"].null_count < batch.num_rows:
            talks = np.asarray(batch["messages"].is_valid())
            keys[np.repeat(talks, np.diff(found.first))] = 0
        return [("keys", pa.ListArray.from_arrays(found.first.astype(np.int32), pa.array(keys)))]

    @abstractmethod
    def occurrences(self, contributions: Contributions) -> Iterator[Rows]:
        """Of each unit the passages that are looked at, in order, as OCCURRENCE, less `unit`."""

    @abstractmethod
    def repeated(self, rows: Rows, first: Integers, size: Integers) -> tuple[npt.NDArray[np.bool_], Integers]:
        """Rows in groups of one key, in input order; where a group begins and its size, for each row.

        Returns which rows are to be cut, and the number of copies that the record names.
        """

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Group passages by key, set by set; those to cut go back to their documents."""
        limit = max(contributions.memory // 8, LEAST_LIMIT)
        spill, units = Spill(OCCURRENCE, contributions.scratch / "passages", limit), 0
        for rows in self.occurrences(contributions):
            rows["unit"] = units
            spill.add(rows)
            units += 1
        cuts = ByUnit(CUT, contributions.scratch / "cuts", units, limit, ("row", "passage"))
        for rows in spill.sets():
            cuts.add(self._cuts(rows))
        for rows in cuts.units():
            yield _findings(rows, self.findings_schema())

    def _cuts(self, rows: Rows) -> Rows:
        order = np.argsort(rows["key"], kind="stable")  # rows of a key stay in input order
        by_key = rows["key"][order]
        same = by_key[1:] == by_key[:-1]
        again = np.append(same, False) | np.append(False, same)
        # most passages occur once
        rows = rows[order[again]]
        made = np.empty(0, CUT)
        if len(rows):
            begins = np.flatnonzero(np.append(True, rows["key"][1:] != rows["key"][:-1]))
            sizes = np.diff(np.append(begins, len(rows)))
            cut, copies = self.repeated(rows, np.repeat(begins, sizes), np.repeat(sizes, sizes))
            made = np.empty(int(cut.sum()), CUT)
            for name in ("unit", "row", "passage"):
                made[name] = rows[name][cut]
            made["copies"] = copies[cut]
        return made

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Cuts the passages from `text`, adds the signals. A null text stays null."""
        from curate.kernels.masking import replace_spans
        from curate.kernels.passages import cut_spans, gathered, passages_of

        text, found = batch["text"], batch[FINDINGS_COLUMN]
        numbers, copies = pc.struct_field(found, "passages"), pc.struct_field(found, "copies")
        removed = pc.fill_null(pc.list_value_length(numbers), 0).to_numpy()
        data, offsets = buffers(text)
        passages = passages_of(data, offsets, blocks=self.passage == "block")
        total, chars = np.diff(passages.first), pc.fill_null(pc.utf8_length(text), 0).to_numpy()
        cut = np.zeros(len(passages.start), np.bool_)
        cut[np.repeat(passages.first[:-1], removed) + numbers.flatten().to_numpy()] = True
        if cut.any():
            spans = cut_spans(data, offsets, passages, cut)
            edited = from_buffers(*replace_spans(data, offsets, spans.start, spans.stop, spans.first, ""))
            text = pc.if_else(text.is_null(), None, edited) if text.null_count else edited
            batch = set_column(batch, "text", text)
        left = pc.fill_null(pc.utf8_length(text), 0).to_numpy()
        ends = pa.array(np.concatenate([[0], np.cumsum(removed)]).astype(np.int32))
        pieces = from_buffers(*gathered(data, passages.start[cut], passages.stop[cut]))
        return self.with_signals(
            batch,
            passages=total,
            removed=removed,
            removed_frac=removed / np.maximum(total, 1),
            chars_removed=chars - left,
            chars_removed_frac=(chars - left) / np.maximum(chars, 1),
            chars_left=left,
            cut=pa.ListArray.from_arrays(ends, pieces),
            copies=pa.ListArray.from_arrays(ends, copies.flatten()),
        )


def looked_at(table: pa.Table) -> Rows:
    """The passages of a unit that are looked at, in order: `key`, `row` and `passage` of OCCURRENCE, `need` 0."""
    keys = table["keys"].combine_chunks()
    values, lengths = keys.flatten().to_numpy(), pc.list_value_length(keys).to_numpy()
    number = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    chosen = np.flatnonzero(values)
    rows = np.zeros(len(chosen), OCCURRENCE)
    rows["key"], rows["passage"] = values[chosen], number[chosen]
    rows["row"] = np.repeat(table["row"].to_numpy(), lengths)[chosen]
    return rows


def documents(rows: Rows, first: Integers) -> Integers:
    """For each row the number of its document in its group, from 1: rows of one document are neighbours."""
    new = np.append(True, (rows["unit"][1:] != rows["unit"][:-1]) | (rows["row"][1:] != rows["row"][:-1]))
    new[first] = True
    total: Integers = np.cumsum(new)
    return total - total[first] + 1


def _findings(rows: Rows, schema: pa.Schema) -> pa.Table:
    """The cuts of a unit, ascending, as one row a document."""
    at = np.flatnonzero(np.append(True, rows["row"][1:] != rows["row"][:-1])) if len(rows) else np.zeros(0, np.int64)
    offsets = pa.array(np.append(at, len(rows)).astype(np.int32))
    columns: list[Any] = [pa.array(np.ascontiguousarray(rows["row"][at]))]
    columns += [
        pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(rows[name]))) for name in ("passage", "copies")
    ]
    return pa.table(columns, schema=schema)
