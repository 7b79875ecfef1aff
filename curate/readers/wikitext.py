"""The text of MediaWiki's markup: no templates, tables, references, files, categories; links and emphasis as text.

One pass for each kind of bracket, with a stack: time linear in the page, whatever is left open. Templates are not
expanded; of the few that only dress a text (`lang`, `nowrap`, `convert`) the text stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from html import unescape

# elements that are removed with what they hold
_DROPPED = (
    "ref references math chem ce gallery timeline score imagemap graph mapframe maplink table style templatestyles "
    "includeonly indicator section inputbox hiero categorytree"
).split()
# elements whose content is no markup
_LITERAL = ("nowiki", "pre", "syntaxhighlight", "source", "code")
_ELEMENT = re.compile(rf"<(/?)({'|'.join((*_DROPPED, *_LITERAL))})\b([^<>]*)>", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BRACES = re.compile(r"\{\{|\}\}|^[ \t:;*#]*\{\||^[ \t]*\|\}(?!\})", re.MULTILINE)
_BRACKETS = re.compile(r"\[\[|\]\]")
_EXTERNAL = re.compile(r"\[(?:[a-z]{3,6}:)?//[^\s\[\]<>]+[ \t]*([^\[\]\n]*)\]", re.IGNORECASE)
_EMPHASIS = re.compile(r"'{2,5}")
_VARIANTS = re.compile(r"-\{([^{}\n]*)\}-")
_BREAK, _TAG = re.compile(r"<br\s*/?>", re.IGNORECASE), re.compile(r"</?[A-Za-z][^<>]*>")
_SWITCH = re.compile(r"__[A-Z]{3,}__")
_HEADING = re.compile(r"(={1,6})[ \t]*(.+?)[ \t]*\1[ \t]*")
_LIST = re.compile(r"([*#:;]+)[ \t]*")
# what is left of brackets whose templates are gone: `( ; )`, `(; b)`
_HOLLOW = re.compile(r"[ \t]?\([ \t\u00a0,;:–-]*\)")
_LEADING, _TRAILING = re.compile(r"\([ \t\u00a0]*[,;][ \t\u00a0,;]*"), re.compile(r"[ \t\u00a0]*[,;][ \t\u00a0]*\)")
_GAPS = re.compile(r"[ \t\u00a0]{2,}")
_LOOSE = re.compile(r"[ \t\u00a0]+([,.])(?=\s|$)")

# Characters of markup in literal text stand for these while markup is read.
_SHIELD = {ord(char): 0xF0000 + ord(char) for char in "{}[]|'=*#:;<>&-_"}
_UNSHIELD = {shield: char for char, shield in _SHIELD.items()}

#: template -> which of its unnamed values are its text
_TEXTS: dict[str, slice] = {
    "lang": slice(1, 2), "transl": slice(-1, None), "transliteration": slice(-1, None), "nowrap": slice(1), "nobr": slice(1),
    "small": slice(1), "big": slice(1), "abbr": slice(1), "ill": slice(1), "interlanguage link": slice(1), "convert": slice(2),
    "cvt": slice(2), "quote": slice(1), "blockquote": slice(1), "cquote": slice(1),
}  # fmt: skip
_DEPTH = 8


def plain_text(source: str, dropped_links: Collection[str]) -> str:
    """Markup -> text. `dropped_links`: the prefixes, in lower case, of links that leave nothing (files, categories)."""
    text, shielded = _COMMENT.sub("", source), False
    if "<" in text:
        text, shielded = _elements(text)
    text = _without_braces(text, 0)
    text = _links(text, dropped_links)
    text = _EXTERNAL.sub(lambda found: found[1], text)
    text = _EMPHASIS.sub("", text)
    if "-{" in text:
        text = _VARIANTS.sub(lambda found: found[1].split(";")[0].rpartition(":")[2], text)
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _SWITCH.sub("", text)
    text = _lines(text)
    return unescape(text.translate(_UNSHIELD) if shielded else text).replace("\u00a0", " ")


def _elements(text: str) -> tuple[str, bool]:
    """(without the elements that are dropped, those with literal content shielded; whether there were such)."""
    parts, at, closed = [], 0, dict.fromkeys((*_DROPPED, *_LITERAL), 0)
    shielded = False
    for found in _ELEMENT.finditer(text):
        name = found[2].lower()
        if found.start() < at or found[1]:
            continue
        end = inner = found.end()
        if not found[3].rstrip().endswith("/"):
            # a name whose next end tag was looked for in vain is not looked for again
            if closed[name] < 0:
                continue
            stop = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(text, end)
            if stop is None:
                closed[name] = -1
                continue
            inner, end = stop.start(), stop.end()
        parts.append(text[at : found.start()])
        if name in _LITERAL:
            parts.append(unescape(text[found.end() : inner]).translate(_SHIELD))
            shielded = True
        at = end
    return "".join([*parts, text[at:]]), shielded


def _without_braces(text: str, depth: int) -> str:
    """Without templates and tables; of templates that dress a text, the text."""
    regions: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    for found in _BRACES.finditer(text):
        mark = found[0].lstrip(" \t:;*#")
        if mark in ("{{", "{|"):
            opened.append((mark, found.start() + len(found[0]) - 2))
            continue
        wanted = "{{" if mark == "}}" else "{|"
        place = next((k for k in range(len(opened) - 1, max(-1, len(opened) - 50), -1) if opened[k][0] == wanted), -1)
        if place >= 0:
            # what was opened inside and never closed goes with it
            begin = opened[place][1]
            del opened[place:]
            while regions and regions[-1][0] >= begin:
                regions.pop()
            regions.append((begin, found.end()))
    if not regions:
        return text
    parts, at = [], 0
    for begin, end in regions:
        parts += [text[at:begin], _template(text[begin + 2 : end - 2], depth) if text[begin + 1] == "{" else ""]
        at = end
    return "".join([*parts, text[at:]])


def _template(inside: str, depth: int) -> str:
    """The text of a template; nothing for most."""
    name, _, rest = inside.partition("|")
    name = name.strip().lower()
    chosen = _TEXTS.get(name) or (slice(1) if name.startswith("lang-") else None)
    if chosen is None or depth > _DEPTH:
        return ""
    values = [value.strip() for value in _values(_without_braces(rest, depth + 1))]
    unnamed = [re.sub(r"^\d+\s*=\s*", "", value) for value in values if not re.match(r"[A-Za-z_-]+\s*=", value)]
    return " ".join(unnamed[chosen])


def _values(text: str) -> list[str]:
    """The values of a template: cut at bars that stand in no link."""
    values, depth, begin = [], 0, 0
    for found in re.finditer(r"\[\[|\]\]|\|", text):
        if found[0] == "|":
            if depth == 0:
                values.append(text[begin : found.start()])
                begin = found.end()
        else:
            depth = max(0, depth + (1 if found[0] == "[[" else -1))
    return [*values, text[begin:]]


def _links(text: str, dropped: Collection[str]) -> str:
    """Internal links as their text, from the inside out; files and categories as nothing."""
    stack: list[list[str]] = [[]]
    at = 0
    for found in _BRACKETS.finditer(text):
        stack[-1].append(text[at : found.start()])
        at = found.end()
        if found[0] == "[[":
            stack.append([])
        elif len(stack) > 1:
            inside = "".join(stack.pop())
            stack[-1].append(_link(inside, dropped))
        else:
            stack[-1].append("]]")
    stack[-1].append(text[at:])
    return "[[".join("".join(parts) for parts in stack)


def _link(inside: str, dropped: Collection[str]) -> str:
    target, bar, label = inside.partition("|")
    prefix, colon, _ = target.partition(":")
    if colon and prefix.strip().lower() in dropped:
        return ""
    if bar and not label:  # the pipe trick: what stands in brackets, and the prefix, are not shown
        return re.sub(r"\s*\([^()]*\)$", "", target.rpartition(":")[2])
    return label if bar else target.strip().lstrip(":")


def _lines(text: str) -> str:
    """Lines without marks of headings and lists; no headings over nothing, no hollow brackets, no gaps."""
    kept: list[tuple[int, str]] = []  # (level of a heading, or 0; the line)
    for line in text.split("\n"):
        level = 0
        if line[:1] == "=" and (found := _HEADING.fullmatch(line)):
            level, line = len(found[1]), found[2]
        elif line[:1] in ("*", "#", ":", ";"):
            line = _LIST.sub(_bullet, line, count=1)
        elif line.startswith("----"):
            line = line.lstrip("-")
        if "(" in line:
            line = _TRAILING.sub(")", _LEADING.sub("(", _HOLLOW.sub("", line)))
        if " ," in line or " ." in line:
            line = _LOOSE.sub(r"\1", line)
        line = _GAPS.sub(" ", line.strip())
        if line.strip("-*•| ") or not line:
            kept.append((level, line))
    made: list[str] = []  # from the end
    # of each level whether anything stands between here and the next heading that is not below it
    filled = [False] * 7
    for level, line in reversed(kept):
        if level == 0:
            if line or (made and made[-1]):
                made.append(line)
            filled = [True] * 7 if line else filled
            continue
        if filled[level]:
            made += ["", line, ""] if made and made[-1] else [line, ""]
        filled[level:] = [False] * (7 - level)
    return "\n".join(reversed(made)).strip() + "\n"


_bullet: Callable[[re.Match[str]], str] = lambda found: "- " if found[1][-1] in "*#" else ""  # noqa: E731
