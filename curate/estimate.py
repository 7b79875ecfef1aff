"""What a run will cost, from a real sample: the first documents of a few units go through every step, in this process."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from curate.compilation import compile_kernels
from curate.dedup.memory import resolve_here
from curate.dedup.step import GlobalStep, signal_values
from curate.errors import CurateError
from curate.executors.here import Here
from curate.flow import run_steps
from curate.memory import BASE, WORKER, workers_within
from curate.plan import MapStage, Plan, Unit
from curate.readers.reader import Tally
from curate.reading import read_unit
from curate.store import Place, Rows, isin
from curate.verdicts import evaluate, judge, rule_columns, rules_sql
from curate.work import contribution, with_findings

UNITS = 4
DOCUMENTS = 64
# Kept text is written three times: in the store by each stage, and compressed in a shard; seen on Debian documentation.
SHARD_RATIO = 0.4


@dataclass
class Measured:
    """What the sample showed."""

    documents: int = 0
    kept: int = 0
    text_bytes: int = 0
    kept_bytes: int = 0
    input_bytes: float = 0.0
    seconds: float = 0.0


def estimated(plan: Plan) -> Iterator[str]:
    """Rows, time, memory and disk of what is not in the store, in words."""
    first = plan.phases[0]
    waiting = [unit for unit in plan.units if not Place(plan.store, first.fingerprint, unit.fingerprint).entries()]
    if not waiting:
        yield "\nestimate: every unit is in the store; verdicts and what follows a changed step are computed again"
        return
    compile_kernels(plan.phases, Here())
    chosen = waiting[:: max(1, len(waiting) // UNITS)][:UNITS]
    _measure(plan, chosen, Measured())  # models are loaded and files opened before the clock runs
    seen = Measured()
    _measure(plan, chosen, seen)
    if not seen.documents or not seen.input_bytes:
        yield "\nestimate: the sample holds no documents"
        return
    size = sum(unit.bytes for unit in waiting)
    scale = size / seen.input_bytes
    workers = workers_within(plan.pipeline.executor)
    minutes = seen.seconds * scale / workers / 60
    text = seen.text_bytes * scale
    disk = (
        text * sum(isinstance(phase, MapStage) for phase in plan.phases) * 0.6 + seen.kept_bytes * scale * SHARD_RATIO
    )
    yield f"\nestimate from {seen.documents} documents of {len(chosen)} units, dedup across documents left out"
    yield f"  documents  about {seen.documents * scale:,.0f} in, {seen.kept * scale:,.0f} kept"
    yield f"  time       about {minutes:,.1f} minutes with {workers} workers ({size / 1e6 / max(seen.seconds * scale, 1e-9):,.1f} MB of input a second and worker)"
    yield f"  memory     at most {(BASE + workers * WORKER) / 1e9:,.1f} GB"
    yield f"  disk       about {disk / 1e6:,.0f} MB"


def _measure(plan: Plan, units: Sequence[Unit], seen: Measured) -> None:
    for unit in units:
        limited, tally = replace(unit, limit=DOCUMENTS), Tally()
        start = time.perf_counter()
        for batch in read_unit(limited, tally):
            sizes = {"content", "text"} & set(batch.schema.names)
            raw = sum(pc.sum(pc.binary_length(batch[name])).as_py() or 0 for name in sizes)
            done, kept = _steps(plan, batch)
            seen.documents += batch.num_rows
            seen.kept += kept.num_rows
            seen.text_bytes += pc.sum(done["size"]).as_py() or 0
            seen.kept_bytes += pc.sum(kept["size"]).as_py() or 0
            seen.input_bytes += raw * _stored_ratio(unit)
        seen.seconds += time.perf_counter() - start


def _stored_ratio(unit: Unit) -> float:
    """Bytes on disk for a byte of content: compressed formats are about a fifth (WARC) or two fifths of it."""
    if unit.parts[0].path.endswith((".gz", ".zst", ".lz4", ".bz2", ".xz")):
        return 0.2
    return 0.4 if unit.parts[0].settings.format in ("parquet", "arrow") else 1.0


def _steps(plan: Plan, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """A batch through all phases; global steps contribute but decide nothing. (all rows of stage 0, kept rows)."""
    done, first, contributed = batch, None, batch
    for phase in plan.phases:
        if isinstance(phase, MapStage):
            judged = True
            if phase.applied:
                try:
                    found = _found(phase.applied, contributed, done)
                except CurateError:  # so few may lack what the whole has: nothing is found, and nothing judged by it
                    found, judged = phase.applied.findings_schema().empty_table(), False
                done = with_findings(done, found)
            done = run_steps(phase.steps, done, {}, defaultdict(float))
            first = first or done
            rules = rules_sql(phase.steps)
            if judged and set(rule_columns(rules)) <= set(done.schema.names):
                signals = pa.Table.from_batches([done])
                verdict, _ = judge(signals, evaluate(signals.select(["row", *rule_columns(rules)]), rules), phase.steps)
                done = done.filter(pc.equal(verdict["fate"].combine_chunks(), 0))
        else:
            contributed = contribution(phase, done)
    return first or done, done


def _found(step: GlobalStep, contributed: pa.RecordBatch, batch: pa.RecordBatch) -> pa.Table:
    """What a global step finds when the batch is all there is."""
    entered = batch.filter(pc.is_null(batch["error"]))
    values = {
        signal: [signal_values(pc.struct_field(entered[signal.partition(".")[0]], signal.partition(".")[2]))]
        for signal in step.reads().values()
    }
    return resolve_here(step, [pa.Table.from_batches([contributed])], lambda _, rows: _texts(entered, rows), values)[0]


def _texts(batch: pa.RecordBatch, rows: Rows) -> pa.Array:
    return batch.filter(pa.array(isin(batch["row"].to_numpy(), rows)))["text"]
