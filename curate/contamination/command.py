"""`curate contamination`: what files of texts, or the shards of a run, hold of test sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.contamination.measure import Contamination, Meter
from curate.contamination.search import load
from curate.corpus import corpus_files, documents
from curate.errors import ConfigError, Problem
from curate.files import read_json
from curate.settings import parse_share


def check_files(
    paths: Sequence[str],
    against: Sequence[str],
    *,
    fields: Sequence[str],
    ngram: int,
    threshold: float,
    min_words: int,
    text: str,
    chat: str | None,
    limit: str,
    as_json: bool,
    most: int,
) -> None:
    """Measure, print, and raise ContaminationError if a benchmark is above the limit. ConfigError before any work."""
    problems: list[Problem] = []
    allowed = _limit(limit, problems)
    if not 0 <= threshold < 1:
        problems.append(Problem("--threshold", f"a share from 0 up, below 1, got {threshold:g}"))
    if min_words > ngram:
        problems.append(Problem("--min-words", f"at most --ngram, {ngram}, got {min_words}"))
    files, index = [], None
    try:
        files = corpus_files([place for path in paths for place in _places(path)], text=text, chat=chat)
    except ConfigError as error:
        problems += error.problems
    try:
        index = load(against, fields, ngram=ngram, min_words=min_words) if ngram >= min_words else None
    except ConfigError as error:
        problems += error.problems
    if problems or index is None:
        raise ConfigError(problems)
    meter, unread = Meter(index, threshold), 0
    for batch in documents(files):
        sound = batch.filter(pc.is_null(batch["error"]))
        unread += batch.num_rows - sound.num_rows
        meter.add(sound["text"], _names(sound))
    found = meter.result()
    print(
        json.dumps(as_object(found, unread), ensure_ascii=False) if as_json else "\n".join(lines(found, unread, most))
    )
    found.guard(allowed, ", ".join(paths))


def _limit(text: str, problems: list[Problem]) -> float:
    try:
        return float(parse_share(text))
    except ValueError as error:
        problems.append(Problem("--limit", str(error)))
        return 0.0


def _places(path: str) -> list[str]:
    """The shards of an output folder of a run; other paths as they are."""
    manifest = read_json(Path(path) / "manifest.json") if Path(path).is_dir() else None
    if not isinstance(manifest, dict) or "shards" not in manifest:
        return [path]
    return [str(Path(path) / shard["path"]) for shard in manifest["shards"]]


def _names(batch: pa.RecordBatch) -> list[str]:
    columns = (batch[name].to_pylist() for name in ("id", "path", "offset"))
    return [f"{id} ({path} at {offset:,})" for id, path, offset in zip(*columns, strict=True)]


def as_object(found: Contamination, unread: int) -> dict[str, Any]:
    """All of the report as plain data; shares are of 1."""
    return {
        "documents": found.documents,
        "contaminated_documents": found.contaminated,
        "unread_records": unread,
        "benchmarks": [row._asdict() | {"share": row.share} for row in found.benchmarks],
        "examples": [row._asdict() for row in found.examples],
        "matches": [
            {"benchmark": benchmark, "id": id, "share": share, "anywhere": anywhere}
            for benchmark, id, share, anywhere in found.partly
        ],
    }


def lines(found: Contamination, unread: int, most: int) -> Iterator[str]:
    """The report for people: a line a benchmark, then the contaminated examples, the most covered first."""
    yield f"{found.documents:,} documents, {found.contaminated:,} of them hold test examples"
    if unread:
        yield f"{unread:,} records could not be read and were left out"
    yield ""
    width = max(9, *(len(row.name) for row in found.benchmarks))
    yield f"{'benchmark':{width}}  examples  too short  contaminated            words found"
    for row in found.benchmarks:
        words = row.words_found / max(1, row.words)
        yield (
            f"{row.name:{width}}  {row.examples:8,}  {row.examples - row.searched:9,}  {row.contaminated:12,}"
            f"  {row.share:7.2%}  {words:12.2%}"
        )
    shown = sorted(found.examples, key=lambda row: -row.share)[:most]
    for example in shown:
        yield ""
        copies = f", as do {example.documents - 1:,} others" if example.documents > 1 else ""
        place = f"{example.document} holds {example.share:.0%} of its {example.field}{copies}"
        yield f"{example.benchmark} {example.id}: {place}"
        yield f"  {example.matched!r}"
    if len(found.examples) > len(shown):
        yield ""
        yield f"{len(found.examples) - len(shown):,} more: --show {len(found.examples)}, or --json"
