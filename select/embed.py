"""Step `embed`: a vector for each document, from a static table that needs no model or from a transformers encoder.

From Python: `Embed(engine="transformers").vectors(texts)` gives (n, d) float32 of (n,) texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from curate.select.vectors import static_vectors
from curate.steps.step import Signal, Step

TYPES = {"float16": pa.float16(), "float32": pa.float32(), "int8": pa.int8()}


class Embed(Step):
    """Add `vector`, of length 1, to each document: what selectors, semantic dedup and search compare documents by.

    The engine `static` knows words, no meaning: texts on the same subject in the same words are
    near each other, paraphrases and translations are not. It needs no model and runs at the speed of a filter. The
    engine `transformers` runs any encoder: a folder, a name of the hub whose files were downloaded, or `minilm`, whose
    weights a package of the index carries. Texts are sorted by length and batches have fixed shapes: no document changes
    another's vector. A text without a word, or quarantined, has the null vector: no selector chooses by it.
    """

    kind: ClassVar[str] = "embed"
    source: ClassVar[str] = "sparse random projections: Li, Hastie & Church 2006; MiniLM: arXiv 2002.10957, 1908.10084"
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model"})

    engine: Literal["static", "transformers"] = Field("static", description="what makes the vectors")
    dimensions: int = Field(512, ge=8, le=4096, description="of `static`; a model has its own number")
    dtype: Literal["float16", "float32", "int8"] = Field(
        "float16", description="how vectors are stored; int8 is 127 times the value"
    )
    model: str = Field("minilm", description="of `transformers`: `minilm`, a folder, or a name of the hub")
    pooling: Literal["auto", "mean", "cls", "last"] = Field(
        "auto", description="which tokens make the vector; `auto`: as the model's files say, else their mean"
    )
    window: int | None = Field(
        None,
        ge=8,
        description="tokens that are seen at once, special ones included; as the model's files say, else 512",
    )
    windows: int = Field(1, ge=1, description="so many windows of a text are read; its vector is their mean")
    prefix: str = Field("", description="words before every text, where a model asks for them, as `passage: `")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the model runs; vectors depend on it")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="how the model computes: bfloat16 on a GPU, float32 elsewhere"
    )
    compile: bool = Field(False, description="torch.compile: a minute of preparation, faster on a GPU")

    @model_validator(mode="after")
    def _settings_of_one_engine(self) -> Self:
        if self.engine == "transformers" and "dimensions" in self.model_fields_set:
            raise ValueError("engine transformers takes no `dimensions`: a model has its own number")
        of_models = {"model", "pooling", "window", "windows", "prefix", "device", "precision", "compile"}
        if self.engine == "static" and (given := sorted(of_models & self.model_fields_set)):
            raise ValueError(f"engine static takes no {', '.join(given)}: write `engine: transformers`")
        return self

    @property
    def expensive(self) -> bool:  # type: ignore[override]
        """A model should see survivors only."""
        return self.engine == "transformers"

    def signals(self) -> Mapping[str, Signal]:
        """The vector, as long as the engine makes it. Raises MissingAsset."""
        kind = pa.list_(TYPES[self.dtype], self.width())
        return {"vector": Signal(kind, "the text as a point: cosine similarity is the inner product")}

    def assets(self) -> dict[str, str]:
        """The table of `static` by its content; a model by its own, with what it runs on."""
        if self.engine == "transformers":
            from curate.select.encoder import encoder_assets

            return encoder_assets(self.name, self.model, self.device)
        from curate.files import file_sha256
        from curate.select.rarity import asset

        return {"rarity": file_sha256(asset())}

    def width(self) -> int:
        """The dimensions of the vectors."""
        if self.engine == "static":
            return self.dimensions
        from curate.select.encoder import encoder_facts, find_encoder

        return encoder_facts(self.name, find_encoder(self.name, self.model))[0]

    def vectors(self, texts: pa.Array) -> npt.NDArray[np.float32]:
        """(n,) texts -> (n, d) float32 of length 1; zeros for a text without a word."""
        if self.engine == "static":
            return static_vectors(texts, self.dimensions)
        from curate.select.encoder import encoder_facts, find_encoder, loaded

        _, pooling, longest = encoder_facts(self.name, find_encoder(self.name, self.model))
        encoder = loaded(
            self.name, self.model, pooling=pooling if self.pooling == "auto" else self.pooling,
            window=self.window or longest, windows=self.windows, device=self.device, dtype=self.precision,
            compiled=self.compile,
        )  # fmt: skip
        given = texts.to_pylist()
        return encoder.encode([self.prefix + text if text and text.strip() else None for text in given])

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See Step."""
        return self.with_signals(batch, vector=stored(self.vectors(batch["text"]), self.dtype))


def stored(vectors: npt.NDArray[np.float32], dtype: str) -> pa.Array:
    """(n, d) float32 of length 1 or 0 -> a fixed-size list array of `dtype`, null where the length is 0."""
    scaled: Any = np.rint(vectors * 127) if dtype == "int8" else vectors
    values = pa.array(scaled.astype(dtype).reshape(-1))
    missing = ~vectors.any(axis=1)
    return pa.FixedSizeListArray.from_arrays(values, vectors.shape[1], mask=pa.array(missing))
