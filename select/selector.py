"""What a selector is: a score for each document of the pool, an order made of the scores, a budget that cuts it.

A selector is a global step that applies. `fit` looks at the pool (and a target, if the method has one), `score` gives
each document its score; rank, cumulative tokens and share become signals, and the budget is a rule over them: another
budget reads what is stored and computes nothing. In Python, without a pipeline: `curate.select.pool.scored`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curate.dedup.step import Contributions, GlobalStep, token_counts
from curate.errors import CurateError
from curate.select.budget import Budget
from curate.select.order import Ranks, Scores, gumbel, gumbel_noise, proportional, quantile_band, top_k
from curate.steps.step import Signal
from curate.text import buffers

# Bytes of text that stand for a token where no signal counts them.
BYTES_A_TOKEN = 4


How = Literal["top_k", "gumbel", "quantile_band", "greedy_diverse"]


class Selector(GlobalStep):
    """The base of selectors. Subclasses implement `score`, and `fit` and `collect` if they need them.

    `resolve` holds 40 bytes a document and what the method itself needs.
    """

    FINDINGS: ClassVar[pa.Schema | None] = pa.schema(
        [("score", pa.float64()), ("rank", pa.int64()), ("tokens", pa.int64()), ("share", pa.float64())]
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "score": Signal(pa.float64(), "what the method thinks of the document; null: it has no opinion"),
        "rank": Signal(pa.int64(), "place in the order of choice, from 1; null: never chosen"),
        "tokens": Signal(pa.int64(), "tokens of this document and of all that are chosen before it"),
        "share": Signal(pa.float64(), "rank over the number of documents that have one"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {
        "budget", "how", "temperature", "band", "vectors", "most_similar", "seed", "count"
    }  # fmt: skip
    VERDICT_FIELDS: ClassVar[frozenset[str]] = frozenset({"budget"})

    budget: Budget | None = Field(None, description="how much is chosen; without one, scores and ranks only")
    how: How = Field(
        "top_k",
        description="the greatest scores first; or sampled without replacement with probability exp(score / "
        "temperature); or those in a band of quantiles, from its middle outwards; or the greatest first, without those "
        "that are too similar to one chosen before",
    )
    temperature: float = Field(1.0, ge=0, description="of `gumbel`; scores are taken as they are; 0 is top_k")
    band: tuple[float, float] = Field((0.25, 0.75), description="of `quantile_band`: the least and greatest quantile")
    vectors: str = Field("embed.vector", description="the signal that holds vectors, where they are compared")
    most_similar: float = Field(
        0.9, ge=-1, le=1, description="of `greedy_diverse`: the greatest cosine with a document chosen before (DEITA)"
    )
    within: list[Literal["lang", "source"]] = Field(
        [], description="order each language (and source) by itself and choose from all in proportion to their size"
    )
    seed: int = Field(0, ge=0, description="of `gumbel`, and of samples that are drawn")
    count: str = Field("", description="the signal that counts tokens; else bytes of text over 4, rounded up")

    @model_validator(mode="after")
    def _band_is_one(self) -> Self:
        if not 0 <= self.band[0] < self.band[1] <= 1:
            raise ValueError(f"a band is two rising quantiles between 0 and 1, got {list(self.band)}")
        return self

    def rule_table(self) -> dict[str, str]:
        """The budget as a rule, and what the file adds."""
        own = {"budget": self.budget.sql(self.name)} if self.budget else {}
        return own | super().rule_table()

    def reads(self) -> Mapping[str, str]:
        """The signal that counts tokens, if one does, and the vectors, if `how` compares them."""
        found = {"count": self.count} if self.count else {}
        return found | ({"vectors": self.vectors} if self.how == "greedy_diverse" else {})

    def assets(self) -> dict[str, str]:
        """Nothing of its own. Raises MissingAsset where a package is not installed."""
        if self.how == "greedy_diverse":
            from curate.select.compare import require_packages

            require_packages(self.name)
        return super().assets()

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`key` (uint64, of the document's id), `size` (int64, bytes of text) and the columns `within`.

        Subclasses add their features.
        """
        size = pc.fill_null(pc.binary_length(batch["text"]), 0).cast(pa.int64())
        groups = [(name, pc.fill_null(batch[name], "")) for name in self.within]
        return [("key", pa.array(_keys(batch["id"]))), ("size", size), *groups]

    def fit(self, pool: Contributions) -> Any:
        """What `score` must know of pool and target."""
        return None

    @abstractmethod
    def score(self, state: Any, pool: Contributions) -> Iterator[Scores]:
        """For each unit a float64 array aligned with the pool's tables: the greater, the better; NaN for no opinion."""

    def further(self, state: Any) -> Mapping[str, Scores]:
        """The columns of `FINDINGS` beyond those of all selectors: name -> (n,), NaN for null."""
        return {}

    def order(self, scores: Scores, keys: Any, pool: Contributions) -> Ranks:
        """Ranks of all documents, from 1, in the order of choice; 0: never chosen."""
        if self.how == "greedy_diverse":
            scores = self._diverse(scores, pool)
        if not self.within:
            return self._order(scores, keys)
        groups = _groups(pool, self.within)
        ranks = np.zeros(len(scores), np.int64)
        for group in range(int(groups.max(initial=-1)) + 1):
            own = np.flatnonzero(groups == group)
            ranks[own] = self._order(scores[own], keys[own])
        return proportional(ranks, groups)

    def _order(self, scores: Scores, keys: Any) -> Ranks:
        if self.how == "gumbel":
            return gumbel(scores, self.temperature, gumbel_noise(keys, self.seed))
        return quantile_band(scores, *self.band) if self.how == "quantile_band" else top_k(scores)

    def _diverse(self, scores: Scores, pool: Contributions) -> Scores:
        """The scores, NaN for documents that are too similar to a better one, or have no vector."""
        from curate.select.compare import joined, one_thread, vectors_of
        from curate.select.greedy import thinned

        self.hold_vectors(pool)
        points, places = joined(vectors_of(pool, self.vectors, self.name))
        ranks = top_k(scores[places])
        with one_thread():
            kept = thinned(points, np.argsort(ranks, kind="stable")[(ranks == 0).sum() :], self.most_similar)
        thin = np.full(len(scores), np.nan)
        thin[places[kept]] = scores[places[kept]]
        return thin

    def hold_vectors(self, pool: Contributions) -> int:
        """How many documents the pool has. Raises CurateError where the vectors of all do not fit in `pool.memory`."""
        count = sum(len(table) for table in pool.tables())
        width = next((values.shape[1] for values in pool.signals(self.vectors) if values.ndim == 2), 0)
        if count * width * 4 > pool.memory:
            what = f"{count:,} vectors of {width} dimensions do not fit in {pool.memory / 1e9:,.1f} GB"
            raise self.problem(what, "give more --memory, or let a cheaper selector choose first")
        return count

    def why_none(self) -> str:
        """The hint where no document at all has a score."""
        read = ", ".join(f"`{signal}`" for signal in self.reads().values())
        return f"look at what it reads: {read}" if read else "look at the documents that come to it"

    def problem(self, what: str, hint: str) -> CurateError:
        """An error that names this step."""
        return CurateError(self.name, what, hint)

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Fit, score, order; one table of `row` and `FINDINGS` a unit."""
        units = [table.select(["row", "key", "size"]) for table in contributions.tables()]
        state = self.fit(contributions)
        scores, further = list(self.score(state, contributions)), self.further(state)
        keys = np.concatenate([unit["key"].to_numpy() for unit in units] or [np.zeros(0, np.uint64)])
        joined = np.concatenate(scores or [np.zeros(0)])
        if len(joined) and np.isnan(joined).all():
            raise self.problem(
                f"none of {len(joined):,} documents has a score: it would choose nothing", self.why_none()
            )
        ranks = self.order(joined, keys, contributions)
        tokens, share = _running(ranks, self._tokens(units, contributions))
        start = 0
        for unit in units:
            part = slice(start, start + len(unit))
            start += len(unit)
            never = ranks[part] == 0
            yield pa.table(
                {
                    "row": unit["row"],
                    "score": pa.array(joined[part], from_pandas=True),
                    "rank": pa.array(ranks[part], mask=never),
                    "tokens": pa.array(tokens[part], mask=never),
                    "share": pa.array(share[part], mask=never),
                    **{name: pa.array(values[part], from_pandas=True) for name, values in further.items()},
                }
            )

    def _tokens(self, units: Sequence[pa.Table], pool: Contributions) -> Scores:
        if self.count:
            return token_counts(pool, self.count, self.name)
        sizes = np.concatenate([unit["size"].to_numpy() for unit in units] or [np.zeros(0, np.int64)])
        estimated: Scores = np.ceil(sizes / BYTES_A_TOKEN)
        return estimated


def _groups(pool: Contributions, columns: Sequence[str]) -> Ranks:
    """(n,) the number of each document's group: of documents that agree in all columns."""
    groups = np.zeros(sum(len(table) for table in pool.tables()), np.int64)
    for name in columns:
        parts = [table[name].combine_chunks().cast(pa.string()) for table in pool.tables()]
        codes = pa.concat_arrays([pa.array([], pa.string()), *parts]).dictionary_encode()
        groups = groups * max(1, len(codes.dictionary)) + codes.indices.to_numpy()
    return np.unique(groups, return_inverse=True)[1]


def _keys(ids: pa.Array) -> Any:
    from curate.kernels.hashing import AS_IS, content_hashes
    from curate.kernels.unicode import tables

    data, offsets = buffers(ids)
    known, high, low = tables(), np.empty(len(ids), np.uint64), np.empty(len(ids), np.uint64)
    scratch = np.empty(int(np.diff(offsets).max(initial=0)) // 4 + 16, np.uint64)
    content_hashes(data, offsets, AS_IS, known.classes, known.word, known.lower, scratch, high, low)
    return high


def _running(ranks: Ranks, tokens: Scores) -> tuple[Ranks, Scores]:
    """(n,) ranks and tokens -> (tokens up to and with each document in the order, rank / ranked documents)."""
    ranked = np.flatnonzero(ranks)
    order = ranked[np.argsort(ranks[ranked])]
    total = np.zeros(len(ranks), np.int64)
    total[order] = np.cumsum(tokens[order]).astype(np.int64)
    return total, ranks / max(1, len(ranked))
