"""A model by its settings: which engine reads it, its labels, what names its content, the scorer itself."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curate.classifiers import fasttext_model, transformers_model
from curate.classifiers.fasttext_model import FastTextScorer
from curate.classifiers.transformers_model import Device, TransformersScorer
from curate.errors import MissingAsset
from curate.files import file_sha256

HINT = "curate train-classifier --positive 'good/*.jsonl' --negative 'pool/*.jsonl' --output {model}"
FASTTEXT = (".bin", ".ftz")


class Scorer(Protocol):
    """What scores texts."""

    labels: tuple[str, ...]

    def scores(self, text: pa.Array) -> npt.NDArray[np.float32]:
        """n texts, a string array -> (n, labels) float32; a text's row depends on that text alone; null is empty."""
        ...


class ModelSettings(BaseModel):
    """The settings that name a model and say how it is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    engine: Literal["auto", "fasttext", "transformers"] = Field(
        "auto", description="auto: fasttext for files .bin and .ftz, transformers for folders and names of the hub"
    )
    device: Device = Field("auto", description="transformers: cpu, cuda, or auto: cuda where there is one")
    window: int = Field(512, ge=8, description="transformers: tokens that the model sees at once")
    windows: int = Field(1, ge=1, description="transformers: how many windows of a text count, by their mean")


def uses_fasttext(settings: ModelSettings, model: str) -> bool:
    """Whether the engine for this model is fastText."""
    return settings.engine == "fasttext" or (settings.engine == "auto" and model.endswith(FASTTEXT))


def labels_of(where: str, settings: ModelSettings, model: str, hint: str = HINT) -> tuple[str, ...]:
    """The labels of a model. Raises MissingAsset."""
    if uses_fasttext(settings, model):
        return scorer(where, settings, model, hint).labels
    return transformers_model.labels_of(transformers_model.model_folder(where, model))


def asset_of(where: str, settings: ModelSettings, model: str, hint: str = HINT) -> dict[str, str]:
    """What names the content of a model, for the fingerprint. Raises MissingAsset."""
    if uses_fasttext(settings, model):
        path = fasttext_model.model_file(where, model, hint.format(model=model))
        return {path.name: file_sha256(path), "form": fasttext_model.form_of(path)}
    if settings.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise MissingAsset(where, "device: cuda, and there is none", "write `device: auto`")
    return {model: transformers_model.model_hash(transformers_model.model_folder(where, model))}


def scorer(where: str, settings: ModelSettings, model: str, hint: str = HINT) -> Scorer:
    """The model, loaded once a process as long as its file does not change. Raises MissingAsset."""
    if not uses_fasttext(settings, model):
        folder = transformers_model.model_folder(where, model)
        return _transformers(folder, settings.device, settings.window, settings.windows)
    path = fasttext_model.model_file(where, model, hint.format(model=model))
    status = path.stat()
    try:
        return _fasttext(path, (status.st_size, status.st_mtime_ns, fasttext_model.form_of(path)))
    except ValueError as error:
        raise MissingAsset(where, f"{model} is no fastText classifier: {error}", hint.format(model=model)) from error


@functools.lru_cache(4)
def _fasttext(path: Path, stamp: tuple[int, int, str]) -> FastTextScorer:
    return FastTextScorer(path, fasttext_model.form_of(path))


@functools.lru_cache(4)
def _transformers(folder: Path, device: Device, window: int, windows: int) -> TransformersScorer:
    return TransformersScorer(folder, device=device, window=window, windows=windows)
