"""Which files a pipeline reads: globs resolved, formats known, cut into pieces, contents hashed."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.config import Pipeline
from curate.errors import ConfigError, Problem
from curate.files import file_sha256, read_json, write_json
from curate.readers import FORMATS, format_of
from curate.readers.code import language_of
from curate.readers.environment import SCHEME, environment_files
from curate.readers.hf_dataset import dataset_files
from curate.readers.reader import PIECE_BYTES, Piece, ReadSettings, Tally
from curate.settings import InputEntry
from curate.yaml_source import nearest

# folders of a checkout whose files nobody wrote there
NO_SOURCES = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__"})


@dataclass(frozen=True)
class InputFile:
    """One file of the input. `path` is as documents carry it, `place` opens it."""

    path: str
    place: str
    settings: ReadSettings
    bytes: int
    pieces: tuple[Piece, ...] = ()
    sha256: str = ""


def find_files(pipeline: Pipeline) -> list[InputFile]:
    """Every input file, sources in the order of the pipeline file, files by name. Raises ConfigError with all problems."""
    problems: list[Problem] = []
    files: list[InputFile] = []
    for i, entry in enumerate(pipeline.inputs):
        for j, pattern in enumerate(entry.paths):
            key = ("inputs", i, "path", j) if isinstance(entry.path, list) else ("inputs", i, "path")
            where = pipeline.source.where(key)
            if pattern == SCHEME:
                files.extend(_environment(entry))
                continue
            files.extend(matches(entry, pattern, pipeline.input_folder, where, problems))
    if problems:
        raise ConfigError(problems)
    unique = {(file.settings.source, file.path): file for file in files}
    return list(unique.values())


def matches(entry: InputEntry, pattern: str, folder: Path, where: str, problems: list[Problem]) -> list[InputFile]:
    """The files of one glob, by name; what is wrong with it is added to `problems`."""
    found = sorted(glob.glob(str(folder / pattern), recursive=True))
    if not found:
        problems.append(_nothing(pattern, folder, where))
    files: list[InputFile] = []
    for place in found:
        if os.path.isdir(place) and (datasets := _datasets(entry, place, folder, where, problems)):
            files.extend(datasets)
        elif os.path.isdir(place):
            inside = sorted(str(p) for p in Path(place).rglob("*") if p.is_file() and _wanted(str(p), entry))
            if not inside:
                problems.append(Problem(where, f"no file of a known format in the folder `{place}`"))
            files.extend(_file(entry, p, folder) for p in inside)
        elif _wanted(place, entry):
            files.append(_file(entry, place, folder))
        elif len(found) == 1:
            problems.append(_unknown(entry, place, where))
    return files


def _unknown(entry: InputEntry, place: str, where: str) -> Problem:
    if entry.format == "code":
        hint = "leave it out, or read it with `format: text`"
        return Problem(where, f"`{place}` is no source of a language that its name tells", hint)
    hint = "add `format:` to the input; one of " + ", ".join(FORMATS)
    return Problem(where, f"the format of `{place}` is not known by its suffix", hint)


def _environment(entry: InputEntry) -> list[InputFile]:
    return [
        InputFile(path, place, replace(_settings(entry), format=chosen), size)
        for path, place, chosen, size in environment_files()
    ]


def _settings(entry: InputEntry) -> ReadSettings:
    chosen = entry.format or ""
    column, limit = entry.html or entry.text, entry.max_document_bytes
    return ReadSettings(
        entry.name, chosen, column, entry.id, entry.url, entry.date, limit, bool(entry.html), entry.chat or "",
        tuple(entry.metadata), entry.markup or "", tuple(entry.namespaces),
    )  # fmt: skip


def _datasets(entry: InputEntry, place: str, folder: Path, where: str, problems: list[Problem]) -> list[InputFile]:
    """The files of Hugging Face datasets in a folder, of the splits that are asked for; empty if it holds none."""
    found = dataset_files(place) if entry.format in (None, "arrow") else []
    splits = {file.split for file in found}
    for split in entry.splits if found else ():
        if split not in splits:
            names = ", ".join(sorted(filter(None, splits))) or "none by name"
            problems.append(Problem(where, f"no split `{split}` in `{place}`", f"splits found: {names}"))
    return [
        _file(entry, file.path, folder, split=file.split)
        for file in found
        if not entry.splits or file.split in entry.splits
    ]


def _wanted(place: str, entry: InputEntry) -> bool:
    if entry.format == "code":
        return language_of(place) is not None and NO_SOURCES.isdisjoint(Path(place).parts)
    return not Path(place).name.startswith(".") and (entry.format is not None or format_of(place) is not None)


def _file(entry: InputEntry, place: str, folder: Path, split: str = "") -> InputFile:
    chosen = "arrow" if split else entry.format or format_of(place) or ""
    markup = entry.markup or ("strip" if chosen == "mediawiki" else "keep")
    settings = replace(_settings(entry), format=chosen, markup=markup, split=split)
    path = place if os.path.isabs(place) else os.path.relpath(place, folder)
    size = os.path.getsize(place) if os.path.exists(place) else 0
    return InputFile(Path(path).as_posix(), place, settings, size)


def read_settings(entry: InputEntry, place: str) -> ReadSettings:
    """How one file of an input is read."""
    return _file(entry, place, Path()).settings


def _nothing(pattern: str, folder: Path, where: str) -> Problem:
    if "{" in pattern:
        hint = "braces are not read as alternatives: write a list, `path: [a.txt, b.txt]`"
        return Problem(where, f"`{pattern}` matches no file", hint)
    parent = (folder / pattern).parent
    if any(char in str(parent) for char in "*?[") or not parent.is_dir():
        return Problem(where, f"`{pattern}` matches no file", f"paths are relative to {folder.absolute()}")
    names = [p.name for p in parent.iterdir()][:2000]
    close = nearest(Path(pattern).name, names) if names else "the folder is empty"
    return Problem(
        where, f"`{pattern}` matches no file", close if close.startswith("did") else f"looked in {parent.absolute()}"
    )


def check_heads(files: Sequence[InputFile]) -> list[Problem]:
    """A look at the head of every file: a text column that is not there is found before any work."""
    problems = []
    for file in files:
        try:
            problem = FORMATS[file.settings.format].check(file.place, file.settings)
        except OSError:  # reading it will quarantine it, with the reason
            continue
        if problem:
            problems.append(Problem(file.path, problem))
    return problems


def tell_language(files: Sequence[InputFile]) -> bool:
    """Whether a document in the first batch of a source's first file has a language; so, too, where none can be read."""
    first = {file.settings.source: file for file in reversed(files)}
    batches = [batch for file in first.values() if (batch := _first_batch(file))]
    return not batches or any(batch["lang"].null_count < batch.num_rows for batch in batches)


def _first_batch(file: InputFile) -> pa.RecordBatch | None:
    reader = FORMATS[file.settings.format]
    try:
        return next(reader.read(reader.pieces(file.place)[0], file.settings, Tally()), None)
    except OSError:  # reading it will quarantine it, with the reason
        return None


def open_files(files: Sequence[InputFile], store: Path) -> list[InputFile]:
    """Files with their pieces and content hashes. A hash is vouched for by path, size, mtime and inode.

    A file that cannot be opened becomes one piece; reading it quarantines one record that says why.
    """
    known = read_json(store / "inputs.json") or {}
    stamps = {file.path: _stamp(file) for file in files}
    stale = [file for file in files if known.get(file.path, {}).get("stamp") != stamps[file.path]]
    with ThreadPoolExecutor(2) as pool:
        for file, facts in zip(stale, pool.map(_facts, stale), strict=True):
            known[file.path] = {"stamp": stamps[file.path], **facts}
    if stale:
        store.mkdir(parents=True, exist_ok=True)
        write_json(store / "inputs.json", known, indent=None)
    return [_opened(file, known[file.path]) for file in files]


def _facts(file: InputFile) -> dict[str, Any]:
    try:
        sha256 = file_sha256(Path(file.place))
        pieces = FORMATS[file.settings.format].pieces(file.place)
    except OSError as error:
        return {"sha256": f"cannot be read: {error.strerror or error}", "pieces": [[0, -1]]}
    return {"sha256": sha256, "pieces": [[piece.start, piece.stop] for piece in pieces]}


def _opened(file: InputFile, known: dict[str, Any]) -> InputFile:
    pieces = tuple(Piece(file.place, start, stop) for start, stop in known["pieces"])
    return replace(file, pieces=pieces, sha256=known["sha256"])


def _stamp(file: InputFile) -> list[int | str]:
    """What vouches for content and pieces; a file that cannot be read is looked at anew each time."""
    try:
        status = os.stat(file.place)
    except OSError as error:
        return [str(error)]
    readable = os.access(file.place, os.R_OK)
    return [status.st_size, status.st_mtime_ns, status.st_ino, readable, file.settings.format, PIECE_BYTES]
