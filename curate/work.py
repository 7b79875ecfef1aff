"""What a worker does to one unit: read, run the steps of a stage over every document, judge, commit.

Every function here is pure but for the store: the same unit and settings give the same committed bytes, whoever runs it.
"""

from __future__ import annotations

import functools
import json
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

from curate.documents import DOCUMENT, FINDINGS_COLUMN, document_batch, drop_columns, joined
from curate.errors import CurateError
from curate.files import committed_folder, digest, sync, write_json
from curate.flow import run_steps
from curate.plan import GlobalStage, MapStage, Phase, Unit, rules_of
from curate.readers.reader import Tally
from curate.reading import coalesced, read_unit
from curate.startup import numba_without_scipy
from curate.store import ALL, FAST, Place, Rows, batches, chosen_rows, isin, rows_key, schema, table

# The columns that only the next stage and the shards read.
TEXTS = ("text", "messages", "metadata")
# So much of the signals is one batch of their file, or the rest of a unit.
SIGNAL_BYTES = 8 << 20


@dataclass(frozen=True)
class UnitState:
    """How far one unit has come: for each phase done, where its result is. Small, sent to workers."""

    unit: Unit
    #: phase index -> entry of the map stage, or of collect
    entries: dict[int, str] = field(default_factory=dict)
    #: phase index -> file of verdicts (map stage) or, of all units, of duplicates (global step); and its content's name
    verdicts: dict[int, tuple[str, str]] = field(default_factory=dict)
    #: the name of the set of rows that are alive, and how many
    alive: str = ALL
    count: int = 0
    #: index of a global step that applies -> file of what it found in all units; and the name of all findings up to here
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
    later = sorted(i for i in state.verdicts if last < i < before)
    return _alive(state.verdicts[last][0], tuple(state.verdicts[i][0] for i in later), state.unit.index)


# asked for a dozen times of each unit; what a file of verdicts holds never changes
@functools.lru_cache(maxsize=32)
def _alive(verdicts: str, drops: tuple[str, ...], unit: int) -> Rows:
    verdict = table([Path(verdicts)], ["row", "fate"])
    rows = verdict["row"].to_numpy()[verdict["fate"].to_numpy() == 0]
    for path in drops:
        rows = rows[~isin(rows, _parts(path).get_batch(unit)["row"].to_numpy())]
    alive = np.ascontiguousarray(rows, np.int32)
    alive.flags.writeable = False
    return alive


def part_of(path: str, unit: Unit, columns: Sequence[str] | None = None) -> pa.RecordBatch:
    """The batch of a unit in a file that a global step wrote for all units."""
    batch = _parts(path).get_batch(unit.index)
    return batch if columns is None else batch.select(columns)


@functools.lru_cache(maxsize=8)
def _parts(path: str) -> Any:
    return pa.ipc.open_file(pa.memory_map(path))


def stage_files(
    phases: Sequence[Phase], state: UnitState, before: int, store: str, name: str = "documents.arrow"
) -> list[Path]:
    """The files with the documents, or their signals, as the last map stage before phase `before` left them."""
    last = max(i for i in range(before) if isinstance(phases[i], MapStage))
    return Place(store, phases[last].fingerprint, state.unit.fingerprint).files(state.entries[last], name)


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
    parts, missing = _missing(place, needed, "signals.arrow", job.state.findings)
    if parts and missing is not None and not len(missing):
        _commit_parts(place, entry, parts)
        return
    collecting = _fused_collect(job, fresh=not parts)
    numba_without_scipy()
    tally, seconds = Tally(), defaultdict[str, float](float)
    with ExitStack() as stack:
        writer = _StageWriter(stack.enter_context(committed_folder(place.folder / entry)))
        collect_place = collect_folder = collected = None
        if collecting:
            collect_place = Place(job.store, collecting.fingerprint, job.state.unit.fingerprint)
            collect_folder = stack.enter_context(committed_folder(collect_place.folder / entry))
            collected = _Writer(collect_folder / "contribution.arrow")
        for batch in _timed(_input(job, missing, tally), "read", seconds):
            done = run_steps(stage.steps, batch, dict(job.skip), seconds)
            writer.write(done)
            if collecting and collected:
                start = time.perf_counter()
                collected.write(contribution(collecting, done))
                seconds[collecting.name] += time.perf_counter() - start
        if not writer.rows:
            writer.write(run_steps(stage.steps, _no_documents(stage), {}, seconds))
            if collecting and collected:
                collected.write(contribution(collecting, _no_documents(stage)))
        writer.close()
        if collected and collect_folder:
            collected.close()
            _write_receipt(collect_folder, {"parts": [entry], "rows": collected.rows})
        _write_receipt(
            writer.folder,
            {
                "parts": [*parts, entry], "rows": writer.rows, "skipped": dict(sorted(tally.skipped.items())),
                "replaced": tally.replaced, "text_bytes": writer.text_bytes,
                "seconds": {name: round(spent, 6) for name, spent in seconds.items()},
            },
        )  # fmt: skip


def rows_missing(job: Job) -> int | None:
    """How many of the job's rows no committed entry of its unit holds; None where all are new, or in the input still."""
    if job.index == 0 or not job.place.entries(job.state.findings):
        return None
    name = "contribution.arrow" if isinstance(job.phases[job.index], GlobalStage) else "signals.arrow"
    parts, missing = _missing(job.place, alive_rows(job.phases, job.state, job.index), name, job.state.findings)
    return len(missing) if parts and missing is not None else None


def _commit_parts(place: Place, entry: str, parts: list[str]) -> None:
    """An entry whose rows all stand in other entries: a receipt that names them."""
    with committed_folder(place.folder / entry) as folder:
        nothing: dict[str, Any] = {"rows": 0, "skipped": {}, "replaced": 0, "text_bytes": 0, "seconds": {}}
        _write_receipt(folder, {"parts": parts, **nothing})


def _write_receipt(folder: Path, receipt: dict[str, Any]) -> None:
    write_json(folder / "receipt.json", receipt, indent=None)


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
        chosen = chosen_rows(batch, rows)
        if chosen.num_rows:
            yield chosen if found is None else with_findings(chosen, found)


def _findings(job: Job) -> pa.Table | None:
    """What the global step before this stage found for the unit's documents, if the stage begins by applying it."""
    stage = job.phases[job.index]
    if not (isinstance(stage, MapStage) and stage.applied):
        return None
    found = part_of(job.state.found[job.index - 1], job.state.unit, stage.applied.findings_schema().names)
    return pa.Table.from_batches([found])


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
    """An Arrow file that takes its schema from the first batch; batches are joined up to `hold` bytes."""

    def __init__(self, path: Path, *, hold: int = 0) -> None:
        self.path, self.rows, self.hold = path, 0, hold
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows and self.rows:
            return
        self._held.append(batch)
        self._bytes += batch.nbytes
        self.rows += batch.num_rows
        if self._bytes >= self.hold:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._held:
            batch = joined(self._held)
            self._writer = self._writer or pa.ipc.new_file(str(self.path), batch.schema, options=FAST)
            self._writer.write_batch(batch)
            self._held, self._bytes = [], 0


class _StageWriter:
    """What a stage made of the documents of a unit: `documents.arrow` and `signals.arrow` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.text_bytes = folder, 0
        self._documents = _Writer(folder / "documents.arrow")
        self._signals = _Writer(folder / "signals.arrow", hold=SIGNAL_BYTES)

    @property
    def rows(self) -> int:
        return self._documents.rows

    def write(self, batch: pa.RecordBatch) -> None:
        self._documents.write(batch.select(DOCUMENT.names))
        self._signals.write(drop_columns(batch, TEXTS))
        self.text_bytes += pc.sum(batch["size"]).as_py() or 0

    def close(self) -> None:
        self._documents.close()
        self._signals.close()


# --- verdicts --------------------------------------------------------------------------------------------------------


def verdict_name(stage: MapStage) -> str:
    """The name of a stage's verdicts: what its rules are."""
    return f"verdict-{digest(rules_of(stage.steps))[:16]}"


def judge_unit(job: Job, stage: MapStage, place: Place, entry: str) -> dict[str, Any]:
    """The verdicts of a unit from its stored signals, computed unless they are committed already."""
    target = place.folder / entry / f"{verdict_name(stage)}.arrow"
    if not target.exists():
        from curate.verdicts import judge

        held = _rules_held(job, stage, place, entry)
        verdict, counts = judge(_errors(job, place, entry), held, stage.steps)
        kept = verdict["row"].to_numpy()[verdict["fate"].to_numpy() == 0]
        counts["alive"] = rows_key(kept)
        _write_table(target, verdict.replace_schema_metadata({"counts": json.dumps(counts)}))
    return {**json.loads(schema(target).metadata[b"counts"]), "verdict": str(target)}


def _errors(job: Job, place: Place, entry: str, columns: Sequence[str] = ()) -> pa.Table:
    """`row`, `error`, `error_step` and those of `columns` that this stage has, of the rows of `entry`."""
    rows = None if entry == ALL else alive_rows(job.phases, job.state, job.index)
    return table(place.files(entry, "signals.arrow"), ["row", "error", "error_step", *columns], rows)


def _rules_held(job: Job, stage: MapStage, place: Place, entry: str) -> pa.Table:
    """For each rule of the stage, named by its SQL, whether a row passes, null where the rule is NULL.

    What the last verdicts of the entry knew is not evaluated again: a changed threshold reads the signals of its own rule.
    """
    from curate.verdicts import evaluate, rules_sql

    wanted = rules_sql(stage.steps)
    path = place.folder / entry / "rules.arrow"
    known = pa.table({}) if not path.exists() else table([path], wanted)
    new = [sql for sql in wanted if sql not in known.schema.names]
    if not new:
        return known
    made = evaluate(_signals(job, stage, place, entry, new), new)
    held = pa.table({sql: (made if sql in new else known)[sql] for sql in wanted})
    _write_table(path, held)
    return held


def _signals(job: Job, stage: MapStage, place: Place, entry: str, rules: Sequence[str]) -> pa.Table:
    """The columns that these rules read, of the rows of `entry`."""
    from curate.verdicts import rule_columns

    own = {step.name for step in stage.steps} | set(DOCUMENT.names)
    wanted = rule_columns(rules)
    signals = _errors(job, place, entry, [name for name in wanted if name in own])
    for name in wanted:
        if name not in own:
            signals = signals.append_column(name, earlier_signals(job, name, signals["row"].to_numpy()))
    return signals


def _write_table(path: Path, content: pa.Table) -> None:
    temporary = path.with_name(f".{path.name}.{digest(time.time_ns())[:8]}.tmp")
    try:
        with pa.ipc.new_file(str(temporary), content.schema, options=FAST) as writer:
            writer.write_table(content)
        sync(temporary)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def earlier_signals(job: Job, name: str, rows: Rows) -> pa.ChunkedArray:
    """The struct column `name` of these rows, from the earlier stage that made it."""
    for i in range(job.index):
        stage = job.phases[i]
        if isinstance(stage, MapStage) and name in {step.name for step in stage.steps}:
            files = Place(job.store, stage.fingerprint, job.state.unit.fingerprint).files(
                job.state.entries[i], "signals.arrow"
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
        numba_without_scipy()
        files = stage_files(job.phases, job.state, job.index, job.store)
        with committed_folder(place.folder / entry) as folder:
            writer = _Writer(folder / "contribution.arrow")
            for batch in batches(files, DOCUMENT.names):
                chosen = chosen_rows(batch, missing)  # type: ignore[arg-type]
                if chosen.num_rows:
                    writer.write(contribution(stage, chosen))
            if not writer.rows:
                writer.write(contribution(stage, document_batch([])))
            writer.close()
            seconds = {stage.name: round(time.perf_counter() - start, 6)}
            _write_receipt(folder, {"parts": [*parts, entry], "rows": writer.rows, "seconds": seconds})
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
