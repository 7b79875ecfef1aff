"""A skill graph as a heat map: SVG by hand, PNG with Pillow."""

from __future__ import annotations

from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np

from curate.errors import ConfigError, MissingAsset, Problem
from curate.files import write_file
from curate.select.weights.skill_graph import SkillGraph

_CELL, _LETTER, _HEAD = 28, 7, 34


def draw(graph: SkillGraph, path: Path) -> None:
    """Write `.svg` or `.png`. Negative weights and the diagonal are blank, as in the paper's figures."""
    if path.suffix == ".svg":
        write_file(path, svg(graph))
    elif path.suffix == ".png":
        write_file(path, _png(graph))
    else:
        raise ConfigError([Problem(str(path), "a drawing is .svg or .png")])


def shades(graph: SkillGraph) -> np.ndarray:
    """(trained, evaluated) from 0 to 1: the weight over the greatest; 0 on the diagonal and below 0."""
    values = np.where(graph.diagonal, 0.0, np.maximum(graph.weights, 0.0))
    return values / max(float(values.max(initial=0.0)), np.finfo(float).tiny)


def svg(graph: SkillGraph) -> str:
    """The heat map as a standalone SVG text; each cell tells its weight on hover."""
    left, top = _margins(graph)
    k, m = graph.weights.shape
    width, height = left + m * _CELL + 10, top + k * _CELL + _HEAD
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for j, name in enumerate(graph.evaluated):
        x, y = left + j * _CELL + _CELL // 2 + 4, top - 6
        parts.append(f'<text x="{x}" y="{y}" transform="rotate(-90 {x} {y})">{escape(name)}</text>')
    for i, (name, row) in enumerate(zip(graph.trained, shades(graph), strict=True)):
        y = top + i * _CELL
        parts.append(f'<text x="{left - 6}" y="{y + _CELL // 2 + 4}" text-anchor="end">{escape(name)}</text>')
        for j, shade in enumerate(row):
            told = f"{name} to {graph.evaluated[j]}: {graph.weights[i, j]:.4g}"
            parts.append(
                f'<rect x="{left + j * _CELL}" y="{y}" width="{_CELL - 1}" height="{_CELL - 1}" '
                f'fill="rgb{_colour(shade)}" stroke="#ddd"><title>{escape(told)}</title></rect>'
            )
    parts.append(f'<text x="6" y="{height - 12}">{escape(_caption(graph))}</text></svg>')
    return "\n".join(parts)


def _caption(graph: SkillGraph) -> str:
    return f"rows: trained, columns: evaluated; density {graph.density:.1%}"


def _margins(graph: SkillGraph) -> tuple[int, int]:
    left = max([len(name) for name in graph.trained] + [4]) * _LETTER + 14
    return left, max([len(name) for name in graph.evaluated] + [4]) * _LETTER + 14


def _colour(shade: float) -> tuple[int, int, int]:
    """White to dark blue."""
    return tuple(round(255 + (dark - 255) * shade) for dark in (8, 48, 107))  # type: ignore[return-value]


def _png(graph: SkillGraph) -> bytes:
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise MissingAsset(
            "graph drawing", "PNG needs the package `pillow`", "pip install pillow, or name an .svg"
        ) from error
    left, top = _margins(graph)
    k, m = graph.weights.shape
    width = max(left + m * _CELL + 10, len(_caption(graph)) * _LETTER)
    image = Image.new("RGB", (width, top + k * _CELL + _HEAD), "white")
    pen = ImageDraw.Draw(image)
    for j, name in enumerate(graph.evaluated):
        # Pillow writes level text only: a picture of it, turned
        label = Image.new("RGB", (len(name) * _LETTER + 2, 14), "white")
        ImageDraw.Draw(label).text((0, 0), name, fill="black")
        turned = label.rotate(90, expand=True)
        image.paste(turned, (left + j * _CELL + 7, top - 6 - turned.height))
    for i, (name, row) in enumerate(zip(graph.trained, shades(graph), strict=True)):
        pen.text((6, top + i * _CELL + 8), name, fill="black")
        for j, shade in enumerate(row):
            x, y = left + j * _CELL, top + i * _CELL
            pen.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), fill=_colour(shade), outline=(221, 221, 221))
    pen.text((6, image.height - 22), _caption(graph), fill="black")
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
