"""Kernels compiled before they are needed: a step of each phase on a small document, once for these sources and this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from curate.dedup.step import GlobalStep
from curate.documents import document_batch
from curate.executors.executor import Executor, WorkerDied
from curate.files import digest
from curate.kernels.cache import cache_root, folder_of
from curate.plan import GlobalStage, MapStage, Phase
from curate.progress import Progress
from curate.startup import numba_without_scipy
from curate.steps.step import Step

# a line that loses a mark, and words that only a dictionary parts: their kernels are called where a text has such
TEXT = "One line of words.\nAnd one more line, with a mark [1] in it.\n水を飲む เราดื่มน้ำ"
PAGE = b"<html><body><h1>One line of words.</h1><p>And one more line.</p></body></html>"


def compile_kernels(phases: Sequence[Phase], executor: Executor, progress: Progress | None = None) -> None:
    """Compile what the phases' steps need and this machine has not, each phase a task of the executor.

    A mark in the kernels' cache says that this was done for these sources; workers then load what is compiled. Two phases that
    compile the same helper at once do it twice and keep it once.
    """
    waiting = {mark: phase for phase in phases if not (mark := _mark(phase)).exists()}
    if not waiting:
        return
    if progress:
        progress.note("  making ready what this machine has not run yet: kernels are compiled once")
    for _, outcome in executor.map(_compile, list(waiting.items())):
        # what killed a worker here does so again over a unit, where it is counted and told
        if isinstance(outcome, BaseException) and not isinstance(outcome, WorkerDied):
            raise outcome


def _compile(task: tuple[Path, Phase]) -> None:
    mark, phase = task
    numba_without_scipy()
    row = {"row": 0, "id": "", "source": "", "path": "", "offset": 0}
    steps = _steps(phase)
    batch = document_batch([{**row, "text": TEXT}])
    for step in steps:
        if step.reads_raw:
            page = {**row, "content": PAGE, "media_type": "text/html", "charset": "utf-8"}
            batch = step.process(document_batch([page], raw=True))
        elif not step.expensive and not isinstance(step, GlobalStep):
            batch = step.process(batch)
    if isinstance(phase, GlobalStage):
        phase.step.collect(batch)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _steps(phase: Phase) -> Sequence[Step]:
    return phase.steps if isinstance(phase, MapStage) else [phase.step]


def _mark(phase: Phase) -> Path:
    sources = [folder_of(str(sys.modules[type(step).__module__].__file__)).name for step in _steps(phase)]
    return cache_root() / "ready" / digest(sources)[:16]
