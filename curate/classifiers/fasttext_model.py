"""fastText models: training on labelled lines, scores of every label, the report that lies beside a model we trained.

fastText itself trains; `curate.kernels.text_classifier` asks its models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curate.classifiers.lines import FORMS, Form, lines_of
from curate.errors import MissingAsset
from curate.files import read_json
from curate.text import buffers

PREFIX = "__label__"
# fastText's own limit for the rows of its matrix of n-grams; more than one row a token of training text stays empty
MOST_BUCKETS = 2_000_000
# On 300 pages 5 passes leave every score at 0.500, from 100 passes on nothing is gained (benchmarks/RESULTS.md).
LEAST_EPOCHS, MOST_EPOCHS, UPDATES = 5, 100, 50_000
# product quantisation learns 256 centroids, and fails on fewer rows
LEAST_QUANTISED = 256


class TrainingSettings(BaseModel):
    """fastText's parameters. The defaults are its own, and word bigrams: the recipe of DCLM (arXiv 2406.11794)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word_ngrams: int = Field(2, ge=1, le=5, description="longest word n-gram that is a feature")
    char_ngrams: tuple[int, int] = Field((0, 0), description="shortest and longest character n-gram; [0, 0] for none")
    dim: int = Field(100, ge=1, description="size of the vectors")
    epochs: int | None = Field(
        None, ge=1, description="passes over the training lines; absent: 5, up to 100 for fewer than 10,000 lines"
    )
    rate: float = Field(0.1, gt=0, description="learning rate at the start; it falls to 0 linearly")
    min_count: int = Field(1, ge=1, description="words rarer than this are no features of their own")
    buckets: int | None = Field(
        None, ge=1, description="rows for hashed n-grams; absent: one for each training token, at most 2,000,000"
    )
    quantize: int | None = Field(
        None, ge=LEAST_QUANTISED, description="keep this many features and compress them: a small .ftz file"
    )


def train(lines: Sequence[tuple[str, str]], settings: TrainingSettings, seed: int, folder: Path) -> Path:
    """Train on (label, line) in the order given, with one thread: the same lines give the same model to the byte.

    `folder` takes the training file and the model file, which is returned. Raises ValueError where fastText refuses (no
    words left, divergence).
    """
    import fasttext

    fasttext.FastText.eprint = lambda *_: None
    path = folder / "train.txt"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{PREFIX}{label} {line}\n" for label, line in lines)
    shortest, longest = settings.char_ngrams
    hashed = settings.word_ngrams > 1 or longest > 0
    tokens = sum(line.count(" ") + 1 for _, line in lines) * (1 + (longest - shortest + 1) * 5 * (longest > 0))
    buckets = settings.buckets or max(min(tokens, MOST_BUCKETS), LEAST_QUANTISED)
    made = fasttext.train_supervised(
        input=str(path), wordNgrams=settings.word_ngrams, minn=shortest, maxn=longest, dim=settings.dim,
        epoch=settings.epochs or min(max(UPDATES // max(len(lines), 1), LEAST_EPOCHS), MOST_EPOCHS), lr=settings.rate, minCount=settings.min_count, bucket=buckets if hashed else 0,
        thread=1, seed=seed, verbose=0,
    )  # fmt: skip
    if settings.quantize:
        # fastText prunes only if there is more than `cutoff` features
        made.quantize(input=str(path), cutoff=settings.quantize, retrain=True, qnorm=True, thread=1, verbose=0)
    model = folder / ("model.ftz" if settings.quantize else "model.bin")
    made.save_model(str(model))
    return model


class FastTextScorer:
    """A fastText classifier: texts -> probabilities of all its labels."""

    def __init__(self, path: Path, form: Form) -> None:
        """The model in a .bin or .ftz file; `form` is how its training lines were made. Raises ValueError for other files."""
        from curate.kernels.text_classifier import load

        self._model, self.labels = load(path)
        self._form: Form = form

    def scores(self, text: pa.Array) -> npt.NDArray[np.float32]:
        """n texts -> (n, labels) probabilities; all 0 for a text without words. No text changes another's scores."""
        from curate.kernels.text_classifier import probabilities

        return probabilities(*buffers(lines_of(text, self._form)), self._model, len(self.labels))


def report_path(model: Path) -> Path:
    """Where the report of a model that we trained is."""
    return model.with_name(model.name + ".json")


def form_of(model: Path) -> Form:
    """The form of text that a model was trained on: as its report says, `plain` for models from elsewhere."""
    form: Form = (read_json(report_path(model)) or {}).get("form", "plain")
    return form


def model_file(where: str, model: str, hint: str) -> Path:
    """The file of a model. Raises MissingAsset."""
    path = Path(model)
    if not path.is_file():
        raise MissingAsset(where, f"there is no model {model}", hint)
    if (form := form_of(path)) not in FORMS:
        raise MissingAsset(where, f"{report_path(path)}: unknown form `{form}`", f"known: {', '.join(FORMS)}")
    return path
