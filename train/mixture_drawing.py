"""The drawing of a mixture's history: each source's share of the tokens over the steps, one upon the other, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LETTER = 560, 300, 44, 16, 40, 7
#: told apart by people who see few colours, too; used again where there are more sources (Tol's muted scheme)
COLOURS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499")


def svg(history: Sequence[tuple[int, Mapping[str, float]]], steps: int) -> str:
    """Weights from each step on, in order, up to the end of the last of `steps`: a figure of its own, without a network."""
    names = list(history[0][1])
    right = 24 + max(map(len, names)) * LETTER

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT) * step / max(steps, 1)

    def y(share: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + right}" height="{HEIGHT}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    ends = [*(step for step, _ in history[1:]), steps]
    for (begin, weights), end in zip(history, ends, strict=True):
        total, low = sum(weights.values()), 0.0
        for place, name in enumerate(names):
            share = weights[name] / total
            parts.append(
                f'<rect x="{x(begin):.1f}" y="{y(low + share):.1f}" width="{x(end) - x(begin):.1f}" height="{y(low) - y(low + share):.1f}" '
                f'fill="{COLOURS[place % len(COLOURS)]}"><title>{escape(name)} {share:.3f} from step {begin}</title></rect>'
            )
            low += share
    # in the order of the areas, the first at the bottom
    for place, name in enumerate(reversed(names)):
        colour = COLOURS[(len(names) - 1 - place) % len(COLOURS)]
        top = TOP + 15 * place
        parts.append(f'<rect x="{WIDTH + 8}" y="{top}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH + 22}" y="{top + 9}">{escape(name)}</text>')
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<text x="{LEFT - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for step in (0, steps):
        anchor = "end" if step else "start"
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - 24}" text-anchor="{anchor}">{step:,}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">step</text></svg>')
    return "\n".join(parts) + "\n"
