"""What follows the last step: a table of before and after, and the tests of `evaluate.tasks`, into `OUTPUT/evaluation.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curate.contamination.sets import content_hash, set_files
from curate.files import read_json, write_json
from curate.train.settings import TrainSettings

EVALUATION = "evaluation.json"


def tell_evaluation(settings: TrainSettings, folder: Path) -> None:
    """Print what was held out before and after; score the tests, once, print and keep them. Raises ContaminationError."""
    if settings.evaluate is None:
        return
    if settings.evaluate.before:
        print("\n" + "\n".join(compared(folder / "metrics.jsonl")), flush=True)
    if settings.evaluate.tasks:
        _score_tasks(settings, folder)


def compared(metrics: Path) -> Iterator[str]:
    """A line a source: the held-out loss before the first step and after the last. One line that says why where they
    cannot be compared."""
    entries = [json.loads(line) for line in metrics.read_text().splitlines()]
    held = [entry for entry in entries if "held_out" in entry]
    if not held or held[0]["step"] > 0:
        yield "held out: no table, nothing was evaluated before the first step (`before` was asked for later)"
        return
    before, after = held[0]["held_out"], held[-1]["held_out"]
    if {name: f["tokens"] for name, f in before.items()} != {name: f["tokens"] for name, f in after.items()}:
        yield "held out: no table, other documents were evaluated before the first step than after the last"
        return
    width = max(8, *map(len, before))
    yield f"{'held out':{width}}  before    after   change  tokens"
    for name, first in before.items():
        last = after[name]["loss"]
        yield (
            f"{name:{width}}  {first['loss']:6.4f}  {last:7.4f}  {last / first['loss'] - 1:+7.1%}  {first['tokens']:6,}"
        )


def _score_tasks(settings: TrainSettings, folder: Path) -> None:
    from curate.train.evaluation.command import LIMIT, figures, guard
    from curate.train.evaluation.report import lines
    from curate.train.evaluation.subject import open_evaluated

    assert settings.evaluate is not None
    tasks, most = settings.evaluate.tasks, settings.evaluate.examples
    files = content_hash(set_files(tasks))
    asked = {"model": str((folder / "model").readlink()), "tasks": tasks, "files": files, "examples": most}
    known: dict[str, Any] | None = read_json(folder / EVALUATION)
    if known is None or known["asked"] != asked:
        subject = open_evaluated(str(folder), device=settings.device)
        known = {"asked": asked, **figures(subject, tasks=tasks, held=None, examples=most, generate=0)}
        write_json(folder / EVALUATION, known)
    print("\n" + "\n".join(lines(known)), flush=True)
    guard(known, LIMIT, settings.name)
