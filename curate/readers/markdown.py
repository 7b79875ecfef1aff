"""Markdown files: front matter goes to the metadata; the text as it is written, or without its marks (`markup: strip`)."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from html import unescape
from typing import Any

import yaml

from curate.documents import metadata_json
from curate.readers.plain import decode
from curate.readers.reader import ReadSettings, Tally

# `---` YAML or `+++` TOML at the head of the file, as Jekyll, Hugo, Pandoc and Quarto have it.
_FRONT = re.compile(r"(---|\+\+\+)[ \t]*\r?\n(.{0,65536}?)^(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(?:# +(.+?)[ #]*|(?=\S)(.+)\r?\n=+[ \t]*)$", re.MULTILINE)
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL)


def parse_markdown(content: bytes, path: str, settings: ReadSettings, tally: Tally) -> dict[str, Any]:
    """A file -> its document."""
    text, replaced = decode(content)
    tally.replaced += replaced
    front, body = front_matter(text)
    if front is None:
        tally.skipped["front matter that is neither YAML nor TOML"] += 1
        front = {}
    heading = _HEADING.search(body[:4096])
    title = front.get("title") or (heading and (heading[1] or heading[2]))
    if settings.markup == "strip":
        body = without_marks(body)
    return {
        "text": body,
        "title": str(title) if title else None,
        "date": str(front["date"]) if front.get("date") else None,
        "lang": str(front.get("lang") or front.get("language") or "").lower().partition("-")[0] or None,
        "metadata": metadata_json(front),
    }


class _Plain(yaml.SafeLoader):
    """YAML without aliases, of which a few lines can make gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def front_matter(text: str) -> tuple[dict[str, Any] | None, str]:
    """(what the front matter says, the text behind it). Empty if there is none; None, and all text, if it is broken."""
    found = _FRONT.match(text)
    if not found:
        return {}, text
    try:
        values = yaml.load(found[2], _Plain) if found[1] == "---" else tomllib.loads(found[2])
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError):
        return None, text
    if values is None:
        return {}, text[found.end() :].lstrip("\r\n")
    if not isinstance(values, dict):
        # a rule, text, a rule: no front matter
        return {}, text
    return {str(name): value for name, value in values.items()}, text[found.end() :].lstrip("\r\n")


def without_marks(text: str) -> str:
    """The text of CommonMark with tables: no marks, tags, link targets; code, list numbers and bullets stay."""
    lines: list[str] = []
    lists: list[int] = []  # of each open list the next number, 0 for bullets
    prefix, cells, in_table = "", [""], False
    for token in _parser().parse(text):
        kind = token.type
        if kind in ("ordered_list_open", "bullet_list_open"):
            lists.append(int(token.attrGet("start") or 1) if kind[0] == "o" else 0)
        elif kind in ("ordered_list_close", "bullet_list_close"):
            lists.pop()
            lines += [] if lists else [""]
        elif kind == "list_item_open":
            prefix = "  " * (len(lists) - 1) + (f"{lists[-1]}. " if lists[-1] else "- ")
            lists[-1] += lists[-1] > 0
        elif kind in ("fence", "code_block"):
            lines += [token.content.rstrip("\n"), ""]
        elif kind == "html_block":
            kept = unescape(_TAG.sub("", token.content)).strip()
            lines += [kept, ""] if kept else []
        elif kind in ("tr_open", "tr_close"):
            lines += ["\t".join(cells)] if kind == "tr_close" else []
            cells, in_table = [], kind == "tr_open"
        elif kind == "inline" and in_table:
            cells.append(_inline(token.children or ()))
        elif kind == "inline":
            lines.append(prefix + _inline(token.children or ()))
            prefix = ""
        elif kind in ("paragraph_close", "heading_close", "table_close") and not lists:
            lines.append("")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _inline(tokens: Sequence[Any]) -> str:
    """The text of what stands in a line; of pictures their alternative text."""
    parts = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif token.type == "image":
            parts.append(_inline(token.children or ()))
    return "".join(parts)


@functools.cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])
