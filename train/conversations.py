"""Conversations in memory with the signals that go with them: what a choice of instructions is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.conversation import MESSAGES
from curate.corpus import corpus_files, documents
from curate.errors import ConfigError, CurateError, Problem
from curate.files import digest, read_json, write_file

# What a shard's own `source` is called among its metadata.
SOURCE = "source"


@dataclass(frozen=True)
class Conversations:
    """n conversations, no two of them the same: `messages` (n,) of `MESSAGES`, `texts` (n,) their rendering, `sources` (n,),
    `signals` name -> (n,) float64, NaN for none; `repeated` and `unreadable` say how many others there were."""

    messages: pa.Array
    texts: pa.Array
    sources: list[str]
    signals: Mapping[str, npt.NDArray[np.float64]]
    repeated: int = 0
    unreadable: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Any) -> Conversations:
        """Some of them, by their rows."""
        chosen = pa.array(rows, pa.int64())
        signals = {name: values[rows] for name, values in self.signals.items()}
        sources = [self.sources[row] for row in chosen.to_pylist()]
        return Conversations(self.messages.take(chosen), self.texts.take(chosen), sources, signals)

    def content(self) -> str:
        """What names them, in their order."""
        return digest(self.texts.to_pylist())

    def write(self, path: Path) -> None:
        """As JSON Lines of `messages`."""
        lines = (json.dumps({"messages": talk}, ensure_ascii=False) + "\n" for talk in self.messages.to_pylist())
        write_file(path, "".join(lines))


def read_conversations(
    paths: Sequence[str], *, signals: Mapping[str, str] | None = None, where: str = "pool"
) -> Conversations:
    """Of runs' output folders and of other files, `NAME=GLOB` naming a source. `signals`: name -> `step.field` of shards, or a
    key of other records. Raises ConfigError with all problems, CurateError where there is no conversation."""
    wanted = signals or {}
    columns = [SOURCE, *dict.fromkeys(signal.partition(".")[0] for signal in wanted.values())]
    files, problems = [], []
    for path in paths:
        name, pattern = _named(path)
        shards = (read_json(Path(pattern) / "manifest.json") or {}).get("shards") if Path(pattern).is_dir() else None
        place = str(Path(pattern) / "shards" / "*.arrow") if shards else pattern
        try:
            files += corpus_files([place], chat="auto", name=name or "corpus", metadata=[] if name else columns)
        except ConfigError as error:
            problems += [Problem(f"{where}: {problem.where}", problem.what, problem.hint) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    rows: dict[str, tuple[Any, str, dict[str, Any]]] = {}
    repeated = unreadable = 0
    for batch in documents(files):
        for row in batch.select(["text", "messages", "source", "metadata", "error"]).to_pylist():
            if row["error"] is not None:
                unreadable += 1
            elif row["text"] in rows:
                repeated += 1
            else:
                kept = json.loads(row["metadata"] or "{}")
                rows[row["text"]] = row["messages"], str(kept.get(SOURCE) or row["source"]), kept
    if not rows:
        raise CurateError(where, f"{', '.join(paths)} has no conversation", "look at the records: see `chat: auto`")
    found = {name: np.array([_number(kept, signal) for _, _, kept in rows.values()]) for name, signal in wanted.items()}
    for name, values in found.items():
        if np.isnan(values).all():
            problems.append(Problem(f"indicators.{name}", f"no conversation has a number in `{wanted[name]}`"))
    if problems:
        raise ConfigError(problems)
    messages = pa.array([talk for talk, _, _ in rows.values()], MESSAGES)
    sources = [source for _, source, _ in rows.values()]
    return Conversations(messages, pa.array(list(rows), pa.string()), sources, found, repeated, unreadable)


def _named(path: str) -> tuple[str, str]:
    """(name or "", pattern) of `NAME=GLOB` or a pattern."""
    name, equals, pattern = path.partition("=")
    return (name, pattern) if equals and "/" not in name else ("", path)


def _number(kept: Mapping[str, Any], signal: str) -> float:
    """The number that `step.field` names in the columns of a record; NaN where there is none."""
    value: Any = kept
    for part in signal.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else float("nan")
