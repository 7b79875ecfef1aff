"""Exact duplicates: documents whose texts are equal in a normal form, found by a 128-bit hash of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field

from curate.dedup.spill import LEAST_LIMIT, Rows, Spill
from curate.dedup.step import Contributions, GlobalStep
from curate.dedup.verdicts import KEEP, Verdicts, check_keep, with_order
from curate.text import buffers

HASHED = np.dtype([("key", "<u8"), ("low", "<u8"), ("order", "<f8"), ("unit", "<i4"), ("row", "<i4")])


class ExactDedup(GlobalStep):
    """Drop every document whose text equals that of a kept one. Similarity in the ledger: 1.

    Texts are compared by a 128-bit hash (MurmurHash3 x64 128) of a normal form. Two empty texts are equal, so one of
    them stays. `resolve` holds at most `memory`; on disk 32 bytes a document.
    """

    kind: ClassVar[str] = "exact_dedup"
    source: ClassVar[str] = "Lee et al. 2021 (arXiv 2107.06499), exact document duplicates"
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"keep"}
    drop_rule: ClassVar[str] = "exact_duplicate"

    normalize: Literal["none", "whitespace", "words"] = Field(
        "whitespace",
        description="texts are equal if their bytes are (`none`), with every run of white space as one blank and none "
        "at the ends (`whitespace`), or if their lower-cased words are, whatever stands between (`words`)",
    )
    keep: Annotated[str, AfterValidator(check_keep)] = Field("first", description=KEEP)

    def reads(self) -> Mapping[str, str]:
        """The signal that `keep` names, if it names one."""
        return {"keep": self.keep} if "." in self.keep else {}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`hash_hi`, `hash_lo` (uint64) of the text in its normal form, and `length` (int32, characters)."""
        from curate.kernels.hashing import AS_IS, WHITESPACE, WORDS, content_hashes
        from curate.kernels.unicode import tables

        text = batch.column("text")
        data, offsets = buffers(text)
        known = tables()
        form = {"none": AS_IS, "whitespace": WHITESPACE, "words": WORDS}[self.normalize]
        longest = int(np.diff(offsets).max(initial=0))
        scratch = np.empty(longest // 4 + 16, np.uint64)
        high, low = np.empty(len(text), np.uint64), np.empty(len(text), np.uint64)
        content_hashes(data, offsets, form, known.classes, known.word, known.lower, scratch, high, low)
        return [("hash_hi", pa.array(high)), ("hash_lo", pa.array(low)), ("length", text_lengths(text))]

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Sort by hash, part by part; in each set of equals drop all but the one that the order puts first."""
        limit = max(contributions.memory // 8, LEAST_LIMIT)
        spill = Spill(HASHED, contributions.scratch / "hashes", limit)
        units = 0
        for unit, table, order in with_order(contributions, self.keep):
            rows = np.empty(len(table), HASHED)
            rows["key"], rows["low"] = table["hash_hi"].to_numpy(), table["hash_lo"].to_numpy()
            rows["order"], rows["unit"], rows["row"] = order, unit, table["row"].to_numpy()
            spill.add(rows)
            units = unit + 1
        verdicts = Verdicts(contributions.scratch / "verdicts", units, limit)
        for rows in spill.sets():
            dropped, kept = _equals(rows)
            verdicts.add(dropped, kept, 1.0)
        yield from verdicts.tables()


def text_lengths(text: pa.Array) -> pa.Array:
    """Characters (code points) of each text, int32; 0 for a null."""
    return pc.utf8_length(text).cast(pa.int32()).fill_null(0)


def _equals(rows: Rows) -> tuple[Rows, Rows]:
    """The rows to drop, and beside each the row of its set that stays."""
    # most hashes occur once: only the others need the full order
    by_key = rows[np.argsort(rows["key"])]
    same = by_key["key"][1:] == by_key["key"][:-1]
    repeated = by_key[np.append(same, False) | np.append(False, same)]
    order = np.lexsort((repeated["row"], repeated["unit"], -repeated["order"], repeated["low"], repeated["key"]))
    ordered = repeated[order]
    if len(ordered) == 0:
        return ordered, ordered
    new = (ordered["key"][1:] != ordered["key"][:-1]) | (ordered["low"][1:] != ordered["low"][:-1])
    is_first = np.append(True, new)
    first = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    return ordered[~is_first], ordered[first][~is_first]
