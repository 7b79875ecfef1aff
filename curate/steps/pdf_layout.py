"""From characters with their places on a page to text in reading order.

Characters become segments (runs on one line without a wide gap), segments are put in reading order by columns, lines
become paragraphs, and words cut at a line's end become whole again. Lengths are points, y grows upwards.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
# Where a word was cut at a line's end, until the whole document can say whether the hyphen is the word's own.
CUT = "\u00ad"
# PDFium gives U+FFFE (older versions U+0002) for a hyphen at a line's end.
_HYPHENS = ("-", "\u2010", CUT, "\ufffe", "\x02")
TAB = "\t"
# of the width of one of three and more columns at least half of its lines fill so much: those of newspapers 0.9, ragged ones 0.8
_FULL = 0.7
_BULLET = re.compile(r"(?:[•◦▪‣·●○■□–—*-]|\(?\w{1,3}[.)]|\[\w{1,6}\])\s")
_WORD = re.compile(r"\w+(?:-\w+)*")
_CUT_WORD = re.compile(rf"(\w+){CUT}(\w+)")


class Segment(NamedTuple):
    """A run of characters on one line."""

    text: str
    left: float
    right: float
    bottom: float
    top: float

    @property
    def size(self) -> float:
        """Its height."""
        return self.top - self.bottom

    @property
    def middle(self) -> float:
        """Where it stands on the page, upwards."""
        return (self.top + self.bottom) / 2


def segments(characters: Iterable[tuple[int, float, float, float, float]]) -> list[Segment]:
    """(code point, left, right, bottom, top) of each character as they are drawn -> segments in the same order."""
    found: list[Segment] = []
    text: list[str] = []
    box = (0.0, 0.0, 0.0, 0.0)
    spaced = False
    for code, left, right, bottom, top in characters:
        if code in (0, 10, 13):
            spaced = True
            continue
        if code in (0x20, 0xA0) or top <= bottom:  # also a space that PDFium made up
            spaced = spaced or code in (0x20, 0xA0)
            continue
        if text:
            size = max(box[3] - box[2], top - bottom)
            apart = abs((top + bottom) / 2 - (box[2] + box[3]) / 2) > 0.5 * size
            gap = left - box[1]
            if apart or gap > 1.5 * size or gap < -size:
                found.append(Segment("".join(text), *box))
                text = []
        if not text:
            box = (left, right, bottom, top)
        else:
            text.append(" " if spaced else "")
            box = (min(box[0], left), max(box[1], right), min(box[2], bottom), max(box[3], top))
        text.append(LIGATURES.get(code) or chr(code))
        spaced = False
    if text:
        found.append(Segment("".join(text), *box))
    return _upright(found)


def _upright(found: Sequence[Segment]) -> list[Segment]:
    """Without runs of four or more single characters one above the other: text that was turned."""
    kept: list[Segment] = []
    run: list[Segment] = []
    for segment in found:
        if len(segment.text) == 1 and (not run or abs(segment.left - run[-1].left) < segment.size):
            run.append(segment)
            continue
        kept += run if len(run) < 4 else []
        run = [segment] if len(segment.text) == 1 else []
        kept += [] if run else [segment]
    return kept + (run if len(run) < 4 else [])


def lines(parts: Sequence[Segment]) -> list[Segment]:
    """Segments that stand side by side joined, from the top down; a tab stands for a wide gap, as between cells."""
    found: list[list[Segment]] = []
    for part in sorted(parts, key=lambda part: -part.middle):
        if found and abs(found[-1][0].middle - part.middle) < 0.4 * min(found[-1][0].size, part.size):
            found[-1].append(part)
        else:
            found.append([part])
    made = []
    for group in found:
        group.sort(key=lambda part: part.left)
        text = group[0].text
        for before, part in zip(group, group[1:], strict=False):
            text += (TAB if part.left - before.right > 1.5 * part.size else " ") + part.text
        lefts, rights, bottoms, tops = zip(*(part[1:] for part in group), strict=True)
        made.append(Segment(text, min(lefts), max(rights), min(bottoms), max(tops)))
    return made


def blocks(parts: Sequence[Segment], depth: int = 4) -> list[list[Segment]]:
    """The segments of a page in reading order: in each block they belong to one column.

    Where a gutter parts them, what spans it (a title, a wide table) cuts the page into bands; in each band the left
    column is read before the right one, and each may have columns of its own.
    """
    gutter = _gutter(parts) if depth else None
    if gutter is None:
        return [list(parts)] if parts else []
    left = [part for part in parts if part.right <= gutter]
    right = [part for part in parts if part.left >= gutter]
    spanning = []
    for part in parts:
        if part.left < gutter < part.right:
            beside = any(other.bottom < part.middle < other.top for other in (*left, *right))
            if beside and min(gutter - part.left, part.right - gutter) < 0.2 * (part.right - part.left):
                (left if gutter - part.left > part.right - gutter else right).append(part)
            else:
                spanning.append(part)
    spanning.sort(key=lambda part: -part.middle)
    made: list[list[Segment]] = []
    above: list[Segment] = []  # spanning lines with no column between them
    bounds = [part.middle for part in spanning]
    for place in range(len(spanning) + 1):
        high = bounds[place - 1] if place else float("inf")
        low = bounds[place] if place < len(spanning) else float("-inf")
        band = [[part for part in side if low <= part.middle < high] for side in (left, right)]
        if any(band) and above:
            made.append(above)
            above = []
        made += [block for side in band for block in blocks(side, depth - 1)]
        above += spanning[place : place + 1]
    return [*made, above] if above else made


def _gutter(parts: Sequence[Segment], filled: float = 0.4, depth: int = 2) -> float | None:
    """The x between two columns of running text; None if there is one column, or a table.

    Half of the lines of a column are at least `filled` of its width. Either side may be columns in turn, `depth` times; their
    lines must be nearly as wide as they are, for cells of a table are not.
    """
    if len(parts) < 6:
        return None
    left, right, bottom, top = np.array([part[1:] for part in parts]).T
    length = np.array([len(part.text) for part in parts])
    height = np.median(top - bottom)
    found: list[tuple[float, float, float]] = []  # crossing segments, less the gap, x
    for x in np.unique(np.round(right, 1)) + 0.2:
        before, behind = right <= x, left >= x
        crossing = len(parts) - before.sum() - behind.sum()
        if min(before.sum(), behind.sum()) < 3 or crossing > 0.3 * len(parts):
            continue
        gap = left[behind].min() - right[before].max()
        overlap = min(top[before].max(), top[behind].max()) - max(bottom[before].min(), bottom[behind].min())
        least = min(top[side].max() - bottom[side].min() for side in (before, behind))
        words = all(np.median(length[side]) >= 12 for side in (before, behind))
        if gap >= 0.4 * height and overlap >= 0.5 * least and words:
            found.append((float(crossing), -float(gap), float(x)))
    found.sort()

    def is_column(side: Any, least: float) -> bool:
        return bool(np.median((right - left)[side]) >= least * (right[side].max() - left[side].min()))

    for _, _, x in found:
        if is_column(right <= x, filled) and is_column(left >= x, filled):
            return x
    # the best places alone: each is a search of its own
    for _, _, x in found[:2] if depth else ():
        for side in (right <= x, left >= x):
            inside = [part for part, chosen in zip(parts, side, strict=True) if chosen]
            if not is_column(side, _FULL) and _gutter(inside, _FULL, depth - 1) is None:
                break
        else:
            return x
    return None


def paragraphs(block: Sequence[Segment]) -> list[str]:
    """The segments of one column as paragraphs, rows of a table as lines; a cut word holds CUT for its hyphen."""
    rows = lines(block)
    if not rows:
        return []
    edge = max(row.right for row in rows)
    steps = [a.middle - b.middle for a, b in zip(rows, rows[1:], strict=False)]
    leading = float(np.median(steps)) if steps else 0.0
    base = Counter(round(row.left / 2) * 2 for row in rows).most_common(1)[0][0]
    made = [rows[0].text]
    for above, row in zip(rows, rows[1:], strict=False):
        if TAB in above.text and TAB in row.text:
            made[-1] += "\n" + row.text
        elif _begins(above, row, edge=edge, leading=leading, base=base):
            made.append(row.text)
        else:
            made[-1] = join(made[-1], row.text)
    return made


def _begins(above: Segment, row: Segment, *, edge: float, leading: float, base: float) -> bool:
    """Whether a paragraph begins with `row`."""
    size = max(row.size, above.size)
    if above.middle - row.middle > max(1.3 * leading, 0.9 * size) or min(row.size, above.size) < 0.85 * size:
        return True
    if _BULLET.match(row.text) or TAB in above.text or TAB in row.text:
        return True
    hangs = _BULLET.match(above.text) and row.left > above.left
    if not hangs and abs(row.left - base) > 0.8 * size > abs(above.left - base):
        return True
    # the first word of this line would have had room on the one above
    word = row.text.split(" ", 1)[0]
    width = (row.right - row.left) * (len(word) + 1) / max(len(row.text), 1)
    return not above.text.endswith(_HYPHENS) and above.right + width < edge - 0.5 * size


def join(before: str, behind: str) -> str:
    """Two pieces of one paragraph as one; at a hyphen the word goes on."""
    if not before.endswith(_HYPHENS) or len(before) < 2 or not before[-2].isalnum() or not behind[:1].isalnum():
        return f"{before} {behind}"
    return before[:-1] + (CUT if behind[0].islower() else "-") + behind


def whole_words(text: str) -> str:
    """Cut words made whole: without the hyphen unless the document writes the word with it elsewhere."""
    if CUT not in text:
        return text
    known = Counter(word.lower() for word in _WORD.findall(text))

    def mend(cut: re.Match[str]) -> str:
        joined, hyphened = cut[1] + cut[2], f"{cut[1]}-{cut[2]}"
        return hyphened if known[hyphened.lower()] > known[joined.lower()] else joined

    return _CUT_WORD.sub(mend, text).replace(CUT, "")
