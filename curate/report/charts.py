"""A histogram as inline SVG: bars beyond a bound in the colour of what is dropped, the bound as a dashed line."""

from __future__ import annotations

import math

from curate.report.histograms import Histogram, Limit
from curate.report.markup import number, prose, text

WIDTH, HEIGHT = 320, 90


def chart(histogram: Histogram, meaning: str) -> str:
    """A figure with the histogram, its range and its bounds in words."""
    name = histogram.field.key
    bounds = ", ".join(map(in_words, histogram.limits))
    spoken = f"{name}: {histogram.count:,} documents from {number(histogram.least)} to {number(histogram.most)}"
    spoken += f"; keeps {bounds}" if bounds else ""
    missing = f" · {histogram.missing:,} not finite" if histogram.missing else ""
    scale = " · logarithmic axis" if histogram.logarithmic else ""
    keeps = f" · keeps {text(bounds)}" if bounds else ""
    return (
        f"<figure><figcaption><b>{text(histogram.field.name)}</b>{keeps}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{text(spoken)}">'
        f"{_bars(histogram)}{_lines(histogram)}</svg>"
        f'<div class="ends"><span>{_end(histogram, last=False)}</span>'
        f"<span>{_end(histogram, last=True)}</span></div>"
        f"<figcaption>{prose(meaning)}{'<br>' if meaning else ''}{histogram.count:,} documents, {number(histogram.least)}"
        f" to {number(histogram.most)}{missing}{scale}</figcaption></figure>\n"
    )


def _end(histogram: Histogram, *, last: bool) -> str:
    """The number at one end of the axis, marked where values lie beyond."""
    each = histogram.bins[-1 if last else 0]
    value = each.right if last else each.left
    if each.count and not last and histogram.least == each.right:  # a bin of this number alone
        value = histogram.least
    if histogram.field.type == "integer":  # bins begin and end halfway between numbers
        value = math.floor(value) if last else math.ceil(value)
    beyond = histogram.most > value if last else histogram.least < value
    return ("&gt; " if last else "&lt; ") * beyond + number(value)


def in_words(limit: Limit) -> str:
    """`≥ 50`."""
    sign = (">" if limit.strict else "≥") if limit.above else ("<" if limit.strict else "≤")
    return f"{sign} {number(limit.value)}"


def _bars(histogram: Histogram) -> str:
    highest = max(math.sqrt(each.count) for each in histogram.bins) or 1.0
    parts = []
    for each in histogram.bins:
        if not each.count:
            continue
        left, right = _across(histogram, each.left), _across(histogram, each.right)
        height = max(1.0, (HEIGHT - 2) * math.sqrt(each.count) / highest)
        css = "fail" if each.fails else "pass" if histogram.limits else "free"
        parts.append(
            f'<rect class="{css}" x="{left:.1f}" y="{HEIGHT - height:.1f}" width="{max(right - left - 0.6, 0.8):.1f}" '
            f'height="{height:.1f}"><title>{text(_span(each.left, each.right))}: {each.count:,}</title></rect>'
        )
    return "".join(parts)


def _span(left: float, right: float) -> str:
    return f"{number(left)} to {number(right)}"


def _lines(histogram: Histogram) -> str:
    lines = [f'<line class="base" x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}"/>']
    for limit in histogram.limits:
        edge = limit.edge(histogram.field)
        if histogram.bins[0].left <= edge <= histogram.bins[-1].right:
            x = _across(histogram, edge)
            lines.append(f'<line class="limit" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{HEIGHT}"/>')
    return "".join(lines)


def _across(histogram: Histogram, value: float) -> float:
    low, high = histogram.bins[0].left, histogram.bins[-1].right
    if histogram.logarithmic:
        # bins ascend: the first ends before the others
        low = max(low, histogram.bins[0].right / 2)
        value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
    return WIDTH * (value - low) / (high - low)
