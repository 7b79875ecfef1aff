"""What a selector is: a score for each document of the pool, an order made of the scores, a budget that cuts it.

A selector is a global step that applies. `fit` looks at the pool (and a target, if the method has one), `score` gives
each document its score; rank, cumulative tokens and share become signals, and the budget is a rule over them: another
budget reads what is stored and computes nothing. In Python, without a pipeline: `curate.select.pool.scored`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curate.dedup.step import Contributions, GlobalStep
from curate.select.budget import Budget
from curate.select.order import Ranks, Scores, gumbel, gumbel_noise, quantile_band, top_k
from curate.steps.step import Signal
from curate.text import buffers

# Bytes of text that stand for a token where no signal counts them.
BYTES_A_TOKEN = 4


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
        "budget", "how", "temperature", "band", "seed", "count"
    }  # fmt: skip
    VERDICT_FIELDS: ClassVar[frozenset[str]] = frozenset({"budget"})

    budget: Budget | None = Field(None, description="how much is chosen; without one, scores and ranks only")
    how: Literal["top_k", "gumbel", "quantile_band"] = Field(
        "top_k",
        description="the greatest scores first; or sampled without replacement with probability exp(score / "
        "temperature); or those in a band of quantiles, from its middle outwards",
    )
    temperature: float = Field(1.0, ge=0, description="of `gumbel`; scores are taken as they are; 0 is top_k")
    band: tuple[float, float] = Field((0.25, 0.75), description="of `quantile_band`: the least and greatest quantile")
    seed: int = Field(0, ge=0, description="of `gumbel`")
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
        """The signal that counts tokens, if one does."""
        return {"count": self.count} if self.count else {}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`key` (uint64, of the document's id) and `size` (int64, bytes of text); subclasses add their features."""
        size = pc.fill_null(pc.binary_length(batch["text"]), 0).cast(pa.int64())
        return [("key", pa.array(_keys(batch["id"]))), ("size", size)]

    def fit(self, pool: Contributions) -> Any:
        """What `score` must know of pool and target."""
        return None

    def score(self, state: Any, pool: Contributions) -> Iterator[Scores]:
        """For each unit a float64 array aligned with the pool's tables: the greater, the better; NaN for no opinion."""
        raise NotImplementedError(type(self).__name__)

    def order(self, scores: Scores, keys: Any, pool: Contributions) -> Ranks:
        """Ranks of all documents, from 1, in the order of choice; 0: never chosen."""
        if self.how == "gumbel":
            return gumbel(scores, self.temperature, gumbel_noise(keys, self.seed))
        return quantile_band(scores, *self.band) if self.how == "quantile_band" else top_k(scores)

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Fit, score, order; one table of `row` and `FINDINGS` a unit."""
        units = [table.select(["row", "key", "size"]) for table in contributions.tables()]
        scores = list(self.score(self.fit(contributions), contributions))
        keys = np.concatenate([unit["key"].to_numpy() for unit in units] or [np.zeros(0, np.uint64)])
        joined = np.concatenate(scores or [np.zeros(0)])
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
                }
            )

    def _tokens(self, units: Sequence[pa.Table], pool: Contributions) -> Scores:
        if self.count:
            counted: Scores = np.nan_to_num(np.concatenate([*pool.signals(self.count), np.zeros(0)]))
            return counted
        sizes = np.concatenate([unit["size"].to_numpy() for unit in units] or [np.zeros(0, np.int64)])
        estimated: Scores = np.ceil(sizes / BYTES_A_TOKEN)
        return estimated


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
