"""Choosing by a signal that an earlier step made, by length, or at random: score columns to a choice; the baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.dedup.step import Contributions
from curate.select.order import Scores, gumbel_noise
from curate.select.selector import Selector


class Choose(Selector):
    """The documents with the greatest (or smallest) value of a signal, sampled by it, or in a band of its quantiles.

    QuRating's sampling: `{by: classifier.score, how: gumbel, standardise: true, temperature: 2, within: [source],
    budget: {tokens: ..}}`; temperature 0 is its top k. Ankner et al.'s and Marion et al.'s middle half by perplexity, in
    each language by itself: `{by: perplexity.perplexity, how: quantile_band, band: [0.25, 0.75], within: [lang]}`; with
    band [0, 0.5] or [0.5, 1] the low and the high half. POINTS' lowest fifth: `{by: perplexity.perplexity, reverse: true,
    budget: {share: 20%}}`, behind `repetition`, for degenerate repetition has the lowest perplexity of all.
    """

    kind: ClassVar[str] = "choose"
    source: ClassVar[str] = "Wettig et al. 2024 (arXiv 2402.09739); Ankner et al. 2024 (arXiv 2405.20541)"
    RULE_FIELDS: ClassVar[frozenset[str]] = Selector.RULE_FIELDS | {"by", "reverse", "standardise"}

    by: str = Field(description="the signal, as `quality.word_count`")
    reverse: bool = Field(False, description="the smaller the value, the better")
    standardise: bool = Field(False, description="subtract the pool's mean and divide by its standard deviation")

    def reads(self) -> Mapping[str, str]:
        """`by`, and the signal that counts tokens."""
        return {"by": self.by, **super().reads()}

    def fit(self, pool: Contributions) -> tuple[float, float]:
        """(mean, standard deviation) of the signal over the pool, or (0, 1)."""
        if not self.standardise:
            return 0.0, 1.0
        values = np.concatenate([*pool.signals(self.by), np.zeros(0)])
        values = values[np.isfinite(values)]
        spread = float(values.std()) if len(values) else 0.0
        return (float(values.mean()) if len(values) else 0.0), spread or 1.0

    def score(self, state: tuple[float, float], pool: Contributions) -> Iterator[Scores]:
        """The value, less the mean over the deviation; its negative with `reverse`."""
        mean, spread = state
        for values in pool.signals(self.by):
            yield (-1 if self.reverse else 1) * (values - mean) / spread


class LongestK(Selector):
    """The longest texts first: the baseline that learned selectors must beat (Zhao et al. 2024).

    In the paper the longest answers of instructions: `of: answers`. A document that is no conversation then has no score.
    """

    kind: ClassVar[str] = "longest_k"
    source: ClassVar[str] = "Zhao et al. 2024 (arXiv 2402.04833), Long is more for alignment"

    of: Literal["text", "answers"] = Field(
        "text", description="the whole text, or the assistant's turns of a conversation"
    )

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`key` and `size` of any selector, and `answers`, their bytes, if those count."""
        more = [("answers", answer_bytes(batch["messages"]))] if self.of == "answers" else []
        return [*super().collect(batch), *more]

    def score(self, state: Any, pool: Contributions) -> Iterator[Scores]:
        """Bytes of text, or of the answers."""
        for table in pool.tables():
            column = table["answers" if self.of == "answers" else "size"]
            yield column.to_numpy().astype(np.float64)

    def why_none(self) -> str:
        """See Selector."""
        return "read conversations with `chat: auto`"


def answer_bytes(messages: pa.Array) -> pa.Array:
    """(n,) conversations -> (n,) int64, bytes of the assistant's turns together; null where there is none."""
    turns = pc.list_flatten(messages)
    sizes = np.asarray(pc.fill_null(pc.binary_length(pc.struct_field(turns, "content")), 0), np.float64)
    answers = np.asarray(pc.fill_null(pc.equal(pc.struct_field(turns, "role"), "assistant"), False), np.bool_)
    owners = np.asarray(pc.list_parent_indices(messages), np.int64)
    total = np.bincount(owners[answers], sizes[answers], len(messages)).astype(np.int64)
    return pa.array(total, mask=np.asarray(messages.is_null()))


class RandomK(Selector):
    """Documents in a random order that depends on their ids and the seed alone: the control for every selector."""

    kind: ClassVar[str] = "random_k"

    def score(self, state: Any, pool: Contributions) -> Iterator[Scores]:
        """Standard Gumbel noise: any order of the documents is as likely as any other."""
        for table in pool.tables():
            yield gumbel_noise(table["key"].to_numpy(), self.seed)
