"""Heuristic filters, MB/s on one core: `python -m benchmarks.heuristics [--quick]`, against datatrove's chain.

Ours: the steps `repetition` and `quality` (presets gopher, c4, fineweb) on Arrow batches as the readers make them, with all their signals and
verdicts. Theirs: GopherRepetitionFilter, GopherQualityFilter, C4QualityFilter and FineWebQualityFilter, each of which
stops at the first rule that fails. The same documents, in process on both sides, the peer on a share of them; compile
and loading times are left out and printed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, run_peer, shared_file
from curate.readers.reader import BATCH_ROWS


def documents(rows: int) -> list[pa.RecordBatch]:
    """The first documents of the corpus as batches with a column `text`."""
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"]).slice(0, rows)
    return [
        pa.record_batch([pa.array(batch.column(0).to_pylist(), pa.string())], names=["text"])
        for batch in table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
    ]


def ours(batches: Sequence[pa.RecordBatch]) -> tuple[float, float, float]:
    """(seconds, seconds of processor time, seconds of the first batch with compilation)."""
    import polars as pl

    from curate.steps import step_class

    steps = [
        step_class("repetition").model_validate({}),
        step_class("quality").model_validate({"preset": ["gopher", "c4_datatrove", "fineweb"]}),
    ]
    rules = [pl.sql_expr(rule) for step in steps for rule in step.rule_table().values()]

    def run(batch: pa.RecordBatch) -> None:
        for step in steps:
            batch = step.process(batch)
        frame = pl.DataFrame({step.name: pl.from_arrow(batch.column(step.name)) for step in steps})
        frame.select(pl.all_horizontal(*rules))

    start = time.perf_counter()
    run(batches[0])
    first = time.perf_counter() - start
    start, busy = time.perf_counter(), time.process_time()
    for batch in batches:
        run(batch)
    return time.perf_counter() - start, time.process_time() - busy, first


def of_redpajama(batches: Sequence[pa.RecordBatch], *, per_line: bool) -> float:
    """Seconds of processor time for all signals of RedPajama-V2 that need no model, flagged words with them."""
    from curate.steps import step_class

    step = step_class("redpajama").model_validate({"per_line": per_line})
    step.process(batches[0])
    busy = time.process_time()
    for batch in batches:
        step.process(batch)
    return time.process_time() - busy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both sides and print the ratio."""
    quick = parser(__doc__).parse_args(arguments).quick
    pin_to_one_core()
    rows, peer_rows = (2000, 300) if quick else (8000, 600)
    batches = documents(rows)
    size = sum(batch.column(0).nbytes for batch in batches) / 1e6
    runs = [ours(batches) for _ in range(3)]
    # the median; other work on the machine slows it, processor time less so
    seconds, busy = (sorted(figures)[1] for figures in list(zip(*runs, strict=True))[:2])
    peer = run_peer("heuristics_datatrove.py", [shared_file("corpus/debian_docs.parquet"), rows, peer_rows])
    figures = [
        (f"curate, {rows} documents, {size:.1f} MB", size / seconds, "MB/s"),
        ("curate, by processor time", size / busy, "MB/s"),
        (
            "curate, step redpajama (its documents' signals), by processor time",
            size / of_redpajama(batches, per_line=False),
            "MB/s",
        ),
        (
            "curate, step redpajama with signals of lines, by processor time",
            size / of_redpajama(batches, per_line=True),
            "MB/s",
        ),
        ("curate, first batch with compilation", runs[0][2], "s"),
        (
            f"datatrove, {peer_rows} of them, {peer['bytes'] / 1e6:.1f} MB",
            peer["bytes"] / 1e6 / peer["seconds"],
            "MB/s",
        ),
        ("datatrove, loading", peer["loading"], "s"),
    ]
    report(figures, size / seconds / (peer["bytes"] / 1e6 / peer["seconds"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
