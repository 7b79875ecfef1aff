"""How much of test sets stands in texts: the report of `curate contamination`, and the guard of selection and training.

An example is contaminated if one text covers more than `threshold` of the words of one of its passages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curate.contamination.index import Index
from curate.contamination.search import THRESHOLD, Floats, Search
from curate.errors import ContaminationError
from curate.kernels.contamination import Found
from curate.text import buffers

#: the most bytes of a matched passage that are shown
SHOWN = 200


class Example(NamedTuple):
    """A contaminated example, and the text that covers most of it."""

    benchmark: str
    id: str
    field: str  # the key of the passage that is covered most
    share: float  # of its words, by this one text
    anywhere: float  # of its words, by all texts together
    document: str
    matched: str  # what stands in the text, at most `SHOWN` bytes
    documents: int  # in how many texts a passage of it is covered above the threshold


class Benchmark(NamedTuple):
    """What was found of one benchmark."""

    name: str
    examples: int
    searched: int  # those with a passage long enough
    contaminated: int
    words: int  # of passages searched
    words_found: int  # covered by all texts together

    @property
    def share(self) -> float:
        """Contaminated examples over those searched."""
        return self.contaminated / max(1, self.searched)


@dataclass(frozen=True)
class Contamination:
    """What texts hold of test sets."""

    documents: int
    contaminated: int  # documents that hold a passage above the threshold
    benchmarks: tuple[Benchmark, ...]
    examples: tuple[Example, ...]  # contaminated ones, in the order of the test sets
    partly: tuple[tuple[str, str, float, float], ...] = field(default=(), repr=False)
    """(benchmark, id, most covered by one text, by all together) of every example with a match"""

    def guard(self, limit: float = 0.0, where: str = "contamination") -> None:
        """Raises ContaminationError if more than `limit` of the examples of a benchmark are contaminated."""
        over = [found for found in self.benchmarks if found.share > limit]
        if over:
            listed = ", ".join(f"{found.name} {found.contaminated:,} of {found.searched:,}" for found in over)
            hint = "put the step `decontaminate` into the pipeline, or allow a share: --limit 2%"
            raise ContaminationError(where, f"texts hold test examples: {listed}", hint)


class _Best(NamedTuple):
    share: float
    passage: int
    document: str
    matched: str


class Meter:
    """Takes texts in batches and adds up what they hold of an index's test sets."""

    def __init__(self, index: Index, threshold: float = THRESHOLD) -> None:
        self._index, self._search = index, Search(index, threshold)
        self._documents = self._contaminated = 0
        self._best: dict[int, _Best] = {}
        self._times: dict[int, int] = {}

    def add(self, texts: pa.Array, names: Sequence[str] | None = None) -> None:
        """Count n texts; `names` say which ones they are, else their numbers do."""
        found = self._search(texts)
        known = names if names is not None else [str(self._documents + i) for i in range(len(texts))]
        hits = np.flatnonzero(np.diff(found.first))
        self._documents += len(texts)
        self._contaminated += len(hits)
        if len(hits):
            self._note(found, hits.tolist(), texts, known)

    def _note(self, found: Found, hits: list[int], texts: pa.Array, names: Sequence[str]) -> None:
        data, _ = buffers(texts)
        sizes = self._index.grams.passage
        for text in hits:
            seen = set()
            for pair in range(found.first[text], found.first[text + 1]):
                passage = int(found.passage[pair])
                example = int(self._index.example[passage])
                seen.add(example)
                share = float(found.covered[pair] / sizes[passage])
                held = self._best.get(example)
                # of equal shares the first text, in it the passage met first
                if held and share <= held.share:
                    continue
                start, stop = found.reach[pair]
                if found.best[text] == passage:
                    start, stop = found.evidence[text, 1:]
                matched = data[start : min(stop, start + SHOWN)].tobytes().decode("utf-8", "ignore")
                self._best[example] = _Best(share, passage, names[text], matched)
            for example in seen:
                self._times[example] = self._times.get(example, 0) + 1

    def result(self) -> Contamination:
        """What was found so far."""
        sets, sizes = self._index.sets, self._index.grams.passage
        covered = self._search.anywhere
        anywhere = covered / np.maximum(sizes, 1)
        most_example = _by_example(self._search.most, self._index)
        any_example = _by_example(anywhere, self._index)
        examples = tuple(
            Example(
                sets.benchmarks[sets.of[example]], sets.ids[example], sets.passages[best.passage].field, best.share,
                float(any_example[example]), best.document, best.matched, self._times[example],
            )
            for example, best in sorted(self._best.items())
        )  # fmt: skip
        partly = tuple(
            (sets.benchmarks[sets.of[i]], sets.ids[i], float(most_example[i]), float(any_example[i]))
            for i in np.flatnonzero(any_example)
        )
        return Contamination(self._documents, self._contaminated, self._benchmarks(sizes, covered), examples, partly)

    def _benchmarks(self, sizes: np.ndarray, covered: np.ndarray) -> tuple[Benchmark, ...]:
        index, count = self._index, len(self._index.sets.benchmarks)
        searched = np.zeros(len(index.sets.ids), np.bool_)
        searched[index.example[index.searched]] = True
        bad = np.zeros(len(searched), np.bool_)
        bad[list(self._best)] = True
        of_passage = index.benchmark[index.example]
        columns = [
            np.bincount(index.benchmark, minlength=count),
            np.bincount(index.benchmark[searched], minlength=count),
            np.bincount(index.benchmark[bad], minlength=count),
            np.bincount(of_passage, weights=sizes, minlength=count),
            np.bincount(of_passage, weights=covered, minlength=count),
        ]
        rows = zip(index.sets.benchmarks, *(column.astype(np.int64).tolist() for column in columns), strict=True)
        return tuple(Benchmark(*row) for row in rows)


def _by_example(values: Floats, index: Index) -> Floats:
    """The greatest value of each example's passages."""
    made = np.zeros(len(index.sets.ids))
    np.maximum.at(made, index.example, values)
    return made


def contamination(texts: Iterable[pa.Array], index: Index, *, threshold: float = THRESHOLD) -> Contamination:
    """What texts, in batches, hold of the test sets of an index (`curate.contamination.search.load`).

    As a guard: `contamination(texts, load(["benchmarks/*.jsonl.gz"])).guard(0.02)`.
    """
    meter = Meter(index, threshold)
    for batch in texts:
        meter.add(batch)
    return meter.result()
