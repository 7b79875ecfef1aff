"""Texts of files named on a command line, outside a pipeline: what trains a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ConfigError, Problem
from curate.inputs import InputFile, check_heads, matches
from curate.plan import Part, Unit
from curate.readers import FORMATS
from curate.readers.reader import Tally
from curate.reading import coalesced, read_unit
from curate.settings import InputEntry


def corpus_files(
    paths: Sequence[str],
    *,
    text: str = "text",
    chat: str | None = None,
    name: str = "corpus",
    metadata: Sequence[str] = (),
) -> list[InputFile]:
    """The files of paths, folders and globs, by name within each; `name` is the source of their documents. Raises
    ConfigError with all problems."""
    problems: list[Problem] = []
    entry = InputEntry(name=name, path=list(paths), text=text, chat=chat, metadata=list(metadata))
    files = [file for pattern in paths for file in matches(entry, pattern, Path(), "", problems)]
    files = list({file.place: file for file in files}.values())
    for file in files:
        if FORMATS[file.settings.format].raw:
            problems.append(
                Problem(file.path, "is a file of pages, not of texts", "run a pipeline with `extract` first")
            )
    problems += check_heads([file for file in files if not FORMATS[file.settings.format].raw])
    if problems:
        raise ConfigError(problems)
    return files


def documents(files: Sequence[InputFile]) -> Iterator[pa.RecordBatch]:
    """All records, in batches; one that could not be read has an `error`."""
    for file in files:
        pieces = FORMATS[file.settings.format].pieces(file.place)
        unit = Unit(0, "", tuple(Part(piece, file.settings, file.path) for piece in pieces), file.bytes)
        yield from coalesced(read_unit(unit, Tally()))


def texts(files: Sequence[InputFile]) -> Iterator[pa.Array]:
    """The texts of all records that could be read, in batches."""
    for batch in documents(files):
        yield batch.filter(pc.is_null(batch["error"]))["text"].drop_null()
