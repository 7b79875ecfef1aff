"""Selectors that choose documents unlike each other: `k_center`, `facility_location`, `dpp`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from curate.dedup.step import Contributions
from curate.select import greedy
from curate.select.compare import Comparing, one_thread
from curate.select.greedy import Greedy
from curate.select.order import Scores
from curate.select.points import Points

Rows = npt.NDArray[np.int64]


class Diverse(Comparing):
    """The base of greedy selectors. The score is what a document gained when it was picked.

    The first `picks` are greedy choices; all others follow in the order of what they would gain after those, so that a
    budget beyond `picks` is filled, but not greedily. Holds the vectors of all documents.
    """

    RULE_FIELDS: ClassVar[frozenset[str]] = Comparing.RULE_FIELDS | {"picks"}

    picks: int = Field(1000, ge=1, description="how many are picked greedily; the time grows with it")

    @model_validator(mode="after")
    def _one_order(self) -> Self:
        if self.how != "top_k":
            raise ValueError(f"picks have an order of their own: `how: {self.how}` has no meaning for {self.kind}")
        return self

    @abstractmethod
    def pick(self, points: Points, rows: Rows, pool: Contributions) -> Greedy:
        """The picks of (k, d) points, which stand at `rows` (k,) of the pool."""

    def fit(self, pool: Contributions) -> Scores:
        """(n,) gains of all documents; NaN for those without a vector."""
        count = self.hold_vectors(pool)
        points, rows = self.all_points(pool)
        with one_thread():
            found = self.pick(points, rows, pool)
        gains = found.gains
        # rounding must not change the order of picks
        gains[found.order] = np.minimum.accumulate(gains[found.order])
        rest = np.setdiff1d(np.arange(len(gains)), found.order)
        if len(found.order):
            gains[rest] = np.minimum(gains[rest], gains[found.order[-1]])
        scores = np.full(count, np.nan)
        scores[rows] = gains
        return scores

    def score(self, state: Scores, pool: Contributions) -> Iterator[Scores]:
        """The gains, unit by unit."""
        yield from np.split(state, np.cumsum([len(table) for table in pool.tables()])[:-1])


class KCenter(Diverse):
    """Again and again the document farthest from all that are chosen, from the most typical one on.

    Every document of the pool is then near a chosen one. It likes outliers: filter by quality before. The score is the
    distance to the nearest document chosen before; infinite for the first.
    """

    kind: ClassVar[str] = "k_center"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Gonzalez 1985; Sener & Savarese 2018 (arXiv 1708.00489)"

    def pick(self, points: Points, rows: Rows, pool: Contributions) -> Greedy:
        """See Diverse."""
        return greedy.k_center(points, self.picks)


class FacilityLocation(Diverse):
    """Documents that together are similar to all of the pool: representative before unlike.

    Maximises the sum over documents of the cosine to the most similar chosen one (0 where that is negative), greedily:
    within 1 - 1/e of the best. The sum runs over a sample of `ground` documents. The score is what a choice adds.
    """

    kind: ClassVar[str] = "facility_location"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Lin & Bilmes 2011; lazy greedy: Minoux 1978; as in Superfiltering.D (arXiv 2402.00530)"
    RULE_FIELDS: ClassVar[frozenset[str]] = Diverse.RULE_FIELDS | {"ground"}

    ground: int = Field(4096, ge=1, description="documents, drawn by `seed`, that the choice is to be similar to")

    def pick(self, points: Points, rows: Rows, pool: Contributions) -> Greedy:
        """See Diverse."""
        from curate.select.points import sample_points

        ground = sample_points(points, self.ground, self.seed).T
        return greedy.facility_location(lambda chosen: points[chosen] @ ground, len(points), self.picks)


class Dpp(Diverse):
    """Documents of the greatest volume: each unlike all others, and good if a signal says how good they are.

    Greedy maximum of log det L over the chosen, L_ij = q_i q_j exp(-gamma |x_i - x_j|^2), or q_i q_j cos(x_i, x_j), whose
    volume ends after as many documents as there are dimensions. q is exp(trade x quality), the quality standardised
    over the pool. Holds `picks` numbers a document beside its vector. The score is the gain of log det L.
    """

    kind: ClassVar[str] = "dpp"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Chen, Zhang & Zhou 2018 (arXiv 1709.05135)"
    RULE_FIELDS: ClassVar[frozenset[str]] = Diverse.RULE_FIELDS | {"kernel", "gamma", "quality", "trade"}

    kernel: Literal["rbf", "cosine"] = Field("rbf", description="how alike two documents are")
    gamma: float = Field(1.0, gt=0, description="of `rbf`: the greater, the nearer two documents must be to be alike")
    quality: str = Field("", description="a signal of how good a document is, the greater the better")
    trade: float = Field(1.0, ge=0, description="what a standard deviation of quality is worth")

    def reads(self) -> Mapping[str, str]:
        """The vectors, the quality, and the signal that counts tokens."""
        return {**super().reads(), **({"quality": self.quality} if self.quality else {})}

    def pick(self, points: Points, rows: Rows, pool: Contributions) -> Greedy:
        """See Diverse."""
        quality = np.ones(len(points))
        if self.quality:
            values = np.concatenate([*pool.signals(self.quality)])[rows]
            if not np.isfinite(values).all():
                lacking = int((~np.isfinite(values)).sum())
                raise self.problem(f"{lacking:,} documents have no `{self.quality}`", "drop them by a rule before")
            quality = np.exp(self.trade * (values - values.mean()) / (values.std() or 1.0))

        def row(chosen: int) -> Any:
            alike = (points @ points[chosen]).astype(np.float64)
            if self.kernel == "rbf":
                alike = np.exp(-2 * self.gamma * (1 - alike))
            return alike * quality * quality[chosen]

        return greedy.determinantal(row, quality**2, self.picks)
