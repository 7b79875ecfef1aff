"""What a worker does to one unit: read, run the steps of a stage over every document, judge, commit.

Every function here is pure but for the store: the same unit and settings give the same committed bytes, whoever runs it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.documents import DOCUMENT, FINDINGS_COLUMN, document_batch
from curate.errors import CurateError
from curate.files import committed_folder, digest, read_json, write_json
from curate.flow import run_steps
from curate.plan import GlobalStage, MapStage, Phase, Unit, rules_of
from curate.readers.reader import Tally
from curate.reading import coalesced, read_unit
from curate.store import ALL, FAST, Place, Rows, batches, isin, rows_key, table


@dataclass(frozen=True)
class UnitState:
    """How far one unit has come: for each phase done, where its result is. Small, sent to workers."""

    unit: Unit
    #: phase index -> entry of the map stage, or of collect
    entries: dict[int, str] = field(default_factory=dict)
    #: phase index -> file of verdicts (map stage) or of duplicates (global step)
    verdicts: dict[int, str] = field(default_factory=dict)
    #: the name of the set of rows that are alive, and how many
    alive: str = ALL
    count: int = 0
    #: index of a global step that applies -> file of what it found; and the name of all findings up to here
    found: dict[int, str] = field(default_factory=dict)
    findings: str = ""

    @property
    def entry(self) -> str:
        """The name of what enters the next phase: the rows that are alive, with what was found for them."""
        return f"{self.alive}-{self.findings}" if self.findings else self.alive


@dataclass(frozen=True)
class Job:
    """One phase of one unit. `skip` holds rows that killed their worker: they are quarantined with the reason."""

    phases: tuple[Phase, ...]
    index: int
    state: UnitState
    store: str
    skip: tuple[tuple[int, str], ...] = ()

    @property
    def place(self) -> Place:
        """Where this phase's result of this unit is kept."""
        return Place(self.store, self.phases[self.index].fingerprint, self.state.unit.fingerprint)

    @property
    def entry(self) -> str:
        """The entry of a map stage for what enters it."""
        return ALL if self.index == 0 else self.state.entry


def alive_rows(phases: Sequence[Phase], state: UnitState, before: int) -> Rows:
    """The rows that are still kept when phase `before` begins, ascending."""
    last = max(i for i in range(before) if isinstance(phases[i], MapStage))
    verdict = table([Path(state.verdicts[last])], ["row", "fate"])
    rows = verdict["row"].to_numpy()[verdict["fate"].to_numpy() == 0]
    for i in range(last + 1, before):
        dropped = table([Path(state.verdicts[i])], ["row"])["row"].to_numpy()
        rows = rows[~isin(rows, dropped)]
    return np.ascontiguousarray(rows, np.int32)


def stage_files(phases: Sequence[Phase], state: UnitState, before: int, store: str) -> list[Path]:
    """The files with the documents as the last map stage before phase `before` left them."""
    last = max(i for i in range(before) if isinstance(phases[i], MapStage))
    return Place(store, phases[last].fingerprint, state.unit.fingerprint).files(state.entries[last], "documents.arrow")


# --- map stages ------------------------------------------------------------------------------------------------------


def map_unit(job: Job) -> dict[str, Any]:
    """Run a map stage over a unit, or over the rows of it that no committed entry holds, and judge it.

    Returns the receipt of the entry joined with the verdict's counts, `alive` (name of the kept rows) and `verdict`.
    """
    stage, place = job.phases[job.index], job.place
    assert isinstance(stage, MapStage)
    entry = job.entry
    receipt = place.receipt(entry)
    if receipt is None:
        _compute(job, stage, place, entry)
        receipt = place.receipt(entry)
    return {**receipt, **judge_unit(job, stage, place, entry), "entry": entry}


def _compute(job: Job, stage: MapStage, place: Place, entry: str) -> None:
    needed = None if entry == ALL else alive_rows(job.phases, job.state, job.index)
    parts, missing = _missing(place, needed, "documents.arrow", job.state.findings)
    if parts and missing is not None and not len(missing):
        _commit_parts(place, entry, parts)
        return
    collecting = _fused_collect(job, fresh=not parts)
    tally, seconds = Tally(), defaultdict[str, float](float)
    with ExitStack() as stack:
        written = 0
        writer = _Writer(stack.enter_context(committed_folder(place.folder / entry)) / "documents.arrow")
        collect_place = collect_folder = collected = None
        if collecting:
            collect_place = Place(job.store, collecting.fingerprint, job.state.unit.fingerprint)
            collect_folder = stack.enter_context(committed_folder(collect_place.folder / entry))
            collected = _Writer(collect_folder / "contribution.arrow")
        for batch in _timed(_input(job, missing, tally), "read", seconds):
            done = run_steps(stage.steps, batch, dict(job.skip), seconds)
            writer.write(done)
            written += done.num_rows
            if collecting and collected:
                start = time.perf_counter()
                collected.write(contribution(collecting, done))
                seconds[collecting.name] += time.perf_counter() - start
        if not written:
            writer.write(run_steps(stage.steps, _no_documents(stage), {}, seconds))
            if collecting and collected:
                collected.write(contribution(collecting, _no_documents(stage)))
        writer.close()
        if collected and collect_folder:
            collected.close()
            write_json(collect_folder / "receipt.json", {"parts": [entry], "rows": collected.rows})
        write_json(
            writer.path.parent / "receipt.json",
            {
                "parts": [*parts, entry], "rows": written, "skipped": dict(sorted(tally.skipped.items())),
                "replaced": tally.replaced, "text_bytes": writer.text_bytes,
                "seconds": {name: round(spent, 6) for name, spent in seconds.items()},
            },
        )  # fmt: skip


def nothing_missing(job: Job) -> bool:
    """Whether committed entries of this unit hold every row that the job needs, so that it computes nothing."""
    if job.index == 0 or not job.place.entries(job.state.findings):
        return False
    name = "contribution.arrow" if isinstance(job.phases[job.index], GlobalStage) else "documents.arrow"
    parts, missing = _missing(job.place, alive_rows(job.phases, job.state, job.index), name, job.state.findings)
    return bool(parts) and missing is not None and not len(missing)


def _commit_parts(place: Place, entry: str, parts: list[str]) -> None:
    """An entry whose rows all stand in other entries: a receipt that names them."""
    with committed_folder(place.folder / entry) as folder:
        nothing: dict[str, Any] = {"rows": 0, "skipped": {}, "replaced": 0, "text_bytes": 0, "seconds": {}}
        write_json(folder / "receipt.json", {"parts": parts, **nothing})


def _missing(place: Place, needed: Rows | None, name: str, findings: str) -> tuple[list[str], Rows | None]:
    """(the committed entries that hold some of the needed rows, the rows that none of them holds)."""
    if needed is None:
        return [], None
    parts, missing = [], needed
    for entry in place.entries(findings):
        if not (place.folder / entry / name).exists():  # an entry made of others' rows alone
            continue
        own = table([place.folder / entry / name], ["row"])["row"].to_numpy()
        if len(missing) and isin(missing, np.sort(own)).any():
            parts.append(entry)
            missing = missing[~isin(missing, np.sort(own))]
    return parts, missing


def _fused_collect(job: Job, *, fresh: bool) -> GlobalStage | None:
    following = job.phases[job.index + 1] if job.index + 1 < len(job.phases) else None
    if not (fresh and isinstance(following, GlobalStage)):
        return None
    place = Place(job.store, following.fingerprint, job.state.unit.fingerprint)
    return None if place.entries(job.state.findings) else following


def _input(job: Job, rows: Rows | None, tally: Tally) -> Iterator[pa.RecordBatch]:
    """The documents that a stage reads: from the input file, or as the stage before left them."""
    if rows is None:
        yield from coalesced(read_unit(job.state.unit, tally))
        return
    found = _findings(job)
    for batch in batches(stage_files(job.phases, job.state, job.index, job.store), DOCUMENT.names):
        chosen = batch.filter(pa.array(isin(batch["row"].to_numpy(), rows)))
        if chosen.num_rows:
            yield chosen if found is None else with_findings(chosen, found)


def _findings(job: Job) -> pa.Table | None:
    """What the global step before this stage found for the unit's documents, if the stage begins by applying it."""
    stage = job.phases[job.index]
    if not (isinstance(stage, MapStage) and stage.applied):
        return None
    return table([Path(job.state.found[job.index - 1])], stage.applied.findings_schema().names)


def with_findings(batch: pa.RecordBatch, found: pa.Table) -> pa.RecordBatch:
    """The batch with the struct column `findings`, null where nothing was found for a row."""
    at = pc.index_in(batch["row"], found["row"])
    columns = found.drop_columns("row").take(at)
    arrays = [column.combine_chunks() for column in columns.columns]
    struct = pa.StructArray.from_arrays(arrays, fields=list(columns.schema), mask=pc.is_null(at))
    return batch.append_column(FINDINGS_COLUMN, struct)


def _no_documents(stage: MapStage) -> pa.RecordBatch:
    nothing = document_batch([], raw=any(step.reads_raw for step in stage.steps))
    if stage.applied:
        nothing = with_findings(nothing, stage.applied.findings_schema().empty_table())
    return nothing


def _timed(source: Iterator[pa.RecordBatch], name: str, seconds: dict[str, float]) -> Iterator[pa.RecordBatch]:
    while True:
        start = time.perf_counter()
        batch = next(source, None)
        seconds[name] += time.perf_counter() - start
        if batch is None:
            return
        yield batch


class _Writer:
    """An Arrow file that takes its schema from the first batch."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self.text_bytes = path, 0, 0
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self.path), batch.schema, options=FAST)
        if batch.num_rows or not self.rows:
            self._writer.write_batch(batch)
        self.rows += batch.num_rows
        if "text" in batch.schema.names:
            self.text_bytes += pc.sum(pc.binary_length(batch["text"])).as_py() or 0

    def close(self) -> None:
        self._writer.close()


# --- verdicts --------------------------------------------------------------------------------------------------------


def verdict_name(stage: MapStage) -> str:
    """The name of a stage's verdicts: what its rules are."""
    return f"verdict-{digest(rules_of(stage.steps))[:16]}"


def judge_unit(job: Job, stage: MapStage, place: Place, entry: str) -> dict[str, Any]:
    """The verdicts of a unit from its stored signals, computed unless they are committed already."""
    target = place.folder / entry / verdict_name(stage)
    counts: dict[str, Any] | None = read_json(target.with_suffix(".json"))
    if counts is None:
        from curate.verdicts import judge

        verdict, counts = judge(_signals(job, stage, place, entry), stage.steps)
        kept = verdict["row"].to_numpy()[verdict["fate"].to_numpy() == 0]
        counts["alive"] = rows_key(kept)
        _write_table(target.with_suffix(".arrow"), verdict)
        write_json(target.with_suffix(".json"), counts)
    return {**counts, "verdict": str(target.with_suffix(".arrow"))}


def _write_table(path: Path, content: pa.Table) -> None:
    temporary = path.with_name(f".{path.name}.{digest(time.time_ns())[:8]}.tmp")
    try:
        with pa.ipc.new_file(str(temporary), content.schema, options=FAST) as writer:
            writer.write_table(content)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _signals(job: Job, stage: MapStage, place: Place, entry: str) -> pa.Table:
    """`row`, `error`, `error_step` and the columns that the stage's rules read, of the rows of `entry`."""
    from curate.verdicts import rule_columns

    rows = None if entry == ALL else alive_rows(job.phases, job.state, job.index)
    wanted = rule_columns(stage.steps)
    own = {step.name for step in stage.steps} | set(DOCUMENT.names)
    signals = table(
        place.files(entry, "documents.arrow"), ["row", "error", "error_step", *(n for n in wanted if n in own)], rows
    )
    for name in wanted:
        if name not in own:
            signals = signals.append_column(name, earlier_signals(job, name, signals["row"].to_numpy()))
    return signals


def earlier_signals(job: Job, name: str, rows: Rows) -> pa.ChunkedArray:
    """The struct column `name` of these rows, from the earlier stage that made it."""
    for i in range(job.index):
        stage = job.phases[i]
        if isinstance(stage, MapStage) and name in {step.name for step in stage.steps}:
            files = Place(job.store, stage.fingerprint, job.state.unit.fingerprint).files(
                job.state.entries[i], "documents.arrow"
            )
            return table(files, ["row", name], rows)[name]
    raise CurateError(f"rule over `{name}`", "no earlier step makes it")


# --- global steps ----------------------------------------------------------------------------------------------------


def contribution(stage: GlobalStage, batch: pa.RecordBatch) -> pa.RecordBatch:
    """What the documents of a batch contribute to a global step; quarantined ones nothing."""
    batch = batch.filter(pc.is_null(batch["error"]))
    columns = [("row", batch["row"]), *stage.step.collect(batch)]
    return pa.RecordBatch.from_arrays([array for _, array in columns], [name for name, _ in columns])


def collect_unit(job: Job) -> dict[str, Any]:
    """Run `collect` of a global step over the alive rows that no committed entry holds."""
    stage, place = job.phases[job.index], job.place
    assert isinstance(stage, GlobalStage)
    entry = collect_entry(job)
    if place.receipt(entry) is None:
        start = time.perf_counter()
        needed = alive_rows(job.phases, job.state, job.index)
        parts, missing = _missing(place, needed, "contribution.arrow", job.state.findings)
        if parts and missing is not None and not len(missing):
            _commit_parts(place, entry, parts)
            return {**place.receipt(entry), "entry": entry}
        files = stage_files(job.phases, job.state, job.index, job.store)
        with committed_folder(place.folder / entry) as folder:
            writer = _Writer(folder / "contribution.arrow")
            for batch in batches(files, DOCUMENT.names):
                chosen = batch.filter(pa.array(isin(batch["row"].to_numpy(), missing)))  # type: ignore[arg-type]
                if chosen.num_rows:
                    writer.write(contribution(stage, chosen))
            if not writer.rows:
                writer.write(contribution(stage, document_batch([])))
            writer.close()
            seconds = {stage.name: round(time.perf_counter() - start, 6)}
            write_json(folder / "receipt.json", {"parts": [*parts, entry], "rows": writer.rows, "seconds": seconds})
    return {**place.receipt(entry), "entry": entry}


def collect_entry(job: Job) -> str:
    """The entry that holds a unit's contributions: that of the stage it was fused with, if there is one."""
    stage = job.phases[job.index]
    if isinstance(stage, GlobalStage) and stage.fused:
        entry = job.state.entries[job.index - 1]
        if job.place.receipt(entry) is not None:
            return entry
    return job.state.entry


def perform(task: tuple[str, Job]) -> dict[str, Any]:
    """The function that executors run: ("map" | "collect", job) -> receipt."""
    kind, job = task
    return {"map": map_unit, "collect": collect_unit}[kind](job)


def skipped(receipts: Sequence[dict[str, Any]]) -> Counter[str]:
    """The sum of what readers skipped, by kind."""
    total: Counter[str] = Counter()
    for receipt in receipts:
        total.update(receipt["skipped"])
    return total
