"""`toxicity`: how toxic a text is, sentence by sentence; toxic sentences masked, or only toxic documents kept."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.classifiers.scorers import ModelSettings, asset_of, labels_of, scorer, uses_fasttext
from curate.documents import set_column
from curate.errors import MissingAsset
from curate.files import file_sha256
from curate.steps.flagged_words import C4_EXCLUDES, LDNOOBW, compiled, list_files
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.text import Bytes, Offsets, buffers, from_buffers

if TYPE_CHECKING:
    from curate.kernels.linear_text import Linear
    from curate.kernels.sentences import Sentences

DEFAULT = "default"
_MODEL = Path(str(files("curate") / "assets" / "toxicity" / "model.npz"))
#: names of detoxify's checkpoints on the hub
DETOXIFY = {
    "detoxify": "unitary/toxic-bert",
    "detoxify:original": "unitary/toxic-bert",
    "detoxify:unbiased": "unitary/unbiased-toxic-roberta",
    "detoxify:multilingual": "unitary/multilingual-toxic-xlm-roberta",
}
#: labels that mean what this step asks for, the first that a model has
LABELS = ("toxicity", "toxic", "TOXIC", "hate", "hateful", "offensive", "positive", "1", "LABEL_1", "score")
HINT = "write `model: default`, or train one: curate train-classifier --positive .. --negative .. --output {model}"
_COUNT, _SCORE = pa.int32(), pa.float32()

Scores = npt.NDArray[np.float32]


@bounded
class Toxicity(ModelSettings, Filter):
    """Score each sentence for toxicity: insults, slurs, obscenity, threats. The document has their maximum and mean.

    The default model is a small linear one over words, pairs of words and their n-grams; it was trained on English tweets
    and comments. It knows words, little context: what is said about hate, or denied, or quoted looks like hate, hatred
    without a rude word like calm prose, and dialects like the tweets of those who speak them. In other languages
    (`lang` of the document, where it is known) sentences are searched for the words of that language's list instead.

    Other models: a fastText file of `curate train-classifier`, a folder or hub name of transformers, `detoxify`,
    `detoxify:unbiased`, `detoxify:multilingual`. Inverse filters (Pretrainer's Guide): `preset: inverse` keeps documents with
    a toxic sentence; the least toxic by rank go with a step `quantiles: {by: toxicity.max, share: {min: 0.08}}`.
    """

    kind: ClassVar[str] = "toxicity"
    version: ClassVar[int] = 1
    source: ClassVar[str] = (
        "our own model (pipelines/toxicity_model.py) on Davidson et al. 2017 (arXiv 1703.04009) and Toxic Spans "
        "(SemEval-2021 task 5); filters as in A Pretrainer's Guide (arXiv 2305.13169)"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "max": Signal(_SCORE, "the score of the most toxic sentence, 0 to 1; 0 for a text without words"),
        "mean": Signal(_SCORE, "the mean of the scores of all sentences"),
        "share": Signal(_SCORE, "toxic sentences / sentences"),
        "toxic": Signal(_COUNT, "sentences that score at least `threshold`"),
        "sentences": Signal(_COUNT, "sentences"),
        "listed": Signal(_COUNT, "sentences with a word of the document's language's list, where that is searched"),
        "spans": Signal(pa.string(), "the toxic sentences before any mask: start-stop score, in bytes"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "none": {},
        "tolerant": {"max": Bound(max=0.95)},
        "moderate": {"max": Bound(max=0.7)},
        "strict": {"max": Bound(max=0.5)},
        "inverse": {"toxic": Bound(min=1)},
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"preset", "rules"})
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model"})

    preset: str = Field(
        "none",
        description="none; the greatest score kept: tolerant 0.95, moderate 0.7, strict 0.5; inverse: toxic ones",
    )
    model: str = Field(
        DEFAULT,
        description="default; a fastText file, a folder or hub name of transformers, detoxify[:original|:unbiased|:multilingual]",
    )
    label: str | None = Field(
        None, description="the label of another model that means toxic; found by its name if absent"
    )
    threshold: float = Field(0.5, ge=0, le=1, description="a sentence is toxic from this score")
    level: Literal["sentence", "document"] = Field(
        "sentence", description="what is scored; `document` makes one piece of each, which is faster with transformers"
    )
    languages: list[str] = Field(
        ["en"], description="languages that the model knows; a document without `lang` is in one"
    )
    lists: Literal["other", "all", "none"] = Field(
        "other", description="where words of LDNOOBW's lists make a sentence toxic: in other languages, in all, in none"
    )
    mask: str | None = Field(None, description="replace toxic sentences by this text, such as [TOXIC]")

    @property
    def expensive(self) -> bool:  # type: ignore[override]
        """A model of transformers should see survivors only."""
        return self.model != DEFAULT and not uses_fasttext(self, self.model)

    def assets(self) -> dict[str, str]:
        """What names the model's content, and that of the lists. Raises MissingAsset."""
        if self.model == DEFAULT:
            found = {_MODEL.name: file_sha256(_MODEL)}
        else:
            self._place()
            found = asset_of(self.name, self, self._named(), HINT)
        lists = list_files(self.name, LDNOOBW) if self.lists != "none" else {}
        return found | {place.name: file_sha256(Path(str(place))) for place in lists.values()}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; masks toxic sentences in `text`, if asked for. A null text is an empty one."""
        text = batch.column("text")
        data, offsets = buffers(text)
        pieces = self._pieces(data, offsets)
        count = np.diff(pieces.first)
        owner = np.repeat(np.arange(len(text)), count)
        score, listed = self.scored(batch, pieces)
        toxic = score >= np.float32(self.threshold)
        per_text = functools.partial(np.bincount, owner, minlength=len(text))
        # summed in double precision, in the order of the text
        total = per_text(weights=score.astype(np.float64))
        greatest = np.zeros(len(text), np.float32)
        np.maximum.at(greatest, owner, score)
        columns = {
            "max": greatest,
            "mean": total / np.maximum(count, 1),
            "share": per_text(weights=toxic) / np.maximum(count, 1),
            "toxic": per_text(weights=toxic).astype(np.int64),
            "sentences": count,
            "listed": per_text(weights=listed).astype(np.int64),
            "spans": _spans(pieces, offsets, score, toxic),
        }
        if self.mask is not None and toxic.any():
            batch = set_column(batch, "text", _masked(text, pieces, toxic, self.mask))
        return self.with_signals(batch, **columns)

    def scored(self, batch: pa.RecordBatch, pieces: Sentences) -> tuple[Scores, npt.NDArray[np.bool_]]:
        """(the score of each piece of the batch's texts, whether a word list made it 1)."""
        data, offsets = buffers(batch.column("text"))
        known = np.array([code is None or code in self.languages for code in _codes(batch)], np.bool_)
        score = self._scores(data, pieces, np.repeat(known, np.diff(pieces.first)))
        listed = self._listed(batch, offsets, pieces, known)
        score[listed] = 1
        return score, listed

    def _pieces(self, data: Bytes, offsets: Offsets) -> Sentences:
        from curate.kernels.sentences import Sentences, find_sentences

        if self.level == "sentence":
            return find_sentences(data, offsets)
        return Sentences(offsets[:-1], offsets[1:], np.arange(len(offsets)))

    def _scores(self, data: Bytes, pieces: Sentences, known: npt.NDArray[np.bool_]) -> Scores:
        """The score of each piece; 0 for those that are not `known` to be in a language of the model."""
        score = np.zeros(len(known), np.float32)
        start, stop = pieces.start[known], pieces.stop[known]
        if self.model == DEFAULT:
            from curate.kernels.linear_text import probabilities

            score[known] = probabilities(data, start, stop, _linear(str(_MODEL)))[0]
        elif known.any():
            model = scorer(self.name, self, self._named(), HINT)
            texts = [data[lo:hi].tobytes().decode() for lo, hi in zip(start, stop, strict=True)]
            values = model.scores(pa.array(texts, pa.string()))[:, self._place()]
            # a model with one output gives a logit
            score[known] = 1 / (1 + np.exp(-values)) if len(model.labels) == 1 else values
        return score

    def _listed(
        self, batch: pa.RecordBatch, offsets: Offsets, pieces: Sentences, known: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Which pieces hold a phrase of the list of their document's language."""
        from curate.kernels.automaton import find

        listed = np.zeros(len(pieces.start), np.bool_)
        if self.lists == "none":
            return listed
        codes = _codes(batch)
        for language in list_files(self.name, LDNOOBW):
            rows = np.flatnonzero((codes == language) & (~known if self.lists == "other" else True))
            if len(rows):
                part = batch.column("text").take(pa.array(rows))
                found = find(*buffers(part), compiled(self.name, LDNOOBW, (language,), tuple(C4_EXCLUDES), True)[1])
                shift = np.repeat(offsets[rows] - buffers(part)[1][:-1], np.diff(found.first))
                # pieces ascend: the one that holds a match is the last that begins at or before it
                place = np.searchsorted(pieces.start, found.start + shift, side="right") - 1
                listed[place] = True
        return listed

    def _named(self) -> str:
        return DETOXIFY.get(self.model, self.model)

    def _place(self) -> int:
        """The place of the label that means toxic. Raises MissingAsset."""
        labels = labels_of(self.name, self, self._named(), HINT)
        wanted = [self.label] if self.label else LABELS
        found = next((labels.index(label) for label in wanted if label in labels), -1)
        if found < 0:
            what = f"{self.model} has no label {self.label or 'that means toxic by its name'}"
            raise MissingAsset(self.name, what, f"write `label:` and one of {', '.join(labels)}")
        return found


@functools.cache
def _linear(path: str) -> Linear:
    from curate.kernels.linear_text import load

    return load(Path(path))


def _codes(batch: pa.RecordBatch) -> npt.NDArray[Any]:
    """The language of each document without its region (zh-CN is zh), or None."""
    return np.array(pc.replace_substring_regex(batch.column("lang"), "[-_].*", "").to_pylist(), object)


def _spans(pieces: Sentences, offsets: Offsets, score: Scores, toxic: npt.NDArray[np.bool_]) -> list[str]:
    """Where the toxic pieces of each text are, in bytes from its beginning, and what they score."""
    lines: list[list[str]] = [[] for _ in range(len(offsets) - 1)]
    owner = np.repeat(np.arange(len(lines)), np.diff(pieces.first))
    for k in np.flatnonzero(toxic):
        begin = offsets[owner[k]]
        lines[owner[k]].append(f"{pieces.start[k] - begin}-{pieces.stop[k] - begin} {score[k]:.3f}")
    return [", ".join(found) for found in lines]


def _masked(text: pa.Array, pieces: Sentences, toxic: npt.NDArray[np.bool_], mask: str) -> pa.Array:
    from curate.kernels.masking import replace_spans

    first = np.concatenate([[0], np.cumsum(toxic)])[pieces.first]
    edited = from_buffers(*replace_spans(*buffers(text), pieces.start[toxic], pieces.stop[toxic], first, mask))
    return pc.if_else(text.is_null(), None, edited) if text.null_count else edited
