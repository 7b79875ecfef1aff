"""What a classifier is trained on: classes, their sources of text, and how the texts are gathered."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from curate.classifiers.fasttext_model import TrainingSettings
from curate.classifiers.lines import Form, line_of
from curate.corpus import corpus_files
from curate.errors import ConfigError, Problem
from curate.inputs import InputFile
from curate.readers import FORMATS
from curate.readers.reader import Piece, Tally
from curate.sentences import sentence_spans


class TextSource(BaseModel):
    """Texts of one class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | list[str] = Field(description="files or globs")
    text: str = Field("text", description="the column or key that holds the text")
    where: str | None = Field(None, description="SQL over the columns (JSON Lines, Parquet): which rows to take")
    split: Literal["documents", "sentences"] = Field("documents", description="what one training line is")
    spans: str | None = Field(
        None, description="a column of character offsets; with it sentences are chosen by `marked`"
    )
    marked: bool = Field(True, description="take sentences that hold an offset of `spans`, or those that hold none")

    @property
    def paths(self) -> list[str]:
        """The paths as a list."""
        return [self.path] if isinstance(self.path, str) else self.path


class Recipe(BaseModel):
    """All that decides a classifier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: str = Field(description="the model file, .bin, or .ftz with `training.quantize`; the report lies beside it")
    classes: dict[str, list[TextSource]] = Field(description="label -> sources; the report is about the first label")
    form: Form = Field("plain", description="plain: line breaks become spaces; folded: lower case, punctuation apart")
    limit: int = Field(200_000, ge=1, description="the most lines of a class; a sample by hash of the text")
    held_out: float = Field(0.1, gt=0, lt=1, description="share of the documents that only the report sees")
    seed: int = Field(0, ge=0, description="of the order of the lines, the held-out part and fastText")
    training: TrainingSettings = TrainingSettings()

    @field_validator("classes")
    @classmethod
    def _two(cls, classes: dict[str, Any]) -> dict[str, Any]:
        if len(classes) < 2:
            raise ValueError("a classifier needs at least two classes")
        if strange := [name for name in classes if not name.isidentifier() or not name.isascii()]:
            raise ValueError(f"labels are letters, digits and _, got {', '.join(map(repr, strange))}")
        return classes


@dataclass
class Gathered:
    """Texts to train on and to hold out, as (label, text) in a seeded order, and what was left out, counted."""

    train: list[tuple[str, str]] = field(default_factory=list)
    held_out: list[tuple[str, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def gather(recipe: Recipe, folder: Path) -> Gathered:
    """The lines of all classes; paths are relative to `folder`. Raises ConfigError with every problem of the sources.

    The order, the sample within `limit` and the held-out part follow from hashes of the texts: the order of files
    changes nothing. A document is held out with all its sentences. A line that stands in two classes trains none.
    """
    places = _files(recipe, folder)
    made = Gathered()
    chosen: dict[str, dict[bytes, tuple[float, str]]] = {}
    for label, sources in recipe.classes.items():
        lines: dict[bytes, tuple[float, str]] = {}
        for source, files in zip(sources, places[label], strict=True):
            for text, offsets in _texts(source, files, made.skipped):
                share = int.from_bytes(_hash(text, recipe.seed, b"document")[:7]) / 2**56
                for piece in _pieces(text, offsets, source):
                    key = _hash(line_of(piece, recipe.form), recipe.seed, b"line")
                    made.skipped["repeated"] += key in lines
                    # of texts that make the same line the least: the order of files decides nothing
                    lines[key] = min(lines.get(key, (share, piece)), (share, piece))
                if len(lines) > 2 * recipe.limit:
                    lines = _lowest(lines, recipe.limit)
        chosen[label] = _lowest(lines, recipe.limit)
    times = Counter(key for lines in chosen.values() for key in lines)
    ordered = sorted((key, label) for label, lines in chosen.items() for key in lines)
    for key, label in ordered:
        share, piece = chosen[label][key]
        if times[key] > 1:
            made.skipped["in_two_classes"] += 1
        else:
            (made.held_out if share < recipe.held_out else made.train).append((label, piece))
    made.skipped = +made.skipped
    return made


def _lowest(lines: dict[bytes, tuple[float, str]], limit: int) -> dict[bytes, tuple[float, str]]:
    return {key: lines[key] for key in sorted(lines)[:limit]} if len(lines) > limit else lines


def _hash(text: str, seed: int, what: bytes) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16, salt=what[:16], key=str(seed).encode()).digest()


def _files(recipe: Recipe, folder: Path) -> dict[str, list[list[InputFile]]]:
    """Label -> for each source its files, each of a format that we can read."""
    problems: list[Problem] = []
    found: dict[str, list[list[InputFile]]] = {}
    for label, sources in recipe.classes.items():
        found[label] = []
        for source in sources:
            try:
                files = corpus_files([str(folder / path) for path in source.paths], text=source.text)
            except ConfigError as error:
                problems += [
                    Problem(f"classes.{label}: {p.where}".rstrip(": "), p.what, p.hint) for p in error.problems
                ]
                continue
            found[label].append(files)
            if source.where is not None or source.spans is not None:
                why = "`where` and `spans` need JSON Lines or Parquet"
                problems += [
                    Problem(file.path, why) for file in files if file.settings.format not in ("jsonl", "parquet")
                ]
    if problems:
        raise ConfigError(problems)
    return found


def _pieces(text: str, offsets: list[int] | None, source: TextSource) -> Iterator[str]:
    """The parts of a document that are training lines."""
    if source.split == "documents":
        if text.strip():
            yield text
        return
    marks = set(offsets or ())
    for start, stop in sentence_spans(text):
        if source.spans is None or source.marked == any(mark in marks for mark in range(start, stop)):
            yield text[start:stop]


def _texts(source: TextSource, files: list[InputFile], skipped: Counter[str]) -> Iterator[tuple[str, list[int] | None]]:
    """The documents of a source: (text, offsets of `spans`). Records without a text are counted."""
    for file in files:
        if source.where is not None or source.spans is not None:
            yield from _queried(source, file, skipped)
            continue
        for batch in FORMATS[file.settings.format].read(Piece(file.place), file.settings, Tally()):
            for text in batch["text"].to_pylist():
                if text is None:
                    skipped["unreadable"] += 1
                else:
                    yield text, None


def _queried(source: TextSource, file: InputFile, skipped: Counter[str]) -> Iterator[tuple[str, list[int] | None]]:
    import duckdb

    reader = "read_parquet(?)" if file.settings.format == "parquet" else (
        "read_json(?, format='newline_delimited', sample_size=-1, ignore_errors=true)"
    )  # fmt: skip
    text, spans = (
        f'"{name.replace(chr(34), chr(34) * 2)}"' if name else "NULL" for name in (source.text, source.spans)
    )
    query = f"SELECT {text}, {spans} FROM {reader} WHERE {source.where or 'TRUE'}"
    try:
        with duckdb.connect() as connection:
            rows = connection.execute(query, [file.place]).fetchall()
    except duckdb.Error as error:
        what, hint = str(error).split("\n")[0], "check `text`, `where` and `spans`"
        raise ConfigError([Problem(file.path, what, hint)]) from error
    for document, offsets in rows:
        if isinstance(document, str):
            yield document, offsets
        else:
            skipped["unreadable"] += 1
