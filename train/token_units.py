"""What is tokenised: the shards of a run or other files, in units that are each done once, and their documents."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.errors import ConfigError, Problem
from curate.files import digest, read_json
from curate.inputs import InputFile, check_heads, matches, open_files
from curate.plan import Part, Unit
from curate.readers import FORMATS
from curate.readers.reader import Piece, Tally
from curate.reading import read_unit
from curate.settings import InputEntry
from curate.yaml_source import nearest

# Pieces of small files are gathered up to this many bytes and files: one unit is one file of tokens.
UNIT_BYTES, UNIT_FILES = 32 << 20, 1024
UNKNOWN = "unknown"


@dataclass(frozen=True)
class TokenUnit:
    """A part of the input; `key` names its content. Of shards, documents keep what they are called in the ledger."""

    key: str
    parts: tuple[Part, ...]
    bytes: int
    shards: bool


def find_units(
    paths: Sequence[str], *, by: str, text: str, chat: bool, store: Path, scores: str | None = None
) -> list[TokenUnit]:
    """The units of output folders of runs, shards, or other files (`NAME=GLOB` names a source). Raises ConfigError."""
    problems: list[Problem] = []
    shards: list[InputFile] = []
    others: list[InputFile] = []
    for argument in paths:
        name, equals, pattern = argument.partition("=")
        named = bool(equals) and "/" not in name
        place = pattern if named else argument
        manifest = read_json(Path(place) / "manifest.json") if Path(place).is_dir() else None
        if manifest and "shards" in manifest:
            place = str(Path(place) / "shards" / "*.arrow")
            if not manifest["shards"]:
                problems.append(Problem(argument, "the run kept no document: there are no shards"))
                continue
        keep = [by] if by != "source" else []
        entry = InputEntry(
            name=name if named else "corpus", path=place, text=text, chat="auto" if chat else None, metadata=keep
        )
        for file in matches(entry, place, Path(), "", problems):
            (shards if _is_shard(file) and not named else others).append(file)
    others, raw = (
        [f for f in others if not FORMATS[f.settings.format].raw],
        [f for f in others if FORMATS[f.settings.format].raw],
    )
    problems += [
        Problem(f.path, "is a file of pages, not of texts", "run a pipeline with `extract` first") for f in raw
    ]
    problems += [problem for file in shards if (problem := _shard_problem(file, by, text, chat))]
    if scores:
        problems += [Problem("--scores", f"{file.path} is no shard of a run", "name output folders") for file in others]
        problems += [problem for file in shards if (problem := _scores_problem(file, scores))]
    problems += check_heads(others)
    if problems:
        raise ConfigError(problems)
    opened = open_files(list({file.place: file for file in [*shards, *others]}.values()), store)
    count = len({file.place for file in shards})
    return [*_grouped(opened[:count], shards=True), *_grouped(opened[count:], shards=False)]


def runs_of(paths: Sequence[str], output: Path) -> list[dict[str, Any]]:
    """The runs among the paths: their folders, seen from `output`, with name, version, pipeline fingerprint and content."""
    found = []
    for path in paths:
        manifest = read_json(Path(path) / "manifest.json") if Path(path).is_dir() else None
        if manifest and "shards" in manifest:
            facts = {key: manifest[key] for key in ("name", "version", "fingerprint", "content")}
            found.append({"folder": os.path.relpath(Path(path).resolve(), output.resolve()), **facts})
    return found


def _is_shard(file: InputFile) -> bool:
    return file.settings.format == "arrow" and {"id", "source", "path", "offset"} <= set(_names(file))


def _names(file: InputFile) -> list[str]:
    try:
        names: list[str] = pa.ipc.open_file(pa.memory_map(file.place)).schema.names
    except (pa.ArrowException, OSError):
        return []
    return names


def _shard_problem(file: InputFile, by: str, text: str, chat: bool) -> Problem | None:
    schema = pa.ipc.open_file(pa.memory_map(file.place)).schema
    wanted = "messages" if chat else text
    if wanted not in schema.names:
        return Problem(file.path, f"has no column `{wanted}`", nearest(wanted, schema.names))
    kind: Any = None
    for i, part in enumerate(by.split(".")):
        if i == 1 and by.startswith("metadata."):
            return None
        fields = schema if kind is None else kind
        known = [field.name for field in fields] if kind is None or pa.types.is_struct(kind) else []
        if part not in known:
            return Problem("--by", f"{file.path} has no `{by}`", nearest(part, known) if known else "")
        kind = fields.field(part).type
    return None


def _scores_problem(file: InputFile, scores: str) -> Problem | None:
    schema = pa.ipc.open_file(pa.memory_map(file.place)).schema
    kind = schema.field(scores).type if scores in schema.names else None
    if kind is not None and pa.types.is_struct(kind) and {"starts", "scores"} <= {field.name for field in kind}:
        return None
    hint = "add `tag: {insert: false}` to the pipeline, and name the step"
    return Problem("--scores", f"{file.path} has no scored segments in `{scores}`", hint)


def _grouped(files: Sequence[InputFile], *, shards: bool) -> Iterator[TokenUnit]:
    """Pieces in order, as many together as make a file of tokens worth its name."""
    held: list[tuple[InputFile, Piece, int]] = []
    for file in files:
        for piece in file.pieces:
            size = file.bytes // max(len(file.pieces), 1)
            if held and (sum(part[2] for part in held) + size > UNIT_BYTES or len(held) >= UNIT_FILES):
                yield _unit(held, shards)
                held = []
            held.append((file, piece, size))
    if held:
        yield _unit(held, shards)


def _unit(held: Sequence[tuple[InputFile, Piece, int]], shards: bool) -> TokenUnit:
    # documents of shards carry their own paths: where a shard stands, and what it is called there, changes nothing
    content = [
        [file.sha256, piece.start, piece.stop, *([] if shards else [file.path, vars(file.settings)])]
        for file, piece, _ in held
    ]
    parts = tuple(Part(replace(piece, path=file.place), file.settings, file.path) for file, piece, _ in held)
    return TokenUnit(digest([content, shards]), parts, sum(size for _, _, size in held), shards)


def read_documents(
    unit: TokenUnit, *, by: str, text: str, chat: bool, scores: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Batches of `id, group, path, offset, text, messages, error`; `group` is what `by` says. With `scores`, the name of a
    step's signals, also `starts` and `scores` of segments."""
    batches = _shard_batches(unit, by, text, chat, scores) if unit.shards else _other_batches(unit, by)
    for batch in batches:
        if batch.num_rows:
            yield batch


def _shard_batches(unit: TokenUnit, by: str, text: str, chat: bool, scores: str | None) -> Iterator[pa.RecordBatch]:
    for part in unit.parts:
        file = pa.ipc.open_file(pa.memory_map(part.piece.path))
        stop = file.num_record_batches if part.piece.stop < 0 else part.piece.stop
        for number in range(part.piece.start, stop):
            batch = file.get_batch(number)
            nothing = pa.nulls(batch.num_rows, pa.string())
            columns = {name: batch[name] for name in ("id", "path", "offset")}
            columns |= {"text": nothing if chat else batch[text], "messages": batch["messages"] if chat else nothing}
            if scores:
                columns |= {name: batch[scores].field(name) for name in ("starts", "scores")}
            yield pa.RecordBatch.from_pydict({**columns, "group": _group(batch, by), "error": nothing})


def _other_batches(unit: TokenUnit, by: str) -> Iterator[pa.RecordBatch]:
    for batch in read_unit(Unit(0, unit.key, unit.parts, unit.bytes), Tally()):
        columns = {name: batch[name] for name in ("id", "path", "offset", "text", "messages", "error")}
        group = batch["source"] if by == "source" else _group(batch, f"metadata.{by}")
        yield pa.RecordBatch.from_pydict({**columns, "group": group})


def _group(batch: pa.RecordBatch, by: str) -> pa.Array:
    """The column, field of a struct, or key of `metadata` that names a document's source; `unknown` where it is null."""
    first, *rest = by.split(".")
    if first == "metadata" and rest:
        found = [json.loads(value).get(".".join(rest)) if value else None for value in batch["metadata"].to_pylist()]
        return pa.array([UNKNOWN if value is None else str(value) for value in found], pa.string())
    column = batch[first]
    for name in rest:
        column = column.field(name)
    return column.cast(pa.string()).fill_null(UNKNOWN)
