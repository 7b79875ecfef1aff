"""`classifier`: the probability of each label of a model, or the value of a regressor, by document."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from curate.classifiers.scorers import ModelSettings, asset_of, labels_of, scorer
from curate.errors import MissingAsset
from curate.steps.step import Bound, Signal, Step


class Classifier(ModelSettings, Step):
    """Score each document with a classifier: one signal a label, and the most probable label.

    fastText: DCLM keeps the documents of its pool with the highest 10 % of scores; take the threshold from the report
    of `curate train-classifier`, or from `curate sql` over the scores of a run without rules. Models from elsewhere are
    asked about the text on one line; models trained by `curate train-classifier` about the form of their recipe.

    transformers: any sequence classifier, by the softmax of its labels (the sigmoid of each where its configuration
    says so), or regressor, whose signal is `score`. FineWeb-Edu keeps a page whose rounded score is at least 3:
    `keep: {score: {min: 2.5}}`. Batches have fixed shapes and scores 4 decimals: no document changes another's score.
    """

    kind: ClassVar[str] = "classifier"
    version: ClassVar[int] = 2
    source: ClassVar[str] = (
        "fastText (arXiv 1607.01759) as a quality filter: DCLM (arXiv 2406.11794); regressors: FineWeb-Edu (2406.17557)"
    )
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"rules", "keep"})
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model"})
    expensive: ClassVar[bool] = True

    model: str = Field(
        description="a fastText file .bin or .ftz, or a folder of transformers, relative to the pipeline file; or a hub name"
    )
    labels: list[str] = Field([], description="the labels whose probabilities are signals; all if empty")
    keep: dict[str, Bound] = Field({}, description="bounds on labels: {positive: {min: 0.5}}")

    def signals(self) -> Mapping[str, Signal]:
        """One a label, and `label` unless there is only one. Raises MissingAsset."""
        named = self._named()
        table = {name: Signal(pa.float32(), f"what the model says of `{label}`") for label, name in named.items()}
        best = Signal(pa.string(), "the most probable label; empty for a text without words")
        return table if list(named) == ["score"] else {"label": best} | table

    def bounds(self) -> dict[str, Bound]:
        """The bounds in `keep`."""
        return {field_name(label): bound for label, bound in self.keep.items()}

    def assets(self) -> dict[str, str]:
        """What names the model's content."""
        self._known(self.keep, self._named())
        return asset_of(self.name, self, self.model)

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; a null text is an empty one."""
        model = scorer(self.name, self, self.model)
        scores = model.scores(batch["text"])
        columns = {name: scores[:, model.labels.index(label)] for label, name in self._named().items()}
        if "label" in self.signals():
            names = np.array([*map(field_name, model.labels), ""], object)
            columns["label"] = names[np.where(scores.any(axis=1), scores.argmax(axis=1), len(model.labels))]
        return self.with_signals(batch, **columns)

    def _named(self) -> dict[str, str]:
        """Label of the model -> name of its signal, for the labels wanted. Raises MissingAsset."""
        labels = labels_of(self.name, self, self.model)
        self._known(self.labels, labels)
        return {label: field_name(label) for label in self.labels or labels}

    def _known(self, wanted: Iterable[str], labels: Collection[str]) -> None:
        if unknown := [label for label in wanted if label not in labels]:
            what = f"{self.model} has no label {', '.join(unknown)}"
            raise MissingAsset(self.name, what, f"its labels are {', '.join(labels)}")


def field_name(label: str) -> str:
    """A label as the name of a signal: letters, digits and _; `label` itself is taken."""
    name = re.sub(r"\W", "_", label)
    return f"is_{name}" if not name or name[0].isdigit() or name == "label" else name
