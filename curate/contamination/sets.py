"""Reading test sets: any records with texts -> benchmarks, their examples, and the passages to look for."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, Problem
from curate.files import file_sha256
from curate.readers import format_of
from curate.readers.codecs import Damaged, codec_of, decompressed, open_stored

#: keys whose values are not searched for unless they are named: metadata, and candidate answers and tests, which other
#: texts have by chance or by right
NOT_TEXT = frozenset(
    "id _id ids uid uuid guid idx index benchmark dataset config split subset license licence source url lang language "
    "task task_id task_name category categories subject topic level difficulty type gold label labels answerkey "
    "answer_key entry_point role date author authors version metadata choices options endings candidates context_options "
    "aliases distractors distractor1 distractor2 distractor3 test tests test_inputs test_outputs test_list".split()
)
_IDS = ("id", "_id", "task_id", "question_id", "qid", "idx")
# keys of one JSON document under which its examples stand, as in BIG-Bench Hard
_LISTS = ("examples", "data", "rows", "instances", "test")
# files of a folder that `datasets` wrote which hold no rows
_NO_ROWS = ("dataset_info.json", "state.json", "dataset_dict.json")
_FORMATS = {"jsonl": "JSON Lines", "parquet": "Parquet", "arrow": "Arrow", "text": "text, an example a line"}


@dataclass(frozen=True)
class Passage:
    """A text of an example: what stands under one key."""

    example: int
    field: str
    text: str


@dataclass(frozen=True)
class BenchmarkSets:
    """The examples of all benchmarks in order, and their passages by example."""

    benchmarks: tuple[str, ...]
    of: tuple[int, ...]  # of each example: its benchmark
    ids: tuple[str, ...]  # of each example
    passages: tuple[Passage, ...]


def set_files(paths: Sequence[str]) -> list[Path]:
    """The files of paths, folders and globs, each once, by name. Raises ConfigError with all problems."""
    problems: list[Problem] = []
    files: dict[Path, Path] = {}
    for pattern in paths:
        found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
        inside = [
            file
            for place in found
            for file in (filter(_is_wanted, sorted(place.rglob("*"))) if place.is_dir() else [place])
            if file.is_file()
        ]
        known = [file for file in inside if format_of(file.name) in _FORMATS]
        if not known:
            what = f"no test set at `{pattern}`" if not inside else f"no file of a known format at `{pattern}`"
            problems.append(Problem("against", what, "name files, folders or globs of " + ", ".join(_FORMATS.values())))
        files |= {file.resolve(): file for file in known}
    if problems:
        raise ConfigError(problems)
    return sorted(files.values())


def _is_wanted(file: Path) -> bool:
    """Whether a file of a folder may be a test set: no hidden file, no description of the others."""
    described = format_of(file.name) == "text" and ".txt" not in file.name.lower()
    return not (file.name.startswith(".") or file.name in _NO_ROWS or described)


def content_hash(files: Sequence[Path]) -> str:
    """A hash of names and contents of files: what of them decides what is found."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file_sha256(file).encode())
    return digest.hexdigest()


def read_sets(files: Sequence[Path], fields: Sequence[str] = ()) -> BenchmarkSets:
    """All examples of the files: `benchmark` of a record, else the file's name, names its benchmark.

    A passage is a string in the record, or in its lists and objects; with `fields`, only those under these keys, else
    all but those under `NOT_TEXT`. Raises ConfigError.
    """
    benchmarks: dict[str, int] = {}
    of, ids, passages, problems = [], [], [], []
    for file in files:
        examples = texts = 0
        try:
            for number, record in enumerate(records(file), 1):
                name = record.get("benchmark") if isinstance(record.get("benchmark"), str) else _stem(file)
                of.append(benchmarks.setdefault(str(name), len(benchmarks)))
                ids.append(str(next((record[key] for key in _IDS if record.get(key) is not None), f"line {number}")))
                found = [Passage(len(of) - 1, *pair) for pair in _passages(record, "", fields)]
                examples, texts = examples + 1, texts + len(found)
                passages += found
        except (OSError, ValueError, Damaged, RecursionError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else error
            problems.append(Problem(str(file), f"cannot be read: {what}", "a test set must be whole, or be left out"))
            continue
        if not texts:
            what = "has no records" if not examples else f"has no text under {' or '.join(fields) or 'any key'}"
            problems.append(Problem(str(file), what, "name the keys of its texts in `fields`" if examples else ""))
    if problems:
        raise ConfigError(problems)
    return BenchmarkSets(tuple(benchmarks), tuple(of), tuple(ids), tuple(passages))


def _stem(file: Path) -> str:
    return file.name.split(".")[0]


def _passages(value: Any, name: str, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(key, text) of all strings in a record, in order; the keys of objects in objects are joined by points."""
    if isinstance(value, str):
        if value.strip() and (not fields or name in fields or name.split(".")[0] in fields):
            yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if str(key).lower() not in NOT_TEXT or key in fields:
                yield from _passages(inner, f"{name}.{key}" if name else str(key), fields)
    elif isinstance(value, list):
        for inner in value:
            yield from _passages(inner, name, fields)


def records(file: Path) -> Iterator[dict[str, Any]]:
    """The records of a file of tests. Raises ValueError, which says which one is none."""
    chosen = format_of(file.name)
    if chosen in ("parquet", "arrow"):
        yield from _rows(file, chosen)
        return
    with open_stored(str(file)) as stored:
        content = b"".join(decompressed(stored, codec_of(str(file))))
    text = content.decode("utf-8-sig")
    if chosen == "text":
        yield from ({"text": line} for line in text.splitlines() if line.strip())
        return
    if text.lstrip().startswith("["):
        lines = list(enumerate(json.loads(text), 1))
    elif (listed := _listed(text)) is not None:
        lines = list(enumerate(listed, 1))
    else:
        lines = [(number, _parsed(line, number)) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, record in lines:
        if not isinstance(record, dict):
            raise ValueError(f"record {number} is not a JSON object")
        yield record


def _listed(text: str) -> list[Any] | None:
    """The examples of one JSON document; None if the text is none, or has no list of them."""
    first = text.lstrip().split("\n", 1)[0]
    if not first.startswith("{") or (first.rstrip().endswith("}") and len(first) < len(text.strip())):
        return None
    try:
        held = json.loads(text)
    except ValueError:
        return None
    return next((held[key] for key in _LISTS if isinstance(held.get(key), list)), None)


def _parsed(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error


def _rows(file: Path, chosen: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        batches = ds.dataset(str(file), format="parquet" if chosen == "parquet" else "ipc").to_batches()
        for batch in batches:
            yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from error
