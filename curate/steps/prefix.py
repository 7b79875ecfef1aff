"""Tokens before a document that say what it is: its source or language, a band of its length or of a signal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

_COLUMNS = ("source", "lang")
_CHARACTERS = "characters"


class Prefix(BaseModel):
    """One token `<|name:value|>`: of a column its value, of a number the name of the band that it falls in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="what the token says first", pattern=r"^[A-Za-z]\w*$")
    of: str = Field(description="source, lang, characters (of the text), or a signal as `quality.word_count`")
    cuts: list[float] = Field([], description="where bands begin, as values; a value at a cut is above it")
    quantiles: list[float] = Field([], description="or as shares of all documents, of a signal only")
    bands: list[str] = Field([], description="names of the bands, one more than there are cuts")

    @model_validator(mode="after")
    def _bands_fit(self) -> Self:
        if self.of in _COLUMNS:
            if self.cuts or self.quantiles or self.bands:
                raise ValueError(f"{self.of} is a name and has no bands")
            return self
        if self.of != _CHARACTERS and not self.is_signal:
            raise ValueError(f"`{self.of}` is neither {', '.join(_COLUMNS)}, {_CHARACTERS} nor a signal `step.name`")
        edges = self.cuts or self.quantiles
        if not edges or (self.cuts and self.quantiles) or (self.quantiles and not self.is_signal):
            raise ValueError("give `cuts`, or `quantiles` of a signal")
        if edges != sorted(set(edges)) or len(self.bands) != len(edges) + 1:
            raise ValueError("bands need rising cuts, one fewer than there are names")
        if strange := [band for band in self.bands if not re.fullmatch(r"[\w.-]+", band)]:
            raise ValueError(f"`{strange[0]}` is no name for a band: letters, digits, _ . - alone")
        return self

    @property
    def is_signal(self) -> bool:
        """Whether it is made of an earlier step's signal."""
        return "." in self.of

    def token(self, value: str) -> str:
        """The token of a value."""
        return f"<|{self.name}:{value}|>"

    def pattern(self) -> str:
        """A regular expression for any of its tokens."""
        return rf"<\|{self.name}:[^|<>]*\|>"

    def band(self, place: int) -> str:
        """The name of a band, empty for -1."""
        return self.bands[place] if place >= 0 else ""

    def banded(self, parts: Iterable[npt.NDArray[Any]]) -> npt.NDArray[np.int8]:
        """(n,) the band of the signal's value in each document, -1 where there is none."""
        values = np.concatenate([*parts, np.zeros(0)]).astype(np.float64)
        known = ~np.isnan(values)
        cuts = self.cuts
        if self.quantiles:
            ranked = np.sort(values[known])
            # the first value that has at least so large a share of all below it
            places = np.ceil(np.array(self.quantiles) * len(ranked)).astype(np.int64)
            cuts = [ranked[place] if place < len(ranked) else np.inf for place in places]
        return np.where(known, np.searchsorted(cuts, values, side="right"), -1).astype(np.int8)

    def values(self, batch: pa.RecordBatch) -> list[str]:
        """The value of each document, of a column or of the number of characters; empty for none."""
        if self.of == _CHARACTERS:
            lengths = np.asarray(pc.fill_null(pc.utf8_length(batch["text"]), 0), np.float64)
            return [self.bands[place] for place in np.searchsorted(self.cuts, lengths, side="right")]
        return [re.sub(r"[^\w.-]", "_", value or "") for value in batch[self.of].to_pylist()]
