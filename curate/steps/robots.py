"""`robots`: what the publisher of a page says about its use, in the header of the response and in the page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, get_args

import pyarrow as pa
from pydantic import Field

from curate.readers.directives import HEADERS
from curate.steps.step import Signal, Step

Refusal = Literal["noindex", "noarchive", "nosnippet", "noai", "noimageai", "tdm_reserved"]
REFUSALS: tuple[str, ...] = get_args(Refusal)
# directives that have a colon of their own: what stands before another colon is the name of a crawler
_VALUED = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")
# Comments and the text of elements in which nothing is a tag, or a tag `meta`, none of whose values here has < or >.
_TAGS = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(script|style|textarea|title|xmp)\b.*?(?:</\1|\Z)|<meta\b([^<>]{0,8000})>",
    re.IGNORECASE | re.DOTALL,
)
# bounds on every run keep hostile pages in linear time
_ATTRIBUTE = re.compile(
    rb"([a-z-]{1,40})\s{0,9}=\s{0,9}(?:\"([^\"]{0,4000})\"|'([^']{0,4000})'|([^\s\"'>]{1,4000}))", re.IGNORECASE
)


class Robots(Step):
    """Drop pages whose publisher refuses their use; stands before `extract`.

    Read are the header lines `X-Robots-Tag`, `TDM-Reservation` and `TDM-Policy`, where the archive holds them, and the
    tags `meta` of the same names (`robots` for the first). `none` is `noindex, nofollow`. Documents that are no pages
    say nothing. Files robots.txt and tdmrep.json, which speak of whole sites, are not looked at.
    """

    kind: ClassVar[str] = "robots"
    source: ClassVar[str] = (
        "robots meta tag and X-Robots-Tag (Google Search Central); noai (DeviantArt 2022); "
        "TDM Reservation Protocol (W3C community group, 2024)"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "noindex": Signal(pa.bool_(), "the page must not be found by search"),
        "noarchive": Signal(pa.bool_(), "no copy of the page may be shown"),
        "nosnippet": Signal(pa.bool_(), "no passage of the page may be shown"),
        "noai": Signal(pa.bool_(), "the page must not be used for machine learning"),
        "noimageai": Signal(pa.bool_(), "its images must not be used for machine learning"),
        "tdm_reserved": Signal(pa.bool_(), "the right to text and data mining is reserved"),
        "directives": Signal(pa.string(), "all directives for everybody and for `agents`, sorted, with commas"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"rules", "refuse"})
    before_text: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("content",)

    refuse: list[Refusal] = Field(["noai", "tdm_reserved"], description="the signals that drop a page")
    agents: list[str] = Field([], description="crawlers whose directives count beside those for all, as `gptbot`")

    def rule_table(self) -> dict[str, str]:
        """A rule for each refusal that is heeded."""
        return {name: f"NOT {self.name}.{name}" for name in self.refuse} | {rule: rule for rule in self.rules}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; reads `content` and `directives`."""
        agents = {agent.lower() for agent in self.agents}
        if "content" in batch.schema.names:
            raw = zip(batch["content"].to_pylist(), batch["directives"].to_pylist(), strict=True)
            found = [sorted(_directives(page or b"", header or "", agents)) for page, header in raw]
        else:
            found = [[] for _ in range(batch.num_rows)]
        columns = {name: [name in row for row in found] for name in REFUSALS}
        columns["tdm_reserved"] = ["tdm-reservation: 1" in row for row in found]
        return self.with_signals(batch, **columns, directives=[", ".join(row) for row in found])


def _directives(page: bytes, header: str, agents: set[str]) -> set[str]:
    """Everything that header and page say to everybody and to these crawlers, in lower case."""
    found: set[str] = set()
    for line in header.splitlines():
        name, _, value = line.partition(": ")
        found |= _told(name, value, agents)
    for name, value in metas(page, ("robots", "tdm-", *agents)):
        found |= _told("x-robots-tag" if name == "robots" or name in agents else name, value, agents)
    if "none" in found:
        found = found - {"none"} | {"noindex", "nofollow"}
    return found - {"all", ""}


def _told(name: str, value: str, agents: set[str]) -> set[str]:
    """The directives of one line or tag; none for other names, or for other crawlers."""
    value = " ".join(value.lower().split())
    if name != "x-robots-tag":
        return {f"{name}: {value}"} if name in HEADERS else set()
    parts = [part.strip() for part in value.split(",")]
    agent, colon, first = parts[0].partition(":")
    if colon and agent.strip() not in _VALUED:
        if agent.strip() not in agents:
            return set()
        parts[0] = first.strip()
    return set(parts)


def metas(page: bytes, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, content) of each tag `meta` of a page, names in lower case; none if no word of `words` is in the page."""
    if page[:2] in (b"\xff\xfe", b"\xfe\xff"):
        page = page.decode("utf-16", "replace").encode("utf-8", "replace")
    lower = page.lower()
    if not any(word.encode() in lower for word in words):
        return
    for tag in _TAGS.finditer(page):
        if tag[2] is None:
            continue
        given: dict[str, str] = {}
        for key, *values in _ATTRIBUTE.findall(tag[2]):
            given.setdefault(key.lower().decode(), html.unescape(b"".join(values).decode("utf-8", "replace")))
        name = given.get("name") or given.get("http-equiv")
        if name:
            yield name.strip().lower(), given.get("content", "")
