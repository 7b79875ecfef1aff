"""A global step that applies, as small as one can be: first lines that many documents share are cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from curate.dedup.step import Contributions, GlobalStep
from curate.documents import FINDINGS_COLUMN, set_column
from curate.steps.step import Signal


class FirstLines(GlobalStep):
    """Cut a first line that more than `most` documents begin with; found only for documents that have such a line."""

    kind: ClassVar[str] = "first_lines"
    FINDINGS: ClassVar[pa.Schema] = pa.schema([pa.field("documents", pa.int32()), pa.field("score", pa.float64())])
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "documents": Signal(pa.int32(), "documents that begin with the same line, if it was cut"),
        "score": Signal(pa.float64(), "the sum of the signal `of` over them"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"most"}

    most: int = Field(2, description="documents that may begin with the same line")
    of: str = Field("quality.word_count", description="a signal")

    def reads(self) -> Mapping[str, str]:
        """The signal `of`."""
        return {"of": self.of}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """The first line."""
        return [("line", pa.array([text.split("\n")[0] for text in batch["text"].to_pylist()], pa.string()))]

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Count them."""
        counts: Counter[str] = Counter()
        score: Counter[str] = Counter()
        for table, values in zip(contributions.tables(), contributions.signals(self.of), strict=True):
            counts.update(table["line"].to_pylist())
            for line, value in zip(table["line"].to_pylist(), values, strict=True):
                score[line] += value
        for table in contributions.tables():
            lines = table["line"].to_pylist()
            common = np.array([counts[line] > self.most for line in lines], bool)
            found = table.filter(pa.array(common))["line"].to_pylist()
            rows = table["row"].to_numpy()[common]
            yield pa.table({"row": rows, "documents": [counts[f] for f in found], "score": [score[f] for f in found]})

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Cut the line where something was found."""
        found = batch[FINDINGS_COLUMN].is_valid().to_pylist()
        texts = [
            text.partition("\n")[2] if cut else text for text, cut in zip(batch["text"].to_pylist(), found, strict=True)
        ]
        return super().process(set_column(batch, "text", pa.array(texts, pa.string())))
