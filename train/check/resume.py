"""Is a run that was killed twice the run that was not? Tried on a few steps of the training itself."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import torch

from curate.train.check.finding import Finding, Subject
from curate.train.loop import Run, mix, prepare, save, train_step
from curate.train.parallel import Parallel
from curate.train.settings import TrainSettings

STEPS, KILLED = 4, (1, 3)
ROWS, CONTEXT = 4, 128
# How far losses may differ on a GPU, whose sums are not always taken in one order.
GPU_TOLERANCE = 1e-3


def check_resume(subject: Subject) -> Finding:
    """Losses and weights after a few steps, in one go and killed twice, to the bit (on a GPU: nearly)."""
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        whole = _trained(_tiny(subject, Path(name) / "whole"), (STEPS,), subject.parallel)
        killed = _trained(_tiny(subject, Path(name) / "killed"), (*KILLED, STEPS), subject.parallel)
    tolerance = GPU_TOLERANCE if subject.parallel.device.type == "cuda" else 0.0
    losses = max(abs(a - b) for a, b in zip(whole[0], killed[0], strict=True))
    weights = max(float((whole[1][key] - killed[1][key]).abs().max()) for key in whole[1])
    shown = f"{STEPS} steps, killed after {KILLED[0]} and {KILLED[1]}, on {subject.tried}"
    if max(losses, weights) <= tolerance:
        return Finding("resume", "ok", f"{shown}: the same losses and weights" + ("" if tolerance else " to the bit"))
    what = f"{shown}: losses differ by {losses:.3g}, weights by {weights:.3g}"
    mend = "something that a step depends on is not in the checkpoint: look at the model's buffers and at its own random numbers"
    return Finding("resume", "broken", what, mend)


def _tiny(subject: Subject, output: Path) -> TrainSettings:
    """The settings with few steps, rows and tokens; what only watches is left out."""
    settings = subject.small
    rows = min(ROWS, settings.rows)
    update: dict[str, Any] = {
        "steps": STEPS, "rows": rows, "micro_rows": max(1, rows // 2), "context": min(CONTEXT, settings.context),
        "output": str(output), "trackers": [], "compile": False,
        "checkpoint": settings.checkpoint.model_copy(update={"every": STEPS, "keep": 1}),
        "evaluate": settings.evaluate and settings.evaluate.model_copy(update={"documents": 2}),
    }  # fmt: skip
    return settings.model_copy(update=update)


def _trained(settings: TrainSettings, stops: tuple[int, ...], parallel: Parallel) -> tuple[list[float], dict[str, Any]]:
    """(the losses, the weights) after the last of `stops`; at each all is dropped but what stands on the disk."""
    Path(settings.output).mkdir(parents=True)
    losses: list[float] = []
    weights: dict[str, Any] = {}
    for stop in stops:
        run = prepare(settings, parallel)
        while run.step < stop:
            losses.append(_step(run))
        save(run)
        model, own = parallel.weights(run.objective)
        weights = {key: value.detach().clone() for key, value in (model | own).items()}
        run.loader.close()
    return losses, {key: value for key, value in weights.items() if isinstance(value, torch.Tensor)}


def _step(run: Run) -> float:
    if run.mixture.due(run.step):
        mix(run)
    found = train_step(run, next(run.loader))
    run.step += 1
    return float(found["loss"])
