"""`url_rules`: block lists of domains, pages, substrings and words in the address of a page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from curate.steps.step import Bound, Filter, Signal, bounded
from curate.steps.url_lists import (
    ALLOWED,
    BLOCKED,
    CATEGORY,
    DEFAULT,
    Entries,
    category_hashes,
    check_words,
    content,
    entries,
)
from curate.text import buffers
from curate.urls import canonical, list_versions


@bounded
class UrlRules(Filter):
    """Drop documents whose address is on a block list; documents without an address pass.

    Each list is written out in the file, or is the path of a file with one entry a line (`#` begins a comment; .gz and
    .zst are read). Domains match with all their subdomains, in whatever way they are written (`xn--`); substrings
    match anywhere, words between characters that are neither letters nor digits, in either case. `block_lists` is a
    folder with a folder for each category, with files `domains` and `urls` (a page and all below it), as the University
    of Toulouse publishes them; up to 20 bytes of memory an entry.
    """

    kind: ClassVar[str] = "url_rules"
    version: ClassVar[int] = 3
    source: ClassVar[str] = (
        "RefinedWeb (arXiv 2306.01116, appendix G.1) and DCLM (arXiv 2406.11794); the word lists are our own"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "blocked_domain": Signal(
            pa.bool_(), "the host or a domain above it is in `block_domains`, not in `allow_domains`"
        ),
        "category": Signal(
            pa.string(), "categories of `block_lists` that it is in, with commas; empty for none or if allowed"
        ),
        "blocked_substring": Signal(pa.bool_(), "the address contains an entry of `block_urls`"),
        "hard_words": Signal(pa.int32(), "words of the address that are in `block_words`"),
        "soft_words": Signal(pa.int32(), "words of the address that are in `suspect_words`"),
    }
    before_text: ClassVar[bool] = True
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "default": {"hard_words": Bound(max=0), "soft_words": Bound(max=1)},
        "none": {},
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = Filter.RULE_FIELDS | {"drop_categories"}
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"block_domains", "allow_domains", "block_lists", "block_urls", "block_words", "suspect_words"}
    )

    preset: str = Field("default", description="`default`: no hard word, at most one soft word; `none`: any number")
    block_domains: list[str] | str = Field([], description="domains to block, or the path of a list")
    allow_domains: list[str] | str = Field([], description="domains that are on no list, whatever the lists say")
    block_lists: str = Field("", description="folder of categories, each with a file `domains`, `urls` or both")
    categories: list[str] = Field([], description="the categories to look at; all if none is named")
    drop_categories: bool = Field(True, description="drop what is in a category; false only tells")
    block_urls: list[str] | str = Field(
        DEFAULT, description="substrings of addresses to block, the path of a list, or `default` for ours"
    )
    block_words: list[str] | str = Field(DEFAULT, description="hard words, the path of a list, or `default` for ours")
    suspect_words: list[str] | str = Field(DEFAULT, description="soft words, the path of a list, or `default` for ours")

    def rule_table(self) -> dict[str, str]:
        """The block lists (false switches one off), then the bounds on words."""
        flags = ("blocked_domain", "blocked_substring")
        lists = {flag: f"NOT {self.name}.{flag}" for flag in flags if getattr(self, flag) is not False}
        if self.block_lists and self.drop_categories:
            lists["category"] = f"{self.name}.category = ''"
        return lists | {rule: sql for rule, sql in super().rule_table().items() if rule not in flags}

    def assets(self) -> dict[str, str]:
        """The hash of each list that is read from a file, the versions of what makes addresses canonical."""
        for kind, words in (("hard", self.block_words), ("soft", self.suspect_words)):
            check_words(self.name, entries(self.name, kind, _key(words)))
        lists = {"block_words": ("hard", self.block_words), "suspect_words": ("soft", self.suspect_words)}
        lists |= {"block_domains": ("", self.block_domains), "block_urls": ("strict", self.block_urls)}
        lists |= {"allow_domains": ("", self.allow_domains)}
        hashes = {
            name: hashlib.sha256(content(self.name, kind, given)).hexdigest()
            for name, (kind, given) in lists.items()
            if isinstance(given, str)
        }
        categories = category_hashes(self.name, self.block_lists, tuple(self.categories)) if self.block_lists else {}
        return {**hashes, **categories, **list_versions()}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; reads the column `url`."""
        from curate.kernels.automaton import find
        from curate.kernels.blocklists import count_words
        from curate.steps.url_lists import substrings, words

        url = batch.column("url")
        counts = count_words(*buffers(url), words(self.name, _key(self.block_words), _key(self.suspect_words)))
        strict = substrings(self.name, _key(self.block_urls))
        found = np.zeros(len(url), np.bool_) if strict is None else np.diff(find(*buffers(url), strict).first) > 0
        lists, categories = self._lists(url)
        return self.with_signals(
            batch,
            blocked_domain=lists & BLOCKED != 0,
            category=_names(lists // CATEGORY, categories),
            blocked_substring=found,
            hard_words=counts[:, 0],
            soft_words=counts[:, 1],
        )

    def _lists(self, url: pa.Array) -> tuple[np.ndarray, tuple[str, ...]]:
        """(the lists that each address is on, as bits; the categories in order of their bits)."""
        from curate.kernels.blocklists import lists_of
        from curate.steps.url_lists import block_lists

        if not (self.block_domains or self.block_lists):
            return np.zeros(len(url), np.int64), ()
        chosen = tuple(sorted(self.categories))
        domains, pages, categories = block_lists(
            self.name, _key(self.block_domains), _key(self.allow_domains), self.block_lists, chosen
        )
        form = canonical(url)
        lists = lists_of(form.data, form.offsets, form.host_start, form.host_stop, domains, pages)
        return np.where(lists & ALLOWED, 0, lists), categories


def _names(sets: np.ndarray, categories: tuple[str, ...]) -> pa.Array:
    """The names of the categories in each set, with commas."""
    different, number = np.unique(sets, return_inverse=True)
    names = [",".join(name for i, name in enumerate(categories) if bits >> i & 1) for bits in different.tolist()]
    return pa.array(names, pa.string()).take(pa.array(number))


def _key(given: list[str] | str) -> Entries:
    return given if isinstance(given, str) else tuple(given)
