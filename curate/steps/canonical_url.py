"""`canonical_url`: one form for all addresses of a page, its host and its registered domain."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import ClassVar

import pyarrow as pa
from pydantic import Field

from curate.documents import set_column
from curate.steps.step import Signal, Step
from curate.urls import TRACKING, addresses, list_versions


class CanonicalUrl(Step):
    """Bring the address of each document into one form, and name its host and registered domain.

    Scheme and host in lower case (other scripts as `xn--`), no default port, user, session id, tracking parameter or
    fragment but `#!`, no dot segments, percent-encoding where it must be and nowhere else, parameters sorted, no slash
    at the end. The registered domain is that of the Public Suffix List, registries of companies (`github.io`) included.
    """

    kind: ClassVar[str] = "canonical_url"
    version: ClassVar[int] = 2
    source: ClassVar[str] = (
        "RFC 3986, section 6; WHATWG URL standard; publicsuffix.org; the list of parameters is our own"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "url": Signal(pa.string(), "the address in canonical form"),
        "host": Signal(pa.string(), "the host in lower case, without a port; empty where the address has none"),
        "domain": Signal(pa.string(), "the registered domain of the host, `example.co.uk`"),
    }

    before_text: ClassVar[bool] = True

    strip_www: bool = Field(False, description="leave out `www.` before a domain")
    keep_slash: bool = Field(False, description="keep a slash at the end of the path")
    replace: bool = Field(False, description="write the canonical form to the column `url` too")

    def assets(self) -> dict[str, str]:
        """The hash of the list of tracking parameters, the versions of the other lists."""
        content = (files("curate") / "assets" / TRACKING).read_bytes()
        return {TRACKING: hashlib.sha256(content).hexdigest(), **list_versions()}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; reads, and with `replace` changes, the column `url`."""
        found = addresses(batch.column("url"), strip_www=self.strip_www, keep_slash=self.keep_slash)
        if self.replace:
            batch = set_column(batch, "url", found.url)
        return self.with_signals(batch, **found._asdict())
