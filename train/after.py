"""What follows the last step: the tests of `evaluate.tasks`, once, into `OUTPUT/evaluation.json`."""

from __future__ import annotations

from pathlib import Path

from curate.files import read_json, write_json
from curate.train.settings import TrainSettings

EVALUATION = "evaluation.json"


def score_tasks(settings: TrainSettings, folder: Path) -> None:
    """Score the newest model of a training, unless it was scored; print and keep the figures. Raises ContaminationError."""
    if settings.evaluate is None or not settings.evaluate.tasks:
        return
    from curate.train.evaluation.command import LIMIT, figures, guard
    from curate.train.evaluation.report import lines
    from curate.train.evaluation.subject import open_evaluated

    tasks, most = settings.evaluate.tasks, settings.evaluate.examples
    asked = {"model": str((folder / "model").readlink()), "tasks": tasks, "examples": most}
    known = read_json(folder / EVALUATION)
    if known is None or known["asked"] != asked:
        subject = open_evaluated(str(folder), device=settings.device)
        known = {"asked": asked, **figures(subject, tasks=tasks, held=None, examples=most, generate=0)}
        write_json(folder / EVALUATION, known)
    print("\n" + "\n".join(lines(known)), flush=True)
    guard(known, LIMIT, settings.name)
