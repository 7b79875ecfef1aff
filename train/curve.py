"""`curate curve`: what more data of the kind would bring. The same training on nested parts of its data, and a power law.

OUTPUT/parts/   the parts of the data      OUTPUT/runs/   a training run each, kept and resumed like any other
OUTPUT/curve.json, curve.svg               the figures, and a drawing
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from curate.errors import ConfigError, Problem
from curate.files import digest, write_file, write_json
from curate.train.curve_drawing import svg
from curate.train.power_law import PowerLaw, fit
from curate.train.settings import TrainSettings
from curate.train.subset import subset
from curate.train.token_set import TokenSet

#: `enough`: within this share of the loss that the whole data brings
NEAR = 0.01
Steps = Literal["epochs", "same"]


@dataclass(frozen=True)
class Point:
    """The held-out loss of the runs on one part, by seed."""

    fraction: float
    tokens: int
    steps: int
    losses: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.mean(self.losses)

    @property
    def deviation(self) -> float:
        """Over seeds; 0 of one."""
        return statistics.stdev(self.losses) if len(self.losses) > 1 else 0.0


def curve(
    settings: TrainSettings,
    output: Path,
    fractions: Sequence[float],
    *,
    seeds: int,
    steps: Steps,
    run: Callable[[TrainSettings], float],
    note: Callable[[str], None],
) -> tuple[list[Point], PowerLaw | None]:
    """Train on each part with each seed; points by fraction, and a law where there are three or more.

    `run` trains and gives the held-out loss. With `epochs` each part is seen as often as the whole: its steps are fewer;
    with `same` the steps are those of the whole. Raises ConfigError.
    """
    _check(settings, fractions, seeds)
    whole = [TokenSet.open(folder) for folder in settings.data_folders]
    points = []
    sets = {
        fraction: [
            subset(data, fraction, settings.seed, output / "parts" / f"{i}-{fraction:g}")
            for i, data in enumerate(whole)
        ]
        for fraction in sorted(fractions)
    }
    _check_apart(sets)
    for fraction, parts in sets.items():
        count = max(1, round(settings.steps * fraction)) if steps == "epochs" else settings.steps
        losses = []
        for seed in range(seeds):
            chosen = _settings(settings, parts, count, settings.seed + seed)
            folder = output / "runs" / f"{fraction:g}-{seed}-{_name(chosen, parts)}"
            name = f"{settings.name}-{fraction:g}-{seed}"
            losses.append(run(chosen.model_copy(update={"output": str(folder), "name": name})))
        points.append(Point(fraction, sum(int(part.manifest["tokens"]) for part in parts), count, tuple(losses)))
        note(f"{fraction:g} of the data, {points[-1].tokens:,} tokens: held out {points[-1].mean:.4f}")
    law = fit([p.tokens for p in points], [p.mean for p in points]) if len(points) >= 3 else None
    facts = {"steps": steps, "points": [asdict(point) for point in points], "law": asdict(law) if law else None}
    write_json(output / "curve.json", facts)
    write_file(output / "curve.svg", svg(points, law))
    return points, law


def _check(settings: TrainSettings, fractions: Sequence[float], seeds: int) -> None:
    problems = []
    if not fractions or not all(0 < fraction <= 1 for fraction in fractions) or len(set(fractions)) != len(fractions):
        what = f"different shares above 0 and up to 1, got {', '.join(f'{f:g}' for f in fractions) or 'none'}"
        problems.append(Problem("--fractions", what, "1/8,1/4,1/2,1"))
    if seeds < 1:
        problems.append(Problem("--seeds", f"one or more, got {seeds}"))
    if not settings.held_out:
        hint = "evaluate: {data: FOLDER}, or hold documents out: `curate tokenize --held-out 2%`"
        problems.append(
            Problem("evaluate", "a curve is of the held-out loss, and there is nothing to evaluate on", hint)
        )
    if problems:
        raise ConfigError(problems)


def _check_apart(sets: Mapping[float, Sequence[TokenSet]]) -> None:
    """Raises ConfigError where parts hold the same: a source has at least one document in each."""
    sizes: dict[int, float] = {}
    for fraction, parts in sets.items():
        tokens = sum(int(part.manifest["tokens"]) for part in parts)
        if tokens in sizes:
            what = f"{sizes[tokens]:g} and {fraction:g} of the data are the same {tokens:,} tokens"
            raise ConfigError([Problem("--fractions", what, "leave out the smaller, or bring more data")])
        sizes[tokens] = fraction


def _settings(settings: TrainSettings, parts: Sequence[TokenSet], steps: int, seed: int) -> TrainSettings:
    """Of the run on these parts: evaluated once, at its end, by the held-out loss alone."""
    assert settings.evaluate is not None
    evaluate = settings.evaluate.model_copy(update={"every": steps, "tasks": [], "before": False})
    update: dict[str, Any] = {
        "data": [str(part.folder) for part in parts], "steps": steps, "seed": seed, "trackers": [], "evaluate": evaluate,
    }  # fmt: skip
    return settings.model_copy(update=update)


def _name(chosen: TrainSettings, parts: Sequence[TokenSet]) -> str:
    """What names a run: all that its loss depends on. Of other settings or data it is another run, in a folder of its own."""
    assert chosen.held_out is not None and chosen.evaluate is not None
    asked = {**chosen.bound(), "data": [part.hash for part in parts], "name": ""}
    held_out = [TokenSet.open(chosen.held_out).hash, chosen.evaluate.documents]
    return digest([asked, held_out])[:8]


def enough(points: Sequence[Point]) -> Point:
    """The smallest part whose loss is within NEAR of that of the largest."""
    return next(point for point in points if point.mean <= points[-1].mean * (1 + NEAR))


def report(points: Sequence[Point], law: PowerLaw | None) -> list[str]:
    """The table for people."""
    count = len(points[0].losses)
    lines = [
        f"{'data':>8} {'tokens':>14} {'steps':>8} {'held-out loss':>14}   spread{f' over {count} seeds' if count > 1 else ''}"
    ]
    for p in points:
        spread = f"{p.deviation:.4f}" if len(p.losses) > 1 else "unknown"
        lines.append(f"{p.fraction:8g} {p.tokens:14,} {p.steps:8,} {p.mean:14.4f}   {spread}")
    near, whole = enough(points).fraction, points[-1].fraction
    what = f"{near:g} of the data" if near < whole else "no smaller part"
    lines.append(f"{what} comes within {NEAR:.0%} of the loss of {whole:g}")
    if law:
        twice = law.at(2 * points[-1].tokens)
        few = "" if law.spread else "; of so few points: a guess"
        lines.append(f"loss = {law.formula()}, x in tokens (error {law.error:.4f}{few})")
        lines.append(
            f"twice the data: {twice:.4f}"
            + (f"; c from {law.spread['c'][0]:.3f} to {law.spread['c'][1]:.3f}" if law.spread else "")
        )
    return lines
