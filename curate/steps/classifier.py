"""`classifier`: the probability of each label of a model, by document."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from curate.classifiers.fasttext_model import FastTextScorer, form_of, load
from curate.classifiers.lines import FORMS, Form
from curate.errors import MissingAsset
from curate.files import file_sha256
from curate.steps.step import Bound, Signal, Step

HINT = "curate train-classifier --positive 'good/*.jsonl' --negative 'pool/*.jsonl' --output {model}"


class Classifier(Step):
    """Score each document with a fastText classifier: one signal a label, and the most probable label.

    DCLM keeps the documents of its pool with the highest 10 % of scores: take the threshold from the report of
    `curate train-classifier`, or from `curate sql` over the scores of a run without rules. Models from elsewhere are
    asked about the text on one line; models trained by `curate train-classifier` about the form of their recipe.
    """

    kind: ClassVar[str] = "classifier"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Joulin et al. 2016 (arXiv 1607.01759); as a quality filter DCLM (arXiv 2406.11794)"
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"rules", "keep"})
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model"})
    expensive: ClassVar[bool] = True

    model: str = Field(description="a fastText model, .bin or .ftz; relative to the pipeline file")
    labels: list[str] = Field([], description="the labels whose probabilities are signals; all if empty")
    keep: dict[str, Bound] = Field({}, description="bounds on probabilities: {positive: {min: 0.5}}")

    def signals(self) -> Mapping[str, Signal]:
        """One a label, and `label`. Raises MissingAsset."""
        named = self._named().items()
        table = {name: Signal(pa.float32(), f"probability of the label `{label}`") for label, name in named}
        return {"label": Signal(pa.string(), "the most probable label; empty for a text without words")} | table

    def bounds(self) -> dict[str, Bound]:
        """The bounds in `keep`."""
        return {field_name(label): bound for label, bound in self.keep.items()}

    def assets(self) -> dict[str, str]:
        """The hash of the model, and the form of text that it reads."""
        named = self._named()
        if unknown := [label for label in self.keep if label not in named]:
            hint = f"its labels are {', '.join(named)}"
            raise MissingAsset(self.name, f"{self.model} has no label {', '.join(unknown)}", hint)
        path = model_file(self.name, self.model)
        return {path.name: file_sha256(path), "form": model_form(self.name, path)}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; a null text is an empty one."""
        scorer = _scorer(self.name, self.model)
        scores = scorer.scores(text or "" for text in batch["text"].to_pylist())
        names = np.array([*map(field_name, scorer.labels), ""], object)
        best = np.where(scores.any(axis=1), scores.argmax(axis=1), len(scorer.labels))
        named = self._named()
        columns = {name: scores[:, scorer.labels.index(label)] for label, name in named.items()}
        return self.with_signals(batch, label=names[best], **columns)

    def _named(self) -> dict[str, str]:
        """Label of the model -> name of its signal, for the labels wanted. Raises MissingAsset."""
        known = _scorer(self.name, self.model).labels
        if unknown := [label for label in self.labels if label not in known]:
            hint = f"its labels are {', '.join(known)}"
            raise MissingAsset(self.name, f"{self.model} has no label {', '.join(unknown)}", hint)
        return {label: field_name(label) for label in self.labels or known}


def field_name(label: str) -> str:
    """A label as the name of a signal: letters, digits and _; `label` itself is taken."""
    name = re.sub(r"\W", "_", label)
    return f"is_{name}" if not name or name[0].isdigit() or name == "label" else name


def model_file(where: str, model: str) -> Path:
    """The file of a fastText model. Raises MissingAsset."""
    path = Path(model)
    if not path.is_file():
        raise MissingAsset(where, f"there is no model {model}", HINT.format(model=model))
    return path


def model_form(where: str, path: Path) -> Form:
    """The form of text that a model reads. Raises MissingAsset where its report names one that we do not know."""
    form = form_of(path)
    if form not in FORMS:
        raise MissingAsset(where, f"{path.name}.json: unknown form of text `{form}`", f"known: {', '.join(FORMS)}")
    return form


def _scorer(where: str, model: str) -> FastTextScorer:
    path = model_file(where, model)
    status = path.stat()
    return _loaded(where, model, model_form(where, path), (status.st_size, status.st_mtime_ns))


@functools.lru_cache(4)
def _loaded(where: str, model: str, form: Form, stamp: tuple[int, int]) -> FastTextScorer:
    """The model, once a process as long as its file does not change."""
    try:
        return FastTextScorer(load(model), form)
    except ValueError as error:
        raise MissingAsset(where, f"{model} is no fastText classifier: {error}", HINT.format(model=model)) from error
