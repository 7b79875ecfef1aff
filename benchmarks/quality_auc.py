"""Which signal tells good web pages from poor ones as people do? `python -m benchmarks.quality_auc [--quick]`

The pages of DCLM's study of human judgement (`quality/dclm_human_quality_a`, 359 in the shared part): the AUC of every
number that a step with default settings computes, and of fastText classifiers trained on four fifths of the pages and
asked about the fifth that they have not seen. An AUC below 0.5 means that poor pages score higher. The last line is
the best classifier over the best signal.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.common import parser, shared_file
from curate.classifiers.evaluation import auc
from curate.classifiers.fasttext_model import FastTextScorer, TrainingSettings, train
from curate.classifiers.lines import FORMS, Form, line_of
from curate.dedup.step import GlobalStep
from curate.documents import document_batch
from curate.errors import CurateError
from curate.steps import STEPS, step_class

FOLDS = 5
# Beside the step's own language (English), what a user would have to set.
SETTINGS: dict[str, dict[str, Any]] = {"quality": {"preset": []}}

Scores = npt.NDArray[np.float64]


def pages() -> tuple[list[str], npt.NDArray[np.bool_]]:
    """(the texts, whether people found them good)."""
    path = str(shared_file("quality/dclm_human_quality_a.jsonl.gz"))
    query = "SELECT text, label::INT = 1 FROM read_json(?, format='newline_delimited') ORDER BY id"
    rows = duckdb.execute(query, [path]).fetchall()
    return [text for text, _ in rows], np.array([good for _, good in rows], bool)


def signals(texts: Sequence[str]) -> Iterator[tuple[str, Scores]]:
    """(name, values) of every numeric signal of the steps that run with default settings."""
    batch = document_batch([{"row": i, "id": str(i), "text": text} for i, text in enumerate(texts)])
    for kind in STEPS:
        cls = step_class(kind)
        if cls.reads_raw or issubclass(cls, GlobalStep):
            continue
        try:
            step = cls.model_validate(SETTINGS.get(kind, {}))
            step.assets()
        except (CurateError, ValueError):  # it needs a model or settings of the user's
            continue
        made = step.process(batch)
        for name, signal in step.signals().items():
            numeric = pa.types.is_floating(signal.type) or pa.types.is_integer(signal.type)
            if numeric or pa.types.is_boolean(signal.type):
                values = made[step.name].field(name).cast(pa.float64())
                yield f"{kind}.{name}", np.nan_to_num(values.to_numpy(zero_copy_only=False))


def cross_validated(
    texts: Sequence[str], good: npt.NDArray[np.bool_], form: Form, settings: TrainingSettings
) -> Scores:
    """The probability of `good` of each page by a model that was trained on the other folds."""
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
    fold = np.array([int.from_bytes(digest) % FOLDS for digest in digests])
    order = sorted(range(len(texts)), key=lambda i: digests[i])
    scores = np.zeros(len(texts))
    for chosen in range(FOLDS):
        names = ("poor", "good")
        lines = [(names[int(good[i])], line_of(texts[i], form)) for i in order if fold[i] != chosen]
        with tempfile.TemporaryDirectory() as folder:
            scorer = FastTextScorer(train(lines, settings, 0, Path(folder)), form)
        unseen = np.flatnonzero(fold == chosen)
        scores[unseen] = scorer.scores(pa.array([texts[i] for i in unseen.tolist()]))[:, scorer.labels.index("good")]
    return scores


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, the strongest first."""
    chosen = parser(__doc__).parse_args(arguments)
    texts, good = pages()
    table = {name: auc(good, values) for name, values in signals(texts) if len(np.unique(values)) > 1}
    best = max(max(value, 1 - value) for value in table.values())
    trained = {}
    for form in FORMS:
        for dim in (16,) if chosen.quick else (16, 100):
            scores = cross_validated(texts, good, form, TrainingSettings(dim=dim))
            trained[f"classifier, {form} text, {dim} dimensions, {FOLDS}-fold"] = auc(good, scores)
    print(f"{len(texts)} pages, {good.sum()} good; standard error of an AUC about {_error(good):.3f}")
    for name, value in sorted({**table, **trained}.items(), key=lambda entry: -abs(entry[1] - 0.5)):
        print(f"{name:<56} {value:.3f}")
    print(json.dumps({"signals": len(table), "best_signal": best, "best_classifier": max(trained.values())}))
    print(f"ratio: {max(trained.values()) / best:.2f}")
    return 0


def _error(good: npt.NDArray[np.bool_]) -> float:
    """The standard error of an AUC of 0.5 (Mann-Whitney)."""
    positives, negatives = int(good.sum()), int((~good).sum())
    return float(np.sqrt((positives + negatives + 1) / (12 * positives * negatives)))


if __name__ == "__main__":
    raise SystemExit(main())
