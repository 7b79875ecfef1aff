"""Train a fastText classifier from a recipe, judge it on documents that it has not seen, write model and report."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.classifiers.evaluation import evaluate
from curate.classifiers.fasttext_model import FastTextScorer, report_path, train
from curate.classifiers.lines import line_of
from curate.classifiers.recipe import Gathered, Recipe, TextSource, gather
from curate.config import read_settings
from curate.errors import ConfigError, Problem
from curate.files import write_file, write_json

# held-out texts that are scored at once
_BATCH = 1000


def run_training(
    file: str | None,
    positive: Sequence[str],
    negative: Sequence[str],
    *,
    output: str | None,
    text: str,
    data: str | None,
) -> tuple[dict[str, Any], Path]:
    """What the command does: (the report, the model file). Raises ConfigError for options that do not fit together."""
    if file is not None:
        if positive or negative:
            raise ConfigError(
                [Problem("--positive", "stands in the recipe already", "give a recipe or --positive and --negative")]
            )
        recipe = read_settings(Recipe, file)
        base = Path(file).parent
        made = Path(output) if output else base / recipe.output
    else:
        if not (positive and negative and output):
            what = "needs a recipe, or --positive, --negative and --output"
            raise ConfigError([Problem("train-classifier", what, "curate train-classifier --help")])
        sources = {"positive": positive, "negative": negative}
        classes = {label: [TextSource(path=list(paths), text=text)] for label, paths in sources.items()}
        recipe, base, made = Recipe(output=output, classes=classes), Path(), Path(output)
    return train_classifier(recipe, Path(data) if data else base, made), made


def train_classifier(recipe: Recipe, folder: Path, output: Path) -> dict[str, Any]:
    """Write the model to `output` and its report beside it; returns the report. The same input gives the same bytes.

    Paths of the recipe are relative to `folder`. Raises ConfigError for sources that cannot be read or are too few.
    """
    if bool(recipe.training.quantize) != (output.suffix == ".ftz"):
        hint = "a model with `training.quantize` is an .ftz file, one without is a .bin file"
        raise ConfigError([Problem("output", f"`{output}` has the wrong suffix", hint)])
    gathered = gather(recipe, folder)
    _enough(recipe, gathered)
    with tempfile.TemporaryDirectory(prefix="curate-train-") as scratch:
        try:
            lines = [(label, line_of(text, recipe.form)) for label, text in gathered.train]
            model = train(lines, recipe.training, recipe.seed, Path(scratch))
        except (ValueError, RuntimeError) as error:
            hint = "lower `training.rate` or `training.min_count`, or give more text"
            raise ConfigError([Problem("training", f"fastText: {error}", hint)]) from error
        content, scorer = model.read_bytes(), FastTextScorer(model, recipe.form)
    report = _report(recipe, gathered, scorer, content)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_file(output, content)
    write_json(report_path(output), report)
    return report


def _enough(recipe: Recipe, gathered: Gathered) -> None:
    """Each class must have lines on both sides."""
    problems = []
    for name, lines in (("to train on", gathered.train), ("held out", gathered.held_out)):
        counts = Counter(label for label, _ in lines)
        problems += [
            Problem(f"classes.{label}", f"no text {name}", "give more texts, or another `held_out` or `seed`")
            for label in recipe.classes
            if not counts[label]
        ]
    if problems:
        raise ConfigError(problems)


def _report(recipe: Recipe, gathered: Gathered, scorer: FastTextScorer, content: bytes) -> dict[str, Any]:
    """Counts, settings and the held-out figures of each label against the rest."""
    truth = np.array([label for label, _ in gathered.held_out])
    texts = [text for _, text in gathered.held_out]
    parts = [scorer.scores(pa.array(texts[at : at + _BATCH], pa.string())) for at in range(0, len(texts), _BATCH)]
    scores = np.concatenate(parts)
    labels = list(recipe.classes)
    judged = labels[:1] if len(labels) == 2 else labels
    return {
        "model_sha256": hashlib.sha256(content).hexdigest(),
        "model_bytes": len(content),
        "form": recipe.form,
        "labels": labels,
        "lines": dict(sorted(Counter(label for label, _ in gathered.train).items())),
        "held_out_lines": dict(sorted(Counter(label for label, _ in gathered.held_out).items())),
        "skipped": dict(sorted(gathered.skipped.items())),
        "held_out": {label: evaluate(truth == label, scores[:, scorer.labels.index(label)]) for label in judged},
        "recipe": recipe.model_dump(mode="json"),
    }


def report_lines(report: dict[str, Any], output: Path) -> list[str]:
    """The report in words, for the terminal."""
    counts = ", ".join(f"{label} {count:,}" for label, count in report["lines"].items())
    lines = [f"trained on {counts}"]
    if report["skipped"]:
        lines.append("left out: " + ", ".join(f"{what} {count:,}" for what, count in report["skipped"].items()))
    for label, found in report["held_out"].items():
        lines += ["", f"held out: {found['positives']:,} {label}, {found['negatives']:,} others; "
                  f"AUC {found['auc']:.4f}, average precision {found['average_precision']:.4f}", ""]  # fmt: skip
        lines.append(f"{label} >=      others kept   precision  recall     F1")
        lines += [
            f"{row['threshold']:<12.6f} {row['negatives_kept']:10.1%}  {row['precision']:9.3f}  {row['recall']:8.3f}  {row['f1']:5.3f}"
            for row in found["thresholds"]
        ]
        lines += ["", *_curve(found["curve"])]
    return [*lines, "", f"model   {output}  {report['model_bytes'] / 1e6:,.1f} MB", f"report  {report_path(output)}"]


def _curve(points: list[dict[str, float]]) -> list[str]:
    """Precision where recall first reaches each tenth."""
    tenths = [tenth / 10 for tenth in range(1, 11)]
    reached = [next((p["precision"] for p in points if p["recall"] >= tenth - 1e-9), 0.0) for tenth in tenths]
    return [
        "recall     " + " ".join(f"{tenth:5.1f}" for tenth in tenths),
        "precision  " + " ".join(f"{value:5.3f}" for value in reached),
    ]
