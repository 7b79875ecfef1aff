"""`domain_cap`: at most so many documents or tokens of one domain, so that no site makes up the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field, model_validator

from curate.dedup.quantiles import ranked
from curate.dedup.step import Contributions, GlobalStep, token_counts
from curate.documents import FINDINGS_COLUMN
from curate.settings import parse_size
from curate.steps.step import Signal
from curate.text import buffers
from curate.urls import addresses, list_versions

# Bytes of text that stand for a token where no signal counts them.
BYTES_A_TOKEN = 4
Count = Annotated[int, BeforeValidator(parse_size), Field(ge=1)]


class DomainCap(GlobalStep):
    """Keep at most `max_documents` documents, or documents of `max_tokens` tokens together, of each domain.

    Which ones: the first in `order`. Documents without an address are of no domain and are not capped. Ranks and
    running tokens are signals, so another cap computes nothing. Holds about 60 bytes a document.
    """

    kind: ClassVar[str] = "domain_cap"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "registered domains: publicsuffix.org"
    FINDINGS: ClassVar[pa.Schema | None] = pa.schema(
        [("rank", pa.int64()), ("tokens", pa.int64()), ("documents", pa.int64())]
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "domain": Signal(pa.string(), "the domain (or host) that the document counts for; empty without an address"),
        "rank": Signal(pa.int64(), "place among the documents of its domain, from 1; null without an address"),
        "tokens": Signal(pa.int64(), "tokens of this document and of those of its domain before it"),
        "documents": Signal(pa.int64(), "documents of its domain"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {
        "max_documents", "max_tokens", "order", "reverse", "seed", "count"
    }  # fmt: skip
    VERDICT_FIELDS: ClassVar[frozenset[str]] = frozenset({"max_documents", "max_tokens"})

    by: Literal["domain", "host"] = Field("domain", description="the registered domain, or the host")
    max_documents: Count | None = Field(
        None, description="documents of a domain that are kept at most; `10K` is 10,000"
    )
    max_tokens: Count | None = Field(None, description="tokens of a domain that are kept at most; `1M` is a million")
    order: str = Field(
        "hash",
        description="which come first: `hash` (at random, by id and seed), `first` in input order, `longest` (bytes), or "
        "those with the greatest value of a signal, as `quality.word_count` (without one last)",
    )
    reverse: bool = Field(False, description="the smallest value first")
    seed: int = Field(0, ge=0, description="of `hash`")
    count: str = Field("", description="the signal that counts tokens; else bytes of text over 4, rounded up")

    @model_validator(mode="after")
    def _caps_something(self) -> Self:
        if self.max_documents is None and self.max_tokens is None:
            raise ValueError("write max_documents or max_tokens")
        if self.order not in ("hash", "first", "longest") and "." not in self.order:
            raise ValueError(f"unknown order `{self.order}`; write hash, first, longest, or a signal as step.field")
        return self

    def assets(self) -> dict[str, str]:
        """The versions of the lists that decide hosts and domains."""
        return list_versions()

    def rule_table(self) -> dict[str, str]:
        """The caps, which documents without an address pass, and what the file adds."""
        caps = {"max_documents": ("rank", self.max_documents), "max_tokens": ("tokens", self.max_tokens)}
        own = {
            rule: f"{self.name}.{signal} IS NULL OR {self.name}.{signal} <= {most}"
            for rule, (signal, most) in caps.items()
            if most is not None
        }
        return own | super().rule_table()

    def reads(self) -> Mapping[str, str]:
        """The signals that order documents and count tokens, if any do."""
        named = {"order": self.order if "." in self.order else "", "count": self.count}
        return {setting: signal for setting, signal in named.items() if signal}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`domain` and `key` (uint64, of the domain, 0 without one, and of the id), `size` (int64, bytes of text)."""
        from curate.kernels.keys import hashes_of

        data, offsets = buffers(self._domains(batch))
        domain = np.where(np.diff(offsets) > 0, hashes_of(data, offsets, False), np.uint64(0))
        key = hashes_of(*buffers(batch["id"]), False)
        size = pc.fill_null(pc.binary_length(batch["text"]), 0).cast(pa.int64())
        return [("domain", pa.array(domain)), ("key", pa.array(key)), ("size", size)]

    def _domains(self, batch: pa.RecordBatch) -> pa.Array:
        found = addresses(batch["url"])
        return pc.fill_null(found.host if self.by == "host" else found.domain, "")

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Rank, running tokens and number of documents of the domain, for every document that has one."""
        units = list(contributions.tables())
        joined = pa.concat_tables(units) if units else None
        if joined is None:
            return
        domain, size = joined["domain"].to_numpy(), joined["size"].to_numpy()
        _, group = np.unique(domain, return_inverse=True)
        ranks = ranked(np.where(domain == 0, np.nan, self._order(joined, contributions)), group)[0]
        tokens = np.ceil(size / BYTES_A_TOKEN)
        if self.count:
            tokens = token_counts(contributions, self.count, self.name)
        running, totals = _running(ranks, group, tokens)
        start = 0
        for unit in units:
            part = slice(start, start + len(unit))
            start += len(unit)
            known = np.flatnonzero(ranks[part])
            columns = [unit["row"].to_numpy()[known], *(values[part][known] for values in (ranks, running, totals))]
            yield pa.table([pa.array(column) for column in columns], schema=self.findings_schema())

    def _order(self, joined: pa.Table, contributions: Contributions) -> npt.NDArray[np.float64]:
        """Of each document what it is ordered by: the smallest first."""
        from curate.kernels.hashing import split_mix

        if self.order == "hash":
            # the upper 53 bits: a float64 holds them all
            mixed = (joined["key"].to_numpy() ^ np.uint64(split_mix(self.seed, 1)[0])) * np.uint64(0x9E3779B97F4A7C15)
            values = (mixed >> np.uint64(11)).astype(np.float64)
        elif self.order == "first":
            values = np.arange(len(joined), dtype=np.float64)
        elif self.order == "longest":
            values = -joined["size"].to_numpy().astype(np.float64)
        else:
            values = -np.concatenate(list(contributions.signals(self.order)))
        return np.where(np.isnan(values), np.inf, -values if self.reverse else values)

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals."""
        found = batch[FINDINGS_COLUMN]
        columns = {name: pc.struct_field(found, name) for name in ("rank", "tokens", "documents")}
        return self.with_signals(batch, domain=self._domains(batch), **columns)


def _running(
    ranks: npt.NDArray[np.int64], group: npt.NDArray[np.int64], tokens: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(tokens up to and with each document in the order of its group, documents of its group); 0 where unranked."""
    running, totals = np.zeros(len(ranks), np.int64), np.zeros(len(ranks), np.int64)
    order = np.flatnonzero(ranks)
    order = order[np.lexsort((ranks[order], group[order]))]
    if len(order):
        begins = np.flatnonzero(ranks[order] == 1)
        sizes = np.diff(np.append(begins, len(order)))
        total = np.cumsum(tokens[order].astype(np.int64))
        before = np.append(0, total)[begins]
        running[order] = total - np.repeat(before, sizes)
        totals[order] = np.repeat(sizes, sizes)
    return running, totals
