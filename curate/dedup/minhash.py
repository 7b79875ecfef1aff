"""Near-duplicates: MinHash LSH proposes pairs, the exact Jaccard similarity of their shingles decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import AfterValidator, Field

from curate.dedup.exact import text_lengths
from curate.dedup.step import Contributions, GlobalStep
from curate.dedup.verdicts import KEEP, check_keep
from curate.steps.word_assets import word_assets
from curate.text import buffers


class MinhashDedup(GlobalStep):
    """Drop every document whose shingles have a Jaccard similarity of at least `threshold` to those of a kept one.

    Words are letters, marks, digits and _ in lower case; in Chinese and Japanese a character is a word, in Thai, Lao, Khmer
    and Burmese words are ICU's. A shingle is `ngram` words in a row; a text of fewer words is one shingle, so that equal short texts are
    found, and a text without a word is never a duplicate. Documents are gone through in the order `keep`; each is compared
    to the kept documents in its LSH buckets, and to those that stand for dropped ones there. So no document leaves for
    being like one that has left itself. The ledger names the most similar kept one. Work on a document is bounded: a bucket
    takes no kept document beyond its 1024th (pages of one template), and of more than 64 candidates those are compared
    whose signatures agree most.

    `resolve` holds at most `memory` and as minimum: 4 bytes a document, one unit's signatures, the shingles of one
    document and its candidate, and about 1.2 kB for each document of the largest set that is linked through buckets. On
    disk: 12 bytes a band and document, and for documents in a bucket with others their shingles, 8 bytes each.
    """

    kind: ClassVar[str] = "minhash"
    version: ClassVar[int] = 3
    source: ClassVar[str] = "Broder 1997; parameters of FineWeb (Penedo et al. 2024, arXiv 2406.17557), section 3.4"
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"threshold", "keep"}
    drop_rule: ClassVar[str] = "near_duplicate"

    ngram: int = Field(5, ge=1, le=100, description="words in a shingle")
    bands: int = Field(
        14, ge=1, le=1000, description="bands of the signature: two documents that share one are compared"
    )
    rows: int = Field(8, ge=1, le=100, description="hashes in a band; bands x rows is the length of the signature")
    threshold: float = Field(0.8, gt=0, le=1, description="least Jaccard similarity of the shingles to a kept document")
    seed: int = Field(1, ge=0, description="chooses the hash functions")
    keep: Annotated[str, AfterValidator(check_keep)] = Field("first", description=KEEP)

    def assets(self) -> dict[str, str]:
        """The version of ICU."""
        return word_assets()

    def reads(self) -> Mapping[str, str]:
        """The signal that `keep` names, if it names one."""
        return {"keep": self.keep} if "." in self.keep else {}

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`signature` (list of bands x rows uint32), `shingles` (int32, repeats included), `length` (characters)."""
        from curate.kernels.minhash import permutations, signatures
        from curate.kernels.segments import word_edges
        from curate.kernels.shingles import word_characters
        from curate.kernels.unicode import tables

        text = batch.column("text")
        data, offsets = buffers(text)
        edges, width = word_edges(data, offsets), self.bands * self.rows
        factors, summands = permutations(self.seed, width)
        table, counts = np.empty((len(text), width), np.uint32), np.empty(len(text), np.int32)
        signatures(
            data, offsets, self.ngram, word_characters(), tables().lower, edges, factors, summands, table, counts
        )
        signature = pa.FixedSizeListArray.from_arrays(pa.array(table.reshape(-1)), width)
        return [("signature", signature), ("shingles", pa.array(counts)), ("length", text_lengths(text))]

    def resolve(self, contributions: Contributions) -> Iterator[pa.Table]:
        """Link documents through equal bands, then compare within each linked set."""
        from curate.dedup.verify import Verification

        yield from Verification(self, contributions).verdicts()
