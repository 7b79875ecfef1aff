"""Test examples whose answer a model is not asked for but given: is the right continuation the likeliest?

Records as test sets come, by their keys:

    query, choices, gold              one of the choices continues the query
    context_options, continuation, gold   the continuation fits one of the contexts (Winograd schemas)
    query, continuation               cloze: the continuation itself, word for word
    query, answer                     likewise, unless a chain of thought leads to it

A query that puts a question is continued behind `Answer:`, others behind a blank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from curate.contamination.sets import records, set_files
from curate.errors import ConfigError, Problem
from curate.readers.codecs import Damaged

QUESTION = re.compile(r"^(Question|Q):", re.MULTILINE)
Pair = tuple[str, str]


@dataclass(frozen=True)
class Item:
    """An example: (context, continuation) of each candidate, and which is right. A cloze has one."""

    id: str
    candidates: tuple[Pair, ...]
    gold: int


@dataclass(frozen=True)
class Task:
    """The examples of one benchmark; of a `cloze` the one candidate must be what the model itself would write."""

    name: str
    kind: Literal["choice", "cloze"]
    items: tuple[Item, ...]


def read_tasks(paths: Sequence[str], most: int) -> tuple[list[Task], dict[str, int]]:
    """The first `most` examples of each benchmark in files, folders and globs; and what was left out: benchmark -> records.

    Raises ConfigError for files without an example, and for examples that say nothing sensible.
    """
    found: dict[tuple[str, Any], list[Item]] = {}
    left: dict[str, int] = {}
    problems: list[Problem] = []
    for file in set_files(paths):
        try:
            for number, record in enumerate(records(file), 1):
                name = str(record.get("benchmark") or file.name.split(".")[0])
                kind, candidates, gold = example(record)
                if kind is None:
                    left[name] = left.get(name, 0) + 1
                elif not 0 <= gold < len(candidates):
                    what = f"record {number}: gold is {gold}, there are {len(candidates)} candidates"
                    problems.append(Problem(str(file), what, "gold is the place of the right one, from 0"))
                    break
                elif len(held := found.setdefault((name, kind), [])) < most:
                    held.append(Item(str(record.get("id", number)), candidates, gold))
        except (OSError, ValueError, Damaged, RecursionError) as error:
            problems.append(Problem(str(file), f"cannot be read: {error}", "a test set must be whole, or be left out"))
    if not found and not problems:
        what = f"no example has `choices` and `gold`, `continuation` or `answer` ({', '.join(left) or 'no records'})"
        problems.append(Problem("tasks", what, "name files of such records: curate evaluate --tasks FILE"))
    if problems:
        raise ConfigError(problems)
    return [Task(name, kind, tuple(items)) for (name, kind), items in found.items()], left


def example(record: Mapping[str, Any]) -> tuple[Literal["choice", "cloze"] | None, tuple[Pair, ...], int]:
    """(kind, candidates, the right one) of a record; kind is None where it is none that can be scored so."""
    query, gold = record.get("query"), record.get("gold")
    choices, options, continuation = (record.get(key) for key in ("choices", "context_options", "continuation"))
    if isinstance(query, str) and isinstance(choices, list) and choices and isinstance(gold, int):
        return "choice", tuple(joined(query, str(choice)) for choice in choices), gold
    if isinstance(options, list) and options and isinstance(continuation, str) and isinstance(gold, int):
        return "choice", tuple(joined(str(option), continuation) for option in options), gold
    if "chain_of_thought" not in record:
        answer = continuation if continuation is not None else record.get("answer")
        if isinstance(query, str) and isinstance(answer, str) and answer.strip():
            return "cloze", (joined(query, answer),), 0
    return None, (), 0


def joined(query: str, answer: str) -> Pair:
    """(context, continuation): the blank between them belongs to the continuation, as in most tokens."""
    context = query.rstrip()
    if QUESTION.search(context) and not context.endswith(":"):
        context += "\nAnswer:"
    return context, " " + answer.strip()
