"""`perplexity`: how surprising a text is to a language model, of n-grams or of transformers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from curate.errors import MissingAsset
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.text import buffers

if TYPE_CHECKING:
    from curate.ngrams.found import ModelFile
    from curate.ngrams.kenlm_model import KenlmModel
    from curate.ngrams.model import NgramModel

TRAIN = "curate train-ngram CORPUS --output DIR, then `model: DIR`"


@bounded
class Perplexity(Filter):
    """Score texts by a language model: 10^(-log10 probability / tokens).

    `ngram`: each line that is not blank is scored by itself from begin to end, as CCNet does; its end counts as a token.
    `transformers`: exp of the mean negative log probability of the tokens in the first windows of the text.
    Documents in a language that has no model, and texts without a token, have no perplexity (null). A rule over null
    drops: write `perplexity.perplexity <= 1000 OR perplexity.perplexity IS NULL` to keep them. Degenerate repetition has
    the lowest perplexity of all: put `repetition` before rules that keep what is low.
    """

    kind: ClassVar[str] = "perplexity"
    version: ClassVar[int] = 1
    source: ClassVar[str] = (
        "CCNet (Wenzek et al. 2020, arXiv 1911.00359); POINTS (arXiv 2409.04828); Marion et al. 2023 (arXiv 2309.04564)"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "perplexity": Signal(pa.float32(), "perplexity for each token; null without a model of its language"),
        "bits_per_byte": Signal(pa.float32(), "bits of surprise for each byte of text: comparable between tokenizers"),
        "tokens": Signal(pa.int32(), "tokens that were scored, ends of lines included"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {"none": {}}
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"preset", "rules"})
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model", "sentencepiece"})

    preset: str = Field("none", description="`none`: score only")
    engine: Literal["ngram", "transformers"] = Field(
        "ngram", description="`ngram`: some 30 MB/s; `transformers`: any causal model"
    )
    model: str | dict[str, str] | None = Field(
        None,
        description="ngram: a folder of `curate train-ngram`, an .arpa file or a binary of KenLM; with {lang} in its path, "
        "or as `language: path`, one for each language. transformers: a folder or a name; SmolLM2-135M if absent",
    )
    sentencepiece: str | None = Field(
        None, description="SentencePiece model of an ARPA or KenLM file; NAME.sp.model beside it if absent"
    )
    tokens_of: Literal["words", "spaces"] = Field(
        "spaces", description="how texts are cut for an ARPA or KenLM file that has no SentencePiece model"
    )
    normal: bool = Field(True, description="whether an ARPA or KenLM file was trained on texts in CCNet's form")
    window: int = Field(1024, ge=8, description="transformers: the most tokens of a window")
    windows: int = Field(1, ge=0, description="transformers: how many windows of a text are read; 0 for all")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="transformers: where it runs")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="transformers: bfloat16 on a GPU, float32 elsewhere"
    )

    @model_validator(mode="after")
    def _one_causal_model(self) -> Perplexity:
        if self.engine == "transformers" and isinstance(self.model, dict):
            raise ValueError("engine transformers takes one model for all languages")
        return self

    @property
    def expensive(self) -> bool:  # type: ignore[override]
        """A causal model should see survivors only."""
        return self.engine == "transformers"

    def assets(self) -> dict[str, str]:
        """The hash of each model."""
        if self.engine == "transformers":
            from curate.steps.causal_model import content_hash, find_model

            return {"model": content_hash(find_model(self.name, self._causal()))}
        from curate.ngrams import found

        models = self._models()
        for file in models.values():
            found.check_model(self.name, file)
        return {lang or "model": found.content_hash(file) for lang, file in models.items()}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; a null text is an empty one."""
        text = batch.column("text")
        nats, tokens, size = np.zeros(len(text)), np.zeros(len(text), np.int64), np.ones(len(text), np.int64)
        if self.engine == "transformers":
            from curate.steps.causal_model import loaded

            scorer = loaded(self.name, self._causal(), self.device, self.dtype, self.window, self.windows)
            nats, tokens, size = scorer.score(text.to_pylist())
        else:
            for lang, file in self._models().items():
                rows = np.arange(len(text)) if not lang else _rows_of(batch, lang)
                if len(rows):
                    part = text if len(rows) == len(text) else text.take(pa.array(rows))
                    logs, tokens[rows] = _ngram_model(file, self.tokens_of, self.normal).score(part)
                    nats[rows], size[rows] = -logs * np.log(10), np.diff(buffers(part)[1])
        values, bits = perplexity(nats, tokens), nats / np.maximum(size, 1) / np.log(2)
        if self.engine == "transformers":
            values, bits = rounded(values), rounded(bits)
        nothing = tokens == 0
        return self.with_signals(
            batch,
            perplexity=pa.array(values, pa.float32(), mask=nothing),
            bits_per_byte=pa.array(bits, pa.float32(), mask=nothing),
            tokens=pa.array(tokens),
        )

    def _causal(self) -> str | None:
        return self.model if isinstance(self.model, str) else None

    def _models(self) -> dict[str, ModelFile]:
        from curate.ngrams.found import find_models

        if not self.model:
            raise MissingAsset(self.name, "engine ngram needs a model, and none comes with the package", TRAIN)
        return find_models(self.name, self.model, self.sentencepiece)


def perplexity(nats: npt.NDArray[np.float64], tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """exp(nats / tokens), at most what float32 holds."""
    with np.errstate(over="ignore"):
        return np.minimum(np.exp(nats / np.maximum(tokens, 1)), np.finfo(np.float32).max)


def rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """To four significant digits."""
    scale = 10.0 ** (3 - np.floor(np.log10(np.where(values > 0, values, 1))))
    return np.round(values * scale) / scale


def _rows_of(batch: pa.RecordBatch, lang: str) -> npt.NDArray[Any]:
    return np.flatnonzero(np.array(batch.column("lang").to_pylist(), object) == lang)


@functools.lru_cache(64)
def _ngram_model(file: ModelFile, kind: Literal["words", "spaces"], normal: bool) -> NgramModel | KenlmModel:
    return file.load(kind, normal=normal)
