"""`url_rules`: block lists of domains, substrings and words in the address of a page."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import ClassVar

import pyarrow as pa
from pydantic import Field

from curate.errors import MissingAsset
from curate.readers.codecs import Damaged, codec_of, decompressed, open_stored
from curate.steps.step import Bound, Filter, Signal, bounded

# The name under which a setting asks for the list that comes with the package.
DEFAULT = "default"
_WORD = re.compile(r"[a-z0-9]+")
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)", re.IGNORECASE)


@bounded
class UrlRules(Filter):
    """Drop documents whose address is on a block list; documents without an address pass.

    Each list is written out in the file, or is the path of a file with one entry a line (`#` begins a comment; .gz and
    .zst are read). Domains match with all their subdomains, substrings anywhere, words between characters that are
    neither letters nor digits; all in lower case.
    """

    kind: ClassVar[str] = "url_rules"
    version: ClassVar[int] = 1
    source: ClassVar[str] = (
        "RefinedWeb (arXiv 2306.01116, appendix G.1) and DCLM (arXiv 2406.11794); the word lists are our own"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "blocked_domain": Signal(pa.bool_(), "the host or a domain above it is in `block_domains`"),
        "blocked_substring": Signal(pa.bool_(), "the address contains an entry of `block_urls`"),
        "hard_words": Signal(pa.int32(), "words of the address that are in `block_words`"),
        "soft_words": Signal(pa.int32(), "words of the address that are in `suspect_words`"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "default": {"hard_words": Bound(max=0), "soft_words": Bound(max=1)},
        "none": {},
    }

    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"block_domains", "block_urls", "block_words", "suspect_words"})

    preset: str = Field("default", description="`default`: no hard word, at most one soft word; `none`: any number")
    block_domains: list[str] | str = Field([], description="domains to block, or the path of a list")
    block_urls: list[str] | str = Field([], description="substrings of addresses to block, or the path of a list")
    block_words: list[str] | str = Field(DEFAULT, description="hard words, the path of a list, or `default` for ours")
    suspect_words: list[str] | str = Field(DEFAULT, description="soft words, the path of a list, or `default` for ours")

    def rule_table(self) -> dict[str, str]:
        """The block lists (false switches one off), then the bounds on words."""
        flags = ("blocked_domain", "blocked_substring")
        lists = {flag: f"NOT {self.name}.{flag}" for flag in flags if getattr(self, flag) is not False}
        return lists | {rule: sql for rule, sql in super().rule_table().items() if rule not in flags}

    def assets(self) -> dict[str, str]:
        """The hash of each list that is read from a file."""
        lists = {"block_words": ("hard", self.block_words), "suspect_words": ("soft", self.suspect_words)}
        lists |= {"block_domains": ("", self.block_domains), "block_urls": ("", self.block_urls)}
        return {
            name: hashlib.sha256(_content(self.name, kind, entries)).hexdigest()
            for name, (kind, entries) in lists.items()
            if isinstance(entries, str)
        }

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; reads the column `url`."""
        domains = _entries(self.name, "", _key(self.block_domains))
        substrings = sorted(_entries(self.name, "", _key(self.block_urls)))
        hard = _entries(self.name, "hard", _key(self.block_words))
        soft = _entries(self.name, "soft", _key(self.suspect_words))
        rows: list[tuple[bool, bool, int, int]] = []
        for url in batch.column("url").to_pylist():
            lower = (url or "").lower()
            words = _WORD.findall(lower)
            rows.append(
                (
                    bool(domains) and on_list(lower, domains),
                    any(part in lower for part in substrings),
                    sum(word in hard for word in words),
                    sum(word in soft for word in words),
                )
            )
        names = list(self.SIGNALS)
        return self.with_signals(batch, **{name: [row[i] for row in rows] for i, name in enumerate(names)})


def on_list(url: str, domains: frozenset[str]) -> bool:
    """Whether the host of a lower-case address, or any domain above it, is in `domains`."""
    found = _HOST.match(url)
    host = (found[1] if found else url.partition("/")[0]).rstrip(".")
    while host:
        if host in domains:
            return True
        host = host.partition(".")[2]
    return False


def _key(entries: list[str] | str) -> tuple[str, ...] | str:
    return entries if isinstance(entries, str) else tuple(entries)


@functools.lru_cache(16)
def _entries(where: str, kind: str, entries: tuple[str, ...] | str) -> frozenset[str]:
    """The entries of a list, in lower case and without what a domain cannot end or begin with."""
    if isinstance(entries, str):
        lines = _content(where, kind, entries).decode("utf-8", "replace").splitlines()
        entries = tuple(line.partition("#")[0] for line in lines)
    return frozenset(entry for entry in (entry.strip().lower() for entry in entries) if entry)


def _content(where: str, kind: str, path: str) -> bytes:
    """The bytes of a list, or of ours of this kind. Raises MissingAsset."""
    if path == DEFAULT and kind:
        return (files("curate") / "assets" / "url_words" / f"{kind}.txt").read_bytes()
    try:
        with open_stored(path) as file:
            return b"".join(decompressed(file, codec_of(path)))
    except (OSError, Damaged) as error:
        hint = "paths in a pipeline file are relative to it; a list can also be written out: [a.com, b.org]"
        raise MissingAsset(where, f"the list `{path}` cannot be read: {error}", hint) from error
