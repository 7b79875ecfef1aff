"""`curate curve FILE`: what was typed, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from curate.errors import ConfigError, Problem, gathering
from curate.train.curve import Steps, curve, report
from curate.train.settings import TrainSettings
from curate.train.start import read_training, train_run


def curve_of_file(
    file: str, *, output: str | None, fractions: str, seeds: int, steps: str, settings: Sequence[str]
) -> None:
    """Train on parts of the data of a training file, and print the table. Raises ConfigError."""
    problems = [] if steps in ("epochs", "same") else [Problem("--steps", f"epochs or same, got {steps}")]
    with gathering(problems):
        shares = _shares(fractions)
    with gathering(problems):
        chosen, where = read_training(file, output=None, settings=settings)
    if problems:
        raise ConfigError(problems)
    rule: Steps = "same" if steps == "same" else "epochs"

    def run(one: TrainSettings) -> float:
        from curate.train.checkpoint import state_of

        found = state_of(train_run(one, where, closing=False))["held_out"]
        return float(found.get("all", next(iter(found.values())))["loss"])

    folder = Path(output) if output else Path(chosen.output + "-curve")
    points, law = curve(chosen, folder, shares, seeds=seeds, steps=rule, run=run, note=print)
    print("\n" + "\n".join(report(points, law)) + f"\n{folder}/curve.svg, curve.json")


def _shares(text: str) -> list[float]:
    try:
        return [float(Fraction(part.strip())) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise ConfigError(
            [Problem("--fractions", f"numbers with commas between, got `{text}`", "1/8,1/4,1/2,1")]
        ) from None
