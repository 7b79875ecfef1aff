"""Exact duplicates: documents whose texts or addresses are equal in a normal form, found by a 128-bit hash of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field

from curate.dedup.dates import seconds
from curate.dedup.spill import LEAST_LIMIT, Rows, Spill
from curate.dedup.step import Contributions, GlobalStep
from curate.dedup.verdicts import DATED, KEEP, Verdicts, check_keep, with_order
from curate.text import Bytes, Offsets, buffers, from_buffers
from curate.urls import canonical, list_versions

HASHED = np.dtype([("key", "<u8"), ("low", "<u8"), ("order", "<f8"), ("unit", "<i4"), ("row", "<i4")])


def _check_keep(keep: str) -> str:
    return keep if keep in DATED else check_keep(keep)


class ExactDedup(GlobalStep):
    """Drop every document whose text, or address, equals that of a kept one. Similarity in the ledger: 1.

    Texts are compared by a 128-bit hash (MurmurHash3 x64 128) of a normal form. Two empty texts are equal, so one of
    them stays. Addresses are compared in canonical form (see `canonical_url`) without the scheme, `http` and `https`
    being one; a document without an address is nobody's duplicate. `resolve` holds at most `memory`; on disk 32 bytes a
    document.
    """

    kind: ClassVar[str] = "exact_dedup"
    version: ClassVar[int] = 2
    source: ClassVar[str] = "Lee et al. 2021 (arXiv 2107.06499), exact document duplicates"
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"keep"}

    by: Literal["text", "url"] = Field("text", description="what is compared: the text, or the address of the page")
    normalize: Literal["none", "whitespace", "words"] = Field(
        "whitespace",
        description="by text: texts are equal if their bytes are (`none`), with every run of white space as one blank "
        "and none at the ends (`whitespace`), or if their lower-cased words are, whatever stands between (`words`)",
    )
    keep: Annotated[str, AfterValidator(_check_keep)] = Field(
        "first", description=KEEP + "; or that of the `latest` or `earliest` date, documents without one last"
    )

    @property
    def drop_rule(self) -> str:  # type: ignore[override]
        """What the ledger calls a document that is dropped."""
        return "exact_duplicate" if self.by == "text" else "same_address"

    def assets(self) -> dict[str, str]:
        """By address: the versions of the lists that make it canonical."""
        return list_versions() if self.by == "url" else {}

    def reads(self) -> Mapping[str, str]:
        """The signal that `keep` names, if it names one."""
        return {"keep": self.keep} if "." in self.keep else {}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`hash_hi`, `hash_lo` (uint64) of the text or address in its normal form, null where no address is given;
        `length` (int32, characters of the text) and `date` (int64, seconds since 1970, null without one)."""
        from curate.kernels.hashing import AS_IS, WHITESPACE, WORDS

        text, missing = batch.column("text"), None
        form = {"none": AS_IS, "whitespace": WHITESPACE, "words": WORDS}[self.normalize]
        data, offsets = buffers(text)
        if self.by == "url":
            url = batch.column("url")
            data, offsets, form = *_without_scheme(url), AS_IS
            missing = np.diff(offsets) == 0
        high, low = (pa.array(part, mask=missing) for part in _hashes(data, offsets, form))
        dates = seconds(batch["date"]) if "date" in batch.schema.names else pa.nulls(len(text), pa.int64())
        return [("hash_hi", high), ("hash_lo", low), ("length", text_lengths(text)), ("date", dates)]

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Sort by hash, part by part; in each set of equals drop all but the one that the order puts first."""
        limit = max(contributions.memory // 8, LEAST_LIMIT)
        spill = Spill(HASHED, contributions.scratch / "hashes", limit)
        units = 0
        for unit, table, order in with_order(contributions, self.keep):
            known = table["hash_hi"].is_valid().to_numpy()
            rows = np.empty(int(known.sum()), HASHED)
            for name, column in (("key", "hash_hi"), ("low", "hash_lo"), ("row", "row")):
                rows[name] = table[column].fill_null(0).to_numpy()[known]
            rows["order"], rows["unit"] = order[known], unit
            spill.add(rows)
            units = unit + 1
        verdicts = Verdicts(contributions.scratch / "verdicts", units, limit)
        for rows in spill.sets():
            dropped, kept = _equals(rows)
            verdicts.add(dropped, kept, 1.0)
        yield from verdicts.tables()


def _hashes(data: Bytes, offsets: Offsets, form: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """The two halves of the hash of each of n texts in a normal form."""
    from curate.kernels.hashing import content_hashes
    from curate.kernels.unicode import tables

    known = tables()
    longest = int(np.diff(offsets).max(initial=0))
    scratch = np.empty(longest // 4 + 16, np.uint64)
    high, low = np.empty(len(offsets) - 1, np.uint64), np.empty(len(offsets) - 1, np.uint64)
    content_hashes(data, offsets, form, known.classes, known.word, known.lower, scratch, high, low)
    return high, low


def _without_scheme(url: pa.Array) -> tuple[Bytes, Offsets]:
    """Canonical addresses from their host on; those of one page alike, whatever way led to it."""
    form = canonical(url)
    text = pc.replace_substring_regex(from_buffers(form.data, form.offsets), r"^(?:https?:)?//", "")
    return buffers(text)


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
