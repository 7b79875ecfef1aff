"""`tag`: control tokens before segments and documents, for training on conditions: good and bad, source, quality, length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curate.classifiers.scorers import ModelSettings
from curate.dedup.step import Contributions, GlobalStep
from curate.documents import FINDINGS_COLUMN, set_column
from curate.steps.prefix import Prefix
from curate.steps.step import Signal
from curate.steps.toxicity import DEFAULT, Toxicity
from curate.text import buffers, from_buffers

if TYPE_CHECKING:
    from curate.kernels.sentences import Sentences

GOOD, BAD, PLAIN = 1, -1, 0
_COUNT = pa.int32()
Scores = npt.NDArray[np.float32]


class Tag(ModelSettings, GlobalStep):
    """Put a control token before each segment by its score: `good` up to a threshold, `bad` above, sometimes none.

    Conditional training (Korbak et al. 2023): the model learns both kinds, and is sampled behind `good` with both tokens
    forbidden. A segment is a sentence or a line; its score is its toxicity, or its personal data and secrets a character.
    The threshold is a value, or a quantile of the scores of all segments. `prefix` puts tokens before the document: its
    source or language, bands of its length or of any signal.

    Where what was inserted is in the signals: `head` stands at byte 0, and before byte `starts[k] + (length of its token)` the
    token of `tags[k]`. `scores` and `starts` serve other objectives as well (unlikelihood, reward-weighted): with
    `insert: false` the text stays. A control token that the text itself spells out gets a blank inside (`escaped`).
    New tokens must be added to the tokenizer before training. Conversations are not tagged: they are quarantined.
    """

    kind: ClassVar[str] = "tag"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Korbak et al. 2023 (arXiv 2302.08582); prefixes as in CTRL (arXiv 1909.05858)"
    FINDINGS: ClassVar[pa.Schema | None] = pa.schema([("limit", pa.float64()), ("bands", pa.list_(pa.int8()))])
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "score": Signal(pa.float64(), "mean of the scores of its segments: the document's misalignment"),
        "limit": Signal(pa.float64(), "the threshold that applied"),
        "good_count": Signal(_COUNT, "segments behind the token `good`"),
        "bad_count": Signal(_COUNT, "segments behind the token `bad`"),
        "plain_count": Signal(_COUNT, "segments without a token"),
        "head": Signal(pa.string(), "the tokens before the document"),
        "starts": Signal(pa.list_(pa.int32()), "where each segment begins in the new text, with its token, in bytes"),
        "tags": Signal(pa.list_(pa.int8()), "of each segment: 1 good, -1 bad, 0 no token"),
        "scores": Signal(pa.list_(pa.float32()), "the score of each segment"),
        "escaped": Signal(
            _COUNT, "control tokens that the text spelled out, now with a blank behind the first character"
        ),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"threshold", "quantile"}
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model"})

    by: Literal["toxicity", "pii", "nothing"] = Field(
        "toxicity",
        description="the score: of the step `toxicity`; personal data and secrets per character; no segments",
    )
    model: str = Field(DEFAULT, description="of toxicity: any model that the step `toxicity` takes")
    label: str | None = Field(None, description="of toxicity: the label of another model")
    unit: Literal["sentence", "line"] = Field("sentence", description="what a segment is")
    threshold: float | None = Field(None, description="a segment is good up to this score; 0: any violation is bad")
    quantile: float | None = Field(
        None, ge=0, le=1, description="or: up to this quantile of all segments; 0.5: the median"
    )
    good: str = Field("<|aligned|>", min_length=2, description="the token before good segments")
    bad: str = Field("<|misaligned|>", min_length=2, description="the token before bad ones")
    untagged: float = Field(0.01, ge=0, le=1, description="share of segments, drawn at random, without a token")
    prefix: list[Prefix] = Field([], description="tokens before the document: {name: source, of: source}, ..")
    insert: bool = Field(True, description="false: the signals alone, the text stays as it is")
    seed: int = Field(0, ge=0, description="of the draw; the same document always has the same segments untagged")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.by != "nothing" and (self.threshold is None) == (self.quantile is None):
            raise ValueError("give `threshold`, a score, or `quantile`, a share of all segments")
        if self.by == "nothing" and not self.prefix:
            raise ValueError("by: nothing needs `prefix`, else there is nothing to insert")
        if self.good == self.bad:
            raise ValueError("`good` and `bad` are the same token")
        if len({prefix.name for prefix in self.prefix}) < len(self.prefix):
            raise ValueError("two prefixes have the same name")
        return self

    def reads(self) -> Mapping[str, str]:
        """The signals that prefixes are made of."""
        return {f"prefix[{k}].of": prefix.of for k, prefix in enumerate(self.prefix) if prefix.is_signal}

    def assets(self) -> dict[str, str]:
        """What names the model's content. Raises MissingAsset."""
        return self._scorer().assets() if self.by == "toxicity" else {}

    def control_tokens(self) -> list[str]:
        """The tokens that are known beforehand; those of sources and languages depend on the documents."""
        own = [self.good, self.bad] if self.by != "nothing" else []
        return own + [prefix.token(band) for prefix in self.prefix for band in prefix.bands]

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """The scores of the segments, where a quantile of all is wanted."""
        if self.quantile is None:
            return []
        pieces, scores = self._segments(set_column(batch, "text", self._escaped(batch["text"])[0]))
        return [("scores", _lists(pieces.first, pa.array(scores, pa.float32())))]

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """The threshold, and the band of each document for each prefix made of a signal."""
        limit = self.threshold
        if self.quantile is not None:
            limit = quantile_of(lambda: (table["scores"] for table in contributions.tables()), self.quantile)
        bands = [prefix.banded(contributions.signals(prefix.of)) for prefix in self.prefix if prefix.is_signal]
        start = 0
        for table in contributions.tables():
            part = np.array([band[start : start + len(table)] for band in bands], np.int8).reshape(-1, len(table))
            start += len(table)
            first = np.arange(len(table) + 1) * len(bands)
            yield pa.table(
                {
                    "row": table["row"],
                    "limit": pa.array([limit] * len(table), pa.float64()),
                    "bands": _lists(first, pa.array(part.T.ravel(), pa.int8())),
                }
            )

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; inserts the tokens in `text`. A null text stays null."""
        text, escaped = self._escaped(batch["text"])
        batch = set_column(batch, "text", text)
        found = batch[FINDINGS_COLUMN]
        limit = np.asarray(pc.struct_field(found, "limit").cast(pa.float64()), np.float64)
        pieces, scores = self._segments(batch)
        count = np.diff(pieces.first)
        owner = np.repeat(np.arange(len(text)), count)
        tags = np.where(scores <= limit[owner], GOOD, BAD).astype(np.int8)
        tags[self._drawn(batch["id"], pieces.first, owner)] = PLAIN
        heads = self._heads(batch, pc.struct_field(found, "bands"))
        starts = pieces.start.astype(np.int64)
        if self.insert:
            text, starts = self._inserted(text, pieces, owner, tags, heads)
        begins = buffers(text)[1][:-1].astype(np.int64)
        return self.with_signals(
            set_column(batch, "text", text),
            score=np.bincount(owner, weights=scores, minlength=len(text)) / np.maximum(count, 1),
            limit=pa.array(limit, from_pandas=True),
            good_count=np.bincount(owner[tags == GOOD], minlength=len(text)),
            bad_count=np.bincount(owner[tags == BAD], minlength=len(text)),
            plain_count=np.bincount(owner[tags == PLAIN], minlength=len(text)),
            head=heads,
            starts=_lists(pieces.first, pa.array(starts - begins[owner], pa.int32())),
            tags=_lists(pieces.first, pa.array(tags)),
            scores=_lists(pieces.first, pa.array(scores, pa.float32())),
            escaped=escaped,
        )

    def _scorer(self) -> Toxicity:
        own = {name: getattr(self, name) for name in ("engine", "device", "window", "windows", "model", "label")}
        return Toxicity.model_validate({"as": self.name, **own})

    def _segments(self, batch: pa.RecordBatch) -> tuple[Sentences, Scores]:
        """The segments of each text and their scores."""
        from curate.kernels.pii import find_pii
        from curate.kernels.pii_kinds import KINDS
        from curate.kernels.sentences import Sentences, find_lines, find_sentences

        data, offsets = buffers(batch["text"])
        if self.by == "nothing":
            none = np.zeros(0, np.int32)
            return Sentences(none, none, np.zeros(len(offsets), np.int64)), none.astype(np.float32)
        pieces = find_sentences(data, offsets) if self.unit == "sentence" else find_lines(data, offsets)
        if self.by == "toxicity":
            return pieces, self._scorer().scored(batch, pieces)[0]
        hits = find_pii(data, offsets, np.ones(len(KINDS), np.bool_))
        place = np.searchsorted(pieces.start, hits.start, side="right") - 1
        begins = np.concatenate([[0], np.cumsum(data & 0xC0 != 0x80)])
        characters = begins[pieces.stop] - begins[pieces.start]
        share = np.bincount(place, minlength=len(pieces.start)) / np.maximum(characters, 1)
        return pieces, share.astype(np.float32)

    def _drawn(
        self, ids: pa.Array, first: npt.NDArray[np.int64], owner: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Which segments stay without a token: by the document's id, the number of the segment and the seed alone."""
        from curate.kernels.tokens import hashes_of

        keys = hashes_of(*buffers(ids))
        number = (np.arange(len(owner)) - first[owner] + 1).astype(np.uint64)
        state = (
            keys[owner] + number * np.uint64(0x9E3779B97F4A7C15) + np.uint64(self.seed) * np.uint64(0xD1B54A32D192ED03)
        )
        return _mixed(state) >> np.uint64(11) < np.uint64(round(self.untagged * 2**53))

    def _escaped(self, text: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int64]]:
        """(the texts in which no control token is spelled out, how many were)."""
        tokens = [re.escape(token) for token in (self.good, self.bad)] + [prefix.pattern() for prefix in self.prefix]
        count = np.zeros(len(text), np.int64)
        for token in tokens:
            # RE2 takes the escapes of Python's re for these characters
            hits = np.asarray(pc.fill_null(pc.count_substring_regex(text, token), 0), np.int64)
            if hits.any():
                count += hits
                head, rest = re.match(r"(\\?.)(.*)", token, re.DOTALL).groups()  # type: ignore[union-attr]
                text = pc.replace_substring_regex(text, f"({head})({rest})", r"\1 \2")
        return text, count

    def _heads(self, batch: pa.RecordBatch, bands: pa.Array) -> list[str]:
        """The tokens before each document."""
        rows = bands.to_pylist() if any(prefix.is_signal for prefix in self.prefix) else []
        heads = [""] * batch.num_rows
        place = 0
        for prefix in self.prefix:
            values = (
                [prefix.band(row[place] if row else -1) for row in rows] if prefix.is_signal else prefix.values(batch)
            )
            place += prefix.is_signal
            heads = [head + (prefix.token(value) if value else "") for head, value in zip(heads, values, strict=True)]
        # no token before a text that is not there
        return [head if valid else "" for head, valid in zip(heads, batch["text"].is_valid().to_pylist(), strict=True)]

    def _inserted(
        self,
        text: pa.Array,
        pieces: Sentences,
        owner: npt.NDArray[np.int64],
        tags: npt.NDArray[np.int8],
        heads: list[str],
    ) -> tuple[pa.Array, npt.NDArray[np.int64]]:
        """(the texts with all tokens, where each segment with its token begins in them)."""
        from curate.kernels.masking import replace_each

        data, offsets = buffers(text)
        kinds = sorted(set(heads))
        texts = [self.good, self.bad, "", *kinds]
        # before the segments of each text stands its head
        at = np.insert(pieces.start, pieces.first[:-1], offsets[:-1])
        of_segment = np.select([tags == GOOD, tags == BAD], [0, 1], 2)
        which = np.insert(of_segment, pieces.first[:-1], [3 + kinds.index(head) for head in heads])
        first = pieces.first + np.arange(len(offsets))
        edited = from_buffers(*replace_each(data, offsets, at, at, first, texts, which))
        sizes = np.array([len(token.encode()) for token in texts], np.int64)[which]
        # what was put in before each, and what the texts before it grew by
        grown = np.cumsum(sizes) - sizes
        segments = np.ones(len(at), np.bool_)
        segments[first[:-1]] = False
        starts = pieces.start - int(offsets[0]) + grown[segments]
        if text.null_count:
            edited = pc.if_else(text.is_null(), None, edited)
        return edited, starts


def quantile_of(parts: Any, share: float) -> float:
    """The least score that at least `share` of all are at or below; 0 without any. Two passes, 1 MB of memory.

    `parts()` yields columns of lists of float32, none of them negative: then their bits are in the order of the values.
    """
    high = np.zeros(1 << 16, np.int64)

    def bits(part: Any) -> npt.NDArray[np.uint32]:
        return np.asarray(pc.list_flatten(part), np.float32).view(np.uint32)

    for part in parts():
        high += np.bincount(bits(part) >> 16, minlength=1 << 16)
    wanted = max(int(np.ceil(share * high.sum())), 1)
    top = int(np.searchsorted(np.cumsum(high), wanted))
    if top == len(high):
        return 0.0
    low = np.zeros(1 << 16, np.int64)
    for part in parts():
        values = bits(part)
        low += np.bincount(values[values >> 16 == top] & 0xFFFF, minlength=1 << 16)
    rest = int(np.searchsorted(np.cumsum(low), wanted - int(high[:top].sum())))
    return float(np.array([top << 16 | rest], np.uint32).view(np.float32)[0])


def _lists(first: npt.NDArray[Any], values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(first, pa.int32()), values)


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of MurmurHash3 over an array."""
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = (state ^ (state >> np.uint64(33))) * np.uint64(multiplier)
    return state ^ (state >> np.uint64(33))
