"""How deep the elements of a page are nested, cheaply: parsers need quadratic time on some very deep pages."""

from __future__ import annotations

import re

import numpy as np

_LESS, _SLASH = ord("<"), ord("/")
# elements that stay open until their end tag: all but those without one and those whose end tag may be left out
_TAG = re.compile(
    rb"<(/?)(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr"
    rb"|li|p|dt|dd|option|optgroup|rt|rp|html|head|body)\b)[a-zA-Z][^<>]*(/?)>"
)
_RAW = re.compile(rb"<(script|style|textarea|title)\b.*?</\1|<!--.*?-->", re.IGNORECASE | re.DOTALL)


def deeper_than(page: bytes, limit: int) -> bool:
    """Whether elements are nested more than `limit` deep; unclosed ones count until the end of the page."""
    return page.count(b"<") > limit and _bound(page) > limit and _depth(_RAW.sub(b"", page)) > limit


def _bound(page: bytes) -> int:
    """At least the depth of nesting: every `<` with a letter behind it opens, every `</` closes. 1 GB/s."""
    data = np.frombuffer(page, np.uint8)
    behind = data[np.flatnonzero(data[:-1] == _LESS) + 1]
    letter = (behind | 0x20) - ord("a") < 26
    steps = letter.astype(np.int32) - (behind == _SLASH)
    # a page may close more than it opened: what matters is the climb from the lowest point so far
    level = np.cumsum(steps)
    return int((level - np.minimum(np.minimum.accumulate(level), 0)).max(initial=0)) if len(level) else 0


def _depth(page: bytes) -> int:
    level = deepest = 0
    for tag in _TAG.finditer(page):
        if tag[1]:
            level = max(level - 1, 0)
        elif not tag[2]:
            level += 1
            deepest = max(deepest, level)
    return deepest
