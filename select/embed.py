"""Step `embed`: a vector for each document, from a static table that needs no model or from a transformers encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curate.select.vectors import static_vectors
from curate.steps.step import Signal, Step

TYPES = {"float16": pa.float16(), "float32": pa.float32(), "int8": pa.int8()}


class Embed(Step):
    """Add `vector`, of length 1, to each document: what selectors, semantic dedup and search compare documents by.

    The engine `static` knows words, no meaning: texts on the same subject in the same words are
    near each other, paraphrases and translations are not. It needs no model and runs at the speed of a filter. The
    engine `transformers` runs any encoder. A text without a word, or quarantined, has the null vector: no selector
    chooses by it.
    """

    kind: ClassVar[str] = "embed"
    source: ClassVar[str] = "sparse random projections: Li, Hastie & Church 2006"

    engine: Literal["static", "transformers"] = Field("static", description="what makes the vectors")
    dimensions: int = Field(512, ge=8, le=4096, description="of `static`; a model has its own number")
    dtype: Literal["float16", "float32", "int8"] = Field(
        "float16", description="how vectors are stored; int8 is 127 times the value"
    )

    def signals(self) -> Mapping[str, Signal]:
        """The vector, as long as the engine makes it."""
        kind = pa.list_(TYPES[self.dtype], self.dimensions)
        return {"vector": Signal(kind, "the text as a point: cosine similarity is the inner product")}

    def assets(self) -> dict[str, str]:
        """The table of `static` by its content."""
        from curate.files import file_sha256
        from curate.select.rarity import asset

        return {"rarity": file_sha256(asset())}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See Step."""
        vectors = static_vectors(batch["text"], self.dimensions)
        return self.with_signals(batch, vector=stored(vectors, self.dtype))


def stored(vectors: npt.NDArray[np.float32], dtype: str) -> pa.Array:
    """(n, d) float32 of length 1 or 0 -> a fixed-size list array of `dtype`, null where the length is 0."""
    scaled: Any = np.rint(vectors * 127) if dtype == "int8" else vectors
    values = pa.array(scaled.astype(dtype).reshape(-1))
    missing = ~vectors.any(axis=1)
    return pa.FixedSizeListArray.from_arrays(values, vectors.shape[1], mask=pa.array(missing))
