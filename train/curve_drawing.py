"""The drawing of a data-fraction curve: losses against tokens on a logarithmic axis, the law as a line, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.train.power_law import PowerLaw

if TYPE_CHECKING:
    from curate.train.curve import Point

WIDTH, HEIGHT, LEFT, BOTTOM = 560, 320, 64, 44


def svg(points: Sequence[Point], law: PowerLaw | None) -> str:
    """A figure of its own: no style, no script, no network."""
    low, high = math.log(points[0].tokens), math.log(points[-1].tokens * (2 if law else 1))
    ends = [loss for p in points for loss in p.losses] + ([law.at(2 * points[-1].tokens)] if law else [])
    least, most = min(ends), max(ends)
    margin = 0.08 * (most - least) or 0.1
    least, most = least - margin, most + margin

    def x(tokens: float) -> float:
        return LEFT + (WIDTH - LEFT - 16) * (math.log(tokens) - low) / ((high - low) or 1)

    def y(loss: float) -> float:
        return 16 + (HEIGHT - BOTTOM - 16) * (most - loss) / (most - least)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for i in range(5):
        loss = least + (most - least) * i / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 16}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.3f}</text>')
    if law:
        steps = [math.exp(low + (high - low) * i / 60) for i in range(61)]
        line = " ".join(f"{x(t):.1f},{min(max(y(law.at(t)), 0), HEIGHT):.1f}" for t in steps)
        parts.append(f'<polyline points="{line}" fill="none" stroke="#4477aa" stroke-dasharray="4 3"/>')
        parts.append(f'<text x="{WIDTH - 20}" y="28" text-anchor="end" fill="#4477aa">{law.formula()}</text>')
    for p in points:
        for loss in p.losses:
            parts.append(f'<circle cx="{x(p.tokens):.1f}" cy="{y(loss):.1f}" r="3" fill="#cc6677"/>')
        parts.append(f'<text x="{x(p.tokens):.1f}" y="{HEIGHT - 26}" text-anchor="middle">{_short(p.tokens)}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">tokens of data</text>')
    parts.append('<text x="8" y="12">held-out loss</text></svg>')
    return "\n".join(parts) + "\n"


def _short(count: int) -> str:
    for size, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{name}"
    return str(count)
