"""run(plan): the one loop.  START READING HERE.

For each phase in order: the units that the store does not hold go to the executor, verdicts follow, books are checked.
Global steps collect in workers and resolve in this process. At the end what is alive is published as a new version.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from curate import watch
from curate.compilation import compile_kernels
from curate.errors import CurateError, LedgerError, QuarantineError
from curate.executors.executor import Executor, WorkerDied
from curate.executors.here import Here
from curate.plan import GlobalStage, MapStage, Phase, Plan
from curate.progress import Progress
from curate.resolve import resolve
from curate.store import Place, table
from curate.work import Job, UnitState, collect_entry, perform, rows_missing, verdict_name

# A document on whose account a worker died this often is quarantined; a unit that kills workers without a name ends the run.
DEATHS_FOR_BLAME = 2
DEATHS_OF_UNIT = 6
# Verdicts over stored signals are so quick that up to this many documents are judged here, without starting workers.
ROWS_JUDGED_HERE = 500_000
# So few documents contribute to a global step sooner than a worker starts; no parser, which might hang, is at work there.
ROWS_COLLECTED_HERE = 2_000


@dataclass(frozen=True)
class PhaseResult:
    """What a phase did to all units: receipts in unit order, how many came from the store."""

    phase: Phase
    receipts: tuple[dict[str, Any], ...]
    reused: int
    seconds: float
    #: of a global step: what comparing all units took
    resolving: float = 0.0


@dataclass(frozen=True)
class RunResult:
    """All phases, and where each unit stands at the end."""

    phases: tuple[PhaseResult, ...]
    states: tuple[UnitState, ...]

    @property
    def documents(self) -> dict[str, int]:
        """in, made, kept, dropped, quarantined; checked to balance."""
        first = self.phases[0].receipts
        counts = Counter(
            {"in": sum(r["in"] for r in first), "made": 0, "kept": sum(s.count for s in self.states), "dropped": 0}
        )
        for result in self.phases:
            for receipt in result.receipts:
                counts["dropped"] += receipt.get("dropped", 0)
                counts["quarantined"] += receipt.get("quarantined", 0)
        if counts["in"] + counts["made"] != counts["kept"] + counts["dropped"] + counts["quarantined"]:
            raise LedgerError("the run", f"in + made = kept + dropped + quarantined does not hold: {dict(counts)}")
        return {name: counts[name] for name in ("in", "made", "kept", "dropped", "quarantined")}


def run(plan: Plan, executor: Executor, progress: Progress) -> RunResult:
    """Compute what the store does not hold, judge, and balance the books. Publishing is `publish.publish`."""
    states = [UnitState(unit) for unit in plan.units]
    results: list[PhaseResult] = []
    idle = True
    for index, phase in enumerate(plan.phases):
        start, resolving = time.monotonic(), 0.0
        if isinstance(phase, MapStage):
            receipts, reused = _units(plan, index, "map", states, executor, progress, idle=idle)
            states = [_after_map(state, index, r) for state, r in zip(states, receipts, strict=True)]
        else:
            receipts, reused = _units(plan, index, "collect", states, executor, progress, idle=idle)
            states = [
                replace(s, entries={**s.entries, index: r["entry"]}) for s, r in zip(states, receipts, strict=True)
            ]
            progress.resolving(phase.name)
            before = [state.count for state in states]
            resolving = time.monotonic()
            states, verdicts = resolve(plan, index, states)
            resolving = time.monotonic() - resolving
            receipts = [{**r, **v, "in": n} for r, v, n in zip(receipts, verdicts, before, strict=True)]
        idle = idle and reused == len(states)
        results.append(PhaseResult(phase, tuple(receipts), reused, time.monotonic() - start, resolving))
        _check(phase, receipts, states)
        progress.phase_done(phase.name, receipts, reused, time.monotonic() - start)
    return RunResult(tuple(results), tuple(states))


def check_quarantine(plan: Plan, result: RunResult) -> None:
    """Raises QuarantineError, naming the errors, when too many documents were quarantined to publish the rest."""
    limit, documents = plan.pipeline.output.quarantine_limit, result.documents
    if documents["quarantined"] <= limit * documents["in"]:
        return
    listed = "\n".join(
        f"  {count:>6,}  {error} (first: {place})" for error, (count, place) in _errors(plan, result)[:5]
    )
    raise QuarantineError(
        "quarantine",
        f"{documents['quarantined']:,} of {documents['in']:,} documents could not be read or processed, above the limit "
        f"of {limit:.3%}; nothing was published\n{listed}",
        "mend the input, or raise output.quarantine_limit to publish all the same",
    )


def _errors(plan: Plan, result: RunResult) -> list[tuple[str, tuple[int, str]]]:
    """Each error with how many documents have it and the place of the first, the most frequent first."""
    found: dict[str, tuple[int, str]] = {}
    for phase in result.phases:
        for state, receipt in zip(result.states, phase.receipts, strict=True):
            if not (isinstance(phase.phase, MapStage) and receipt["quarantined"]):
                continue
            files = place_of(plan, phase.phase.index, state).files(receipt["entry"], "signals.arrow")
            rows = table(files, ["row", "path", "offset", "error"])
            for row in rows.filter(pc.is_valid(rows["error"])).to_pylist():
                count, place = found.get(row["error"], (0, f"{row['path']} at offset {row['offset']:,}"))
                found[row["error"]] = (count + 1, place)
    return sorted(found.items(), key=lambda item: (-item[1][0], item[0]))


def _after_map(state: UnitState, index: int, receipt: dict[str, Any]) -> UnitState:
    return replace(
        state,
        entries={**state.entries, index: receipt["entry"]},
        verdicts={**state.verdicts, index: (receipt["verdict"], Path(receipt["verdict"]).name)},
        alive=receipt["alive"],
        count=receipt["kept"],
    )


def _check(phase: Phase, receipts: Sequence[dict[str, Any]], states: Sequence[UnitState]) -> None:
    """The law, for each unit of a phase."""
    for receipt, state in zip(receipts, states, strict=True):
        out = state.count + receipt["dropped"] + receipt["quarantined"]
        if receipt["in"] != out:
            where = f"stage {phase.name}, {state.unit.name}"
            raise LedgerError(where, f"{receipt['in']} documents entered and {out} are accounted for")


def _units(
    plan: Plan,
    index: int,
    kind: str,
    states: Sequence[UnitState],
    executor: Executor,
    progress: Progress,
    *,
    idle: bool,
) -> tuple[list[dict[str, Any]], int]:
    """Receipts of one phase in unit order, and how many units the store held; `idle`: no worker has started yet."""
    jobs = [Job(plan.phases, index, state, plan.store) for state in states]
    missing = {i: rows_missing(job) for i, job in enumerate(jobs) if not _committed(job)}
    work = [i for i, rows in missing.items() if rows != 0]
    judge = [] if kind == "collect" else [i for i in set(range(len(jobs))) - set(work) if not _judged(jobs[i])]
    if sum(states[i].count or 0 for i in judge) > ROWS_JUDGED_HERE:
        work = sorted({*work, *judge})
    done: dict[int, dict[str, Any]] = {}
    progress.phase(plan.phases[index].name, len(jobs), len(jobs) - len(work))
    if kind == "collect" and idle and sum(_new_rows(states[i], missing[i]) for i in work) <= ROWS_COLLECTED_HERE:
        executor = Here()
    if work:
        compile_kernels(plan.phases[index:], executor, progress)
        for i, receipt in _execute(kind, {i: jobs[i] for i in work}, executor):
            done[i] = receipt
            progress.unit_done(receipt)
    for i, job in enumerate(jobs):
        if i not in done:
            done[i] = perform((kind, job))
    return [done[i] for i in range(len(jobs))], len(jobs) - len(work)


def _new_rows(state: UnitState, missing: int | None) -> int:
    return (state.count or 0) if missing is None else missing


def _committed(job: Job) -> bool:
    phase = job.phases[job.index]
    if isinstance(phase, GlobalStage):
        return job.place.receipt(collect_entry(job)) is not None
    return job.place.receipt(job.entry) is not None


def _judged(job: Job) -> bool:
    phase = job.phases[job.index]
    assert isinstance(phase, MapStage)
    return (job.place.folder / job.entry / f"{verdict_name(phase)}.arrow").exists()


def _execute(kind: str, jobs: dict[int, Job], executor: Executor) -> Iterable[tuple[int, dict[str, Any]]]:
    """Run jobs until all are done; what killed its worker is tried again, and quarantined the second time."""
    deaths: Counter[int] = Counter()
    blame: Counter[tuple[int, int]] = Counter()
    while jobs:
        order = list(jobs)
        died: dict[int, Job] = {}
        for place, outcome in executor.map(perform, [(kind, jobs[i]) for i in order]):
            i = order[place]
            if isinstance(outcome, WorkerDied):
                deaths[i] += 1
                died[i] = _without_culprit(jobs[i], outcome, deaths[i], blame, i)
            elif isinstance(outcome, BaseException):
                raise _explained(outcome, jobs[i])
            else:
                yield i, outcome
        jobs = died


def _without_culprit(job: Job, death: WorkerDied, deaths: int, blame: Counter[tuple[int, int]], i: int) -> Job:
    if death.row is not None:
        blame[i, death.row] += 1
        if blame[i, death.row] >= DEATHS_FOR_BLAME:
            timed_out = death.why == f"signal {watch.SIGNAL.name}"
            why = "over the time limit of its step" if timed_out else f"its worker died: {death.why}"
            return replace(job, skip=(*job.skip, (death.row, why)))
    elif deaths >= DEATHS_OF_UNIT:
        raise CurateError(
            job.state.unit.name, f"{deaths} workers died over it, the last by {death.why}",
            "if memory is short, lower --workers or raise --memory; what was committed is kept",
        )  # fmt: skip
    return job


def _explained(error: BaseException, job: Job) -> BaseException:
    if isinstance(error, CurateError):
        return error
    if isinstance(error, OSError):
        hint = "free some space and run again: what was committed is kept" if error.errno in (27, 28, 122) else ""
        return CurateError(
            f"{job.state.unit.name}: {error.filename or ''}".rstrip(": "), error.strerror or str(error), hint
        )
    error.add_note(f"while working on {job.state.unit.name}")
    return error


def place_of(plan: Plan, index: int, state: UnitState) -> Place:
    """Where phase `index` of a unit is kept."""
    return Place(plan.store, plan.phases[index].fingerprint, state.unit.fingerprint)
