"""Small pieces of HTML. Every function takes plain text and escapes it; only `raw` parts are taken as they are."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

#: characters that a browser cannot show, or that turn the direction of the text around them
_UNSHOWN = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(9), *range(11, 32), *range(127, 160))}
_UNSHOWN |= {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
_UNSHOWN |= {code: "\N{REPLACEMENT CHARACTER}" for code in range(0xD800, 0xE000)}


def text(value: Any) -> str:
    """Plain text -> HTML. Control characters, also those that turn the direction of text, become U+FFFD."""
    return html.escape(str(value).replace("\r\n", "\n").translate(_UNSHOWN))


def prose(words: str) -> str:
    """Plain text -> HTML, with what stands between backticks as code."""
    pieces = words.split("`")
    return "".join(code(piece) if i % 2 else text(piece) for i, piece in enumerate(pieces))


def number(value: Any) -> str:
    """A number for people: `1,234`, `0.2997`, `true`; a dash for null."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def share(part: int, whole: int) -> str:
    """`part` of `whole` in per cent; a dash where there is no whole."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %" if part else "0 %"


def counted(count: int, noun: str) -> str:
    """`1 shard`, `1,200 shards`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def size(count: int) -> str:
    """Bytes in a fitting decimal unit."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count:,} bytes"


def section(anchor: str, title: str, *raw: str) -> str:
    """A section of the page; `raw` is HTML."""
    return f'<section id="{anchor}"><h2>{text(title)}</h2>\n{"".join(raw)}</section>\n'


def note(words: str) -> str:
    """A paragraph of explanation."""
    return f'<p class="note">{prose(words)}</p>\n'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = ()) -> str:
    """A table that scrolls by itself on narrow screens. Cells of `rows` are HTML; columns `numbers` are right-aligned."""
    right = set(numbers)
    css = [' class="n"' if i in right else "" for i in range(len(head))]
    heads = "".join(f'<th scope="col"{css[i]}>{text(name)}</th>' for i, name in enumerate(head))
    lines = "".join(
        "<tr>" + "".join(f"<td{css[i]}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>\n" for row in rows
    )
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead>\n<tbody>{lines}</tbody></table></div>\n'


def bar(parts: Sequence[tuple[str, int]], whole: int) -> str:
    """A stacked bar: (class, count) side by side, as shares of `whole`. Decoration: numbers stand beside it."""
    if not whole:
        return '<span class="bar" aria-hidden="true"></span>'
    spans = "".join(
        f'<i class="{css}" style="width:{100 * count / whole:.2f}%"></i>' for css, count in parts if count > 0
    )
    return f'<span class="bar" aria-hidden="true">{spans}</span>'


def folded(summary: str, *raw: str) -> str:
    """Something to unfold; `summary` is plain text."""
    return f"<details><summary>{text(summary)}</summary>\n{''.join(raw)}</details>\n"


def code(words: str) -> str:
    """A piece of code in a line."""
    return f"<code>{text(words)}</code>"
