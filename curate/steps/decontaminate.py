"""`decontaminate`: test sets found in documents by n-grams, and the documents dropped, the passages cut, or both reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curate.contamination.search import MIN_WORDS, NGRAM, THRESHOLD, Search, search_of
from curate.contamination.sets import content_hash, set_files
from curate.documents import set_column
from curate.errors import ConfigError, MissingAsset
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.steps.word_assets import word_assets
from curate.text import Bytes, Offsets, buffers, from_buffers

if TYPE_CHECKING:
    from curate.kernels.contamination import Found

_COUNT, _FRACTION = pa.int32(), pa.float64()
#: the most bytes of a matched passage that are kept as evidence
SHOWN = 300
_EXAMPLE = pa.struct({"benchmark": pa.string(), "example": pa.string(), "share": pa.float32()})


@bounded
class Decontaminate(Filter):
    """Find the examples of test sets that a document holds, and drop it, cut them out, or report only.

    A passage is a text of an example (its question, its solution ...). It is found if n-grams that it shares with the
    document cover more than `threshold` of its words, whatever their case, punctuation, white space and diacritics. A
    passage of fewer than `ngram` words must stand there as a whole; one of fewer than `min_words` different words is not
    looked for, nor are n-grams that more than 1 % of a benchmark's examples (and more than 20) have in common. In
    Chinese and Japanese a character is a word; in Thai, Lao, Khmer and Burmese words are ICU's.
    Tulu 3's rule is `ngram: 8, threshold: 0.5`, GPT-3's `ngram: 13, threshold: 0, action: cut, margin: 200`. Of a
    conversation each message is cut by itself.
    """

    kind: ClassVar[str] = "decontaminate"
    version: ClassVar[int] = 2
    source: ClassVar[str] = (
        "Tulu 3 (arXiv 2411.15124), section 3.2: 8-grams, half of a prompt; GPT-3 (arXiv 2005.14165), appendix C"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "count": Signal(_COUNT, "test examples found"),
        "share": Signal(_FRACTION, "the greatest share of a passage's words that n-grams of the document cover"),
        "words": Signal(_COUNT, "words of the longest stretch shared with that passage"),
        "benchmark": Signal(pa.string(), "the benchmark of that passage; null without a match"),
        "example": Signal(pa.string(), "its example"),
        "matched": Signal(pa.string(), f"the longest stretch as it stands in the document, at most {SHOWN} bytes"),
        "document_frac": Signal(_FRACTION, "words in n-grams of the passages found / words of the document"),
        "cut_frac": Signal(_FRACTION, "bytes cut / bytes"),
        "found": Signal(pa.list_(_EXAMPLE), "all examples found, with the covered share"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "drop": {"count": Bound(max=0)},
        "cut": {"cut_frac": Bound(max=0.9)},
        "report": {},
    }
    FILE_FIELDS: ClassVar[frozenset[str]] = frozenset({"against"})

    against: str | list[str] = Field(
        description="test sets: files, folders or globs of JSON Lines, Parquet, Arrow, or text with an example a line"
    )
    fields: list[str] = Field(
        [], description="the keys of their texts; if absent all but ids, labels, candidate answers and the like"
    )
    ngram: int = Field(NGRAM, ge=1, le=100, description="words of an n-gram: 8, or 13")
    threshold: float = Field(THRESHOLD, ge=0, lt=1, description="a passage is found above this share of its words")
    min_words: int = Field(MIN_WORDS, ge=1, description="different words, not numbers, that a passage must have")
    action: Literal["drop", "cut", "report"] = Field(
        "drop", description="drop the document; cut what is found, and drop what loses 90 %; or signals only"
    )
    margin: int = Field(0, ge=0, description="of `cut`: characters more on both sides, up to the next white space")

    @model_validator(mode="after")
    def _min_words_fit(self) -> Self:
        if self.min_words > self.ngram:
            raise ValueError(f"min_words must be at most ngram, {self.ngram}, got {self.min_words}")
        return self

    @property
    def preset(self) -> str:
        """The name of the rules: the action."""
        return self.action

    def fingerprint(self) -> dict[str, Any]:
        """As of every step; whether a document is dropped for what is found decides no signal."""
        made = super().fingerprint()
        if self.action != "cut":
            made["settings"] |= {"action": "report", "margin": 0}
        # the content of the test sets is an asset: it does not matter where they are
        del made["settings"]["against"]
        return made

    def assets(self) -> dict[str, str]:
        """The hash of the test sets; the version of ICU, by which words of Thai and the like are found."""
        try:
            return {"against": content_hash(set_files(self._paths())), **word_assets()}
        except ConfigError as error:
            problem = error.problems[0]
            raise MissingAsset(self.name, problem.what, problem.hint) from error

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; cuts what is found from `text`, if asked for. A null text stays null."""
        text = batch.column("text")
        data, offsets = buffers(text)
        search = self._search()
        found = search(text)
        edited, cut = self._cut(text, found)
        sizes = search.index.grams.passage
        hit = found.best >= 0
        share = np.where(hit, found.best_covered / np.maximum(sizes[found.best], 1), 0.0)
        names = _examples(search, np.where(hit, found.best, 0))
        batch = batch if edited is None else set_column(batch, "text", edited)
        return self.with_signals(
            batch,
            count=_different(search, found),
            share=share,
            words=found.evidence[:, 0],
            benchmark=pa.array(names[0], mask=~hit),
            example=pa.array(names[1], mask=~hit),
            matched=pa.array(_matched(data, found), mask=~hit),
            document_frac=found.matched / np.maximum(found.words, 1),
            cut_frac=cut / np.maximum(np.diff(offsets), 1),
            found=_listed(search, found),
        )

    def _paths(self) -> list[str]:
        return [self.against] if isinstance(self.against, str) else self.against

    def _search(self) -> Search:
        files = set_files(self._paths())
        # the run has hashed the files: that they are as they were is enough to use the index in hand again
        stamps = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        paths = tuple(map(str, files))
        return search_of(paths, str(stamps), tuple(self.fields), self.ngram, self.min_words, self.threshold)

    def _cut(self, text: pa.Array, found: Found) -> tuple[pa.Array | None, np.ndarray]:
        """(the texts without what is found, None if they are as they were; the bytes that each lost)."""
        data, offsets = buffers(text)
        if self.action != "cut" or not len(found.span_start):
            return None, np.zeros(len(text), np.int64)
        from curate.kernels.masking import replace_spans

        start, stop, first = widened(data, offsets, found, self.margin)
        lost = np.concatenate([[0], np.cumsum(stop.astype(np.int64) - start)])
        edited = from_buffers(*replace_spans(data, offsets, start, stop, first, "\n\n"))
        return (
            pc.if_else(text.is_null(), None, edited) if text.null_count else edited,
            lost[first[1:]] - lost[first[:-1]],
        )


def widened(data: Bytes, offsets: Offsets, found: Found, margin: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The stretches of what is found, `margin` characters wider and on to white space, joined where they meet.

    Returns start and stop in bytes and, by text, the first stretch.
    """
    starts: list[int] = []
    stops: list[int] = []
    first = [0]
    for text in range(len(offsets) - 1):
        lo, hi = int(offsets[text]), int(offsets[text + 1])
        for k in range(found.span_first[text], found.span_first[text + 1]):
            start = _edge(data, int(found.span_start[k]), lo, -1, margin)
            stop = _edge(data, int(found.span_stop[k]), hi, 1, margin)
            if len(starts) > first[-1] and start <= stops[-1]:
                stops[-1] = max(stops[-1], stop)
            else:
                starts.append(start)
                stops.append(stop)
        first.append(len(starts))
    return np.array(starts, np.int32), np.array(stops, np.int32), np.array(first, np.int64)


def _edge(data: Bytes, at: int, end: int, way: int, margin: int) -> int:
    """`margin` characters from `at` towards `end`, then on to ASCII white space and behind it, or to the end."""
    look = -1 if way < 0 else 0
    while at != end and margin > 0:
        at += way
        # a character begins wherever a byte does not continue one
        while at != end and data[at] & 0xC0 == 0x80:
            at += way
        margin -= 1
    while at != end and data[at + look] > 32:
        at += way
    while at != end and data[at + look] <= 32:
        at += way
    return at


def _examples(search: Search, passages: np.ndarray) -> tuple[list[str], list[str]]:
    """(benchmarks, examples) of passages."""
    sets, example = search.index.sets, search.index.example
    if not len(example):
        return [""] * len(passages), [""] * len(passages)
    chosen = example[passages].tolist()
    return [sets.benchmarks[sets.of[i]] for i in chosen], [sets.ids[i] for i in chosen]


def _by_example(search: Search, found: Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(text, example, greatest share) of each example found, by text, then in the order of the test sets."""
    text = np.repeat(np.arange(len(found.best)), np.diff(found.first))
    example = search.index.example[found.passage]
    share = found.covered / np.maximum(search.index.grams.passage[found.passage], 1)
    order = np.lexsort((-share, example, text))
    text, example, share = text[order], example[order], share[order]
    new = np.ones(len(text), np.bool_)
    new[1:] = (text[1:] != text[:-1]) | (example[1:] != example[:-1])
    return text[new], example[new], share[new]


def _different(search: Search, found: Found) -> np.ndarray:
    return np.bincount(_by_example(search, found)[0], minlength=len(found.best))


def _listed(search: Search, found: Found) -> pa.Array:
    text, example, share = _by_example(search, found)
    sets = search.index.sets
    rows = pa.StructArray.from_arrays(
        [
            pa.array([sets.benchmarks[sets.of[i]] for i in example.tolist()], pa.string()),
            pa.array([sets.ids[i] for i in example.tolist()], pa.string()),
            pa.array(share, pa.float32()),
        ],
        fields=list(_EXAMPLE),
    )
    first = np.searchsorted(text, np.arange(len(found.best) + 1))
    return pa.ListArray.from_arrays(pa.array(first, pa.int32()), rows)


def _matched(data: Bytes, found: Found) -> list[str]:
    """The evidence of each text, cut between characters."""
    made = [""] * len(found.best)
    for text in np.flatnonzero(found.best >= 0):
        _, start, stop = found.evidence[text]
        made[text] = data[start : min(stop, start + SHOWN)].tobytes().decode("utf-8", "ignore")
    return made
