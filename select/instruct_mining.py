"""`instruct_mining`: the loss that training on an instruction pair is expected to end in, by a linear rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curate.dedup.step import Contributions
from curate.select.order import Scores
from curate.select.points import Points
from curate.select.selector import BYTES_A_TOKEN, Selector
from curate.steps.step import Signal
from curate.steps.word_assets import word_assets
from curate.text import buffers

MADE_HERE = ("length_in", "length_out", "mtld", "knn")
NAMED = ("reward", "perplexity", "naturalness", "coherence", "understandability")
INTERCEPT = "intercept"
# indicator -> coefficient in log L
RULES: Mapping[str, Mapping[str, float]] = {
    "v1": {INTERCEPT: 1.0694, "reward": -0.1498, "length_out": 8.257e-5, "knn": -0.9350},
    "v2": {
        INTERCEPT: 0.0274, "reward": -0.0078, "understandability": 0.4421, "naturalness": -0.3212, "coherence": -0.1520
    },
    "offline": {INTERCEPT: 1.0694, "length_out": 8.257e-5, "knn": -0.9350},
}  # fmt: skip
# Vectors whose neighbours are looked up at once.
BLOCK = 4096


class InstructMining(Selector):
    """Conversations by the log loss that a linear rule predicts of training on them, the smallest first.

    v1: log L = 1.0694 - 0.1498 reward + 8.257e-5 length_out - 0.9350 knn, fitted on 78 runs, of the 6th neighbour.
    v2: log L = 0.0274 - 0.0078 reward + 0.4421 understandability - 0.3212 naturalness - 0.1520 coherence, on 129 runs,
    R^2 = 0.522; the sign of understandability owes to its going along with naturalness. Their scales differ: never
    compare a loss of one with a loss of the other. `offline` is v1 without its reward, which is the indicator that the
    authors found to matter most: what is left prefers short answers and rare subjects. Of v2 nothing would be left. Both were
    fitted to averages over sets, with LLaMA and one reward model: for another, give your own `coefficients`, as
    `curate instruct-mine fit` finds them.

    Made here, of the conversation's messages: length_in and length_out (bytes over 4 for tokens), mtld of the answers
    (lexical diversity; words, the ratio of types to tokens at least 0.72), and knn, the Euclidean distance of the
    document's vector of length 1 from that of its i-th neighbour in the pool (the last one in a smaller pool). The others
    are signals that you name: `indicators: {reward: rm.score}`; that may also replace one made here, as
    `{length_out: ifd.tokens}`. The answer's perplexity is that of `ifd.loss_alone`, its logarithm. A document without one of the rule's indicators has no score. The score is
    minus log L. Compare with `random_k`: the paper's own control came close.
    """

    kind: ClassVar[str] = "instruct_mining"
    version: ClassVar[int] = 4
    source: ClassVar[str] = "Cao et al. 2023 (arXiv 2307.06290, v1 and v2); MTLD: McCarthy & Jarvis 2010"
    FINDINGS: ClassVar[pa.Schema | None] = pa.schema(
        [*(Selector.FINDINGS or ()), *(pa.field(name, pa.float64()) for name in MADE_HERE)]
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        **Selector.SIGNALS,
        "length_in": Signal(pa.float64(), "tokens of what is not the assistant's: bytes over 4, rounded up"),
        "length_out": Signal(pa.float64(), "tokens of the answers"),
        "mtld": Signal(pa.float64(), "lexical diversity of the answers, in words"),
        "knn": Signal(pa.float64(), "distance from the i-th neighbour; null where the rule has no use for it"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = Selector.RULE_FIELDS | {"rule", "coefficients", "indicators", "neighbour"}

    rule: Literal["v1", "v2", "offline"] = Field("offline", description="the published rules; v1 less its reward")
    coefficients: dict[str, float] = Field(
        {}, description="a rule of your own instead: indicator -> its coefficient in log L, and `intercept`"
    )
    indicators: dict[str, str] = Field({}, description="indicator -> the signal that has it, as `reward: rm.score`")
    neighbour: int = Field(6, ge=1, description="i of knn; the rules were fitted with the 6th")

    @model_validator(mode="after")
    def _every_term_is_known(self) -> Self:
        known = (*MADE_HERE, *NAMED)
        if self.coefficients and "rule" in self.model_fields_set:
            raise ValueError("write `rule` or `coefficients`, not both")
        for field, names in (("coefficients", set(self.coefficients) - {INTERCEPT}), ("indicators", self.indicators)):
            if strange := sorted(set(names) - set(known)):
                raise ValueError(f"{field}: {', '.join(strange)} is no indicator; there are {', '.join(known)}")
        if lacking := [name for name in self._terms() if name in NAMED and name not in self.indicators]:
            hint = "; or write `rule: offline`, which does without" if self._rule() == RULES["v1"] else ""
            mend = f"write `indicators: {{{lacking[0]}: STEP.SIGNAL}}`{hint}"
            raise ValueError(f"the rule needs {', '.join(lacking)}: {mend}")
        return self

    def _rule(self) -> Mapping[str, float]:
        return self.coefficients or RULES[self.rule]

    def _terms(self) -> list[str]:
        return [name for name in self._rule() if name != INTERCEPT]

    def _compares(self) -> bool:
        return "knn" in self._terms() and "knn" not in self.indicators

    def reads(self) -> Mapping[str, str]:
        """The named indicators, vectors where neighbours count, and the signal that counts tokens."""
        named = {f"indicators.{name}": signal for name, signal in self.indicators.items()}
        return {**super().reads(), **named, **({"vectors": self.vectors} if self._compares() else {})}

    def assets(self) -> dict[str, str]:
        """The version of ICU, whose words MTLD is of, and the GPUs that FAISS sees. Raises MissingAsset where a package is not installed."""
        if not self._compares():
            return super().assets() | word_assets()
        from curate.select.compare import require_packages
        from curate.select.faiss_module import gpu_assets

        require_packages(self.name)
        return super().assets() | word_assets() | gpu_assets()

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`key` and `size` of any selector, and the indicators of the messages; null where there are none."""
        made = message_indicators(batch["messages"])
        return [*super().collect(batch), *((name, pa.array(made[name], from_pandas=True)) for name in MADE_HERE[:3])]

    def fit(self, pool: Contributions) -> dict[str, Scores]:
        """Indicator -> (n,), NaN for none; those that are made here and those of the rule."""
        found = {}
        for name in (*MADE_HERE, *(name for name in self._terms() if name in NAMED)):
            if name in self.indicators:
                found[name] = np.concatenate([*pool.signals(self.indicators[name]), np.zeros(0)])
            elif name != "knn":
                parts = [table[name].to_numpy(zero_copy_only=False) for table in pool.tables()]
                found[name] = np.concatenate([*parts, np.zeros(0)]).astype(np.float64)
        if "knn" not in found:
            found["knn"] = self._distances(pool) if self._compares() else np.full(len(found["mtld"]), np.nan)
        for name in self._terms():
            if len(found[name]) and np.isnan(found[name]).all():
                where = f"in `{self.indicators[name]}`" if name in self.indicators else "of its own"
                talk = name in MADE_HERE[:3] and name not in self.indicators
                hint = "read conversations with `chat: auto`" if talk else "look at the step that makes it"
                raise self.problem(f"no document has a value of {name} {where}", hint)
        return found

    def score(self, state: dict[str, Scores], pool: Contributions) -> Iterator[Scores]:
        """Minus the predicted log loss."""
        losses = predicted_loss(self._rule(), state)
        yield from np.split(-losses, np.cumsum([len(table) for table in pool.tables()])[:-1])

    def further(self, state: dict[str, Scores]) -> dict[str, Scores]:
        """The indicators that are made here."""
        return {name: state[name] for name in MADE_HERE}

    def _distances(self, pool: Contributions) -> Scores:
        from curate.select.compare import vectors_of

        self.hold_vectors(pool)
        parts, valid = zip(*vectors_of(pool, self.vectors, self.name), strict=True)
        has = np.concatenate(valid)
        distances = np.full(len(has), np.nan)
        distances[has] = neighbour_distances(np.concatenate(parts), self.neighbour, self.seed)
        return distances


def message_indicators(messages: pa.Array) -> dict[str, Scores]:
    """(n,) conversations -> length_in, length_out and mtld, (n,) each; NaN where there is no conversation."""
    from curate.kernels.diversity import mtld
    from curate.kernels.folded_words import folded_words

    count, talks = len(messages), np.asarray(messages.is_valid())
    owners = np.asarray(pc.list_parent_indices(messages), np.int64)
    turns = pc.list_flatten(messages)
    content = pc.struct_field(turns, "content")
    sizes = np.asarray(pc.fill_null(pc.binary_length(content), 0), np.float64)
    answers = np.asarray(pc.fill_null(pc.equal(pc.struct_field(turns, "role"), "assistant"), False), np.bool_)
    found = {}
    for name, chosen in (("length_in", ~answers), ("length_out", answers)):
        total = np.bincount(owners[chosen], sizes[chosen], count)
        found[name] = np.where(talks, np.ceil(total / BYTES_A_TOKEN), np.nan)
    words = folded_words(*buffers(content.filter(pa.array(answers))))
    # the answers of a conversation follow each other: where each conversation's words begin
    first = words.first[np.searchsorted(owners[answers], np.arange(count + 1))]
    return {**found, "mtld": mtld(words.hashes, first)}


def neighbour_distances(points: Points, i: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """(n, d) points of length 1 -> (n,) Euclidean distance from the i-th nearest other one; NaN for a single point.

    The farthest where there are fewer than i others. Beyond 50,000 points the neighbours are those of an approximate index.
    """
    from curate.select.index import VectorIndex
    from curate.select.index_kind import all_pairs_kind

    distances = np.full(len(points), np.nan)
    if len(points) < 2:
        return distances
    index = VectorIndex.build(points, kind=all_pairs_kind(len(points)), seed=seed)
    for start in range(0, len(points), BLOCK):
        own = np.arange(start, min(start + BLOCK, len(points)))
        rows = index.search(points[own], i + 1)[1]
        others = (rows != own[:, None]) & (rows >= 0)
        place = np.cumsum(others, axis=1)
        last = np.minimum(place[:, -1], i)
        at = np.argmax(others & (place == last[:, None]), axis=1)
        apart = points[own].astype(np.float64) - points[rows[np.arange(len(own)), at]]
        distances[own] = np.where(last > 0, np.sqrt(np.einsum("ij,ij->i", apart, apart)), np.nan)
    return distances


def predicted_loss(rule: Mapping[str, float], indicators: Mapping[str, Any]) -> Any:
    """log L of a rule for indicators by name: numbers, or arrays."""
    terms = (factor * indicators[name] for name, factor in rule.items() if name != INTERCEPT)
    return rule.get(INTERCEPT, 0.0) + sum(terms)
