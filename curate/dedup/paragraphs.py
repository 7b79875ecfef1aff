"""`paragraph_dedup`: paragraphs that occur in more than one place are cut, whatever document they are in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from curate.dedup.passages import Integers, PassageStep, looked_at
from curate.dedup.spill import Rows
from curate.dedup.step import Contributions, GlobalStep


class ParagraphDedup(PassageStep):
    """Cut paragraphs that were met before, in this document or another, as CCNet does over all pages.

    Paragraphs are equal if they are so in lower case, with every digit 0, without accents and punctuation (compared by
    64-bit hashes of that form). CCNet compares within groups of files, here all documents are one group, and the first
    in input order keeps the paragraph. Conversations are left alone. A document of which nothing stays is dropped.
    """

    kind: ClassVar[str] = "paragraph_dedup"
    version: ClassVar[int] = 2
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"keep", "min_copies"}

    min_copies: int = Field(2, ge=2, description="how often a paragraph occurs to count as repeated")
    keep: Literal["first", "none"] = Field("first", description="which copy stays: the first in input order, or none")

    def occurrences(self, contributions: Contributions) -> Iterator[Rows]:
        """All passages."""
        for table in contributions.tables():
            yield looked_at(table)

    def repeated(self, rows: Rows, first: Integers, size: Integers) -> tuple[npt.NDArray[np.bool_], Integers]:
        """All copies but the first, where there are `min_copies`."""
        cut = size >= self.min_copies
        if self.keep == "first":
            cut &= np.arange(len(rows)) != first
        return cut, size
