"""`site_boilerplate`: lines that the pages of a site have in common (menus, footers, notices) are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curate.dedup.passages import Integers, PassageStep, documents, looked_at
from curate.dedup.spill import Rows
from curate.dedup.step import Contributions, GlobalStep
from curate.settings import Share
from curate.text import buffers
from curate.urls import addresses, list_versions


class SiteBoilerplate(PassageStep):
    """Cut lines that stand on many pages of one site: menus, footers, notices that extraction left in.

    A line is boilerplate if at least `min_pages` pages of the site have it and at least `min_share` of its pages. Lines
    are compared in the normal form of `paragraph_dedup`. Documents without an address, and conversations, are left alone. A document of
    which nothing stays is dropped. Beside passages, `resolve` holds 16 bytes for each site of each unit.
    """

    kind: ClassVar[str] = "site_boilerplate"
    version: ClassVar[int] = 2
    source: ClassVar[str] = (
        "Site style trees (Yi, Liu and Li, KDD 2003): what many pages of a site share is noise; compared as in CCNet"
    )
    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"keep", "min_pages", "min_share"}

    site: Literal["host", "domain"] = Field("host", description="what a site is: a host, or a registered domain")
    min_pages: int = Field(3, ge=2, description="pages of the site that have the line, at least")
    min_share: Share = Field(0.1, description="and this share of the pages of the site")
    keep: Literal["first", "none"] = Field(
        "none", description="which page keeps the line: the first of the site, or none"
    )

    def assets(self) -> dict[str, str]:
        """The versions of the lists that decide hosts and domains."""
        return list_versions()

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`keys`, and `site` (uint64), the key of the host or domain; 0 for a document without an address."""
        from curate.kernels.keys import hashes_of

        found = addresses(batch["url"])
        data, offsets = buffers(found.host if self.site == "host" else found.domain)
        sites = np.where(np.diff(offsets) > 0, hashes_of(data, offsets, False), np.uint64(0))
        return [*super().collect(batch), ("site", pa.array(sites))]

    def occurrences(self, contributions: Contributions) -> Iterator[Rows]:
        """The passages of pages, by site; each needs what its site asks for."""
        sites, pages = _pages(contributions)
        # a tenth of 30 pages is 3, whatever floating point makes of it
        need = np.maximum(self.min_pages, np.ceil(pages * self.min_share - 1e-9)).astype(np.int32)
        for table in contributions.tables():
            rows = looked_at(table)
            own = table["site"].to_numpy()
            at = np.searchsorted(table["row"].to_numpy(), rows["row"])
            rows, own = rows[own[at] != 0], own[at][own[at] != 0]
            rows["need"] = need[np.searchsorted(sites, own)]
            rows["key"] ^= own  # both are hashes: what is left is one of the two together
            yield rows

    def repeated(self, rows: Rows, first: Integers, size: Integers) -> tuple[npt.NDArray[np.bool_], Integers]:
        """All copies, or all but those of the first page, where enough pages have the passage."""
        number = documents(rows, first)
        pages = number[first + size - 1]
        cut = pages >= rows["need"]
        if self.keep == "first":
            cut &= number > 1
        return cut, pages


def _pages(contributions: Contributions) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The sites of all documents, ascending, and how many pages each has."""
    found = [np.unique(table["site"].to_numpy(), return_counts=True) for table in contributions.tables()]
    if not found:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    sites, place = np.unique(np.concatenate([sites for sites, _ in found]), return_inverse=True)
    return sites, np.bincount(place, weights=np.concatenate([counts for _, counts in found])).astype(np.int64)
