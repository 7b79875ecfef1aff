"""YAML text -> plain data, and the line and column of every key and value for error messages.

Scalars follow YAML 1.2's core schema: `no` and `on` are strings (Norwegian is a language), only true and false are
booleans.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from curate.errors import ConfigError, Problem

Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2 booleans, without dates and sexagesimal numbers."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp", ":int"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9][0-9_]*$"), "-+0123456789")


@dataclass
class Source:
    """The data of one file with the places of its parts."""

    name: str
    data: Any
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def where(self, path: Path, *, key: bool = False) -> str:
        """`file:line:col key.path` of the value at `path` (of its key if `key`), or of the nearest parent that stands
        in the file."""
        shown = dotted(path)
        for end in range(len(path), -1, -1):
            table = self.keys if key and end == len(path) else self.places
            if place := table.get(path[:end]):
                return f"{self.name}:{place[0]}:{place[1]} {shown}".rstrip()
        return f"{self.name} {shown}".rstrip()


def dotted(path: Path) -> str:
    """("steps", 3, "quality", "min") -> "steps[3].quality.min"."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else part
    return shown


def nearest(word: str, among: Iterable[str]) -> str:
    """A hint with the most similar of the allowed words, else with all of them."""
    allowed = list(among)
    close = difflib.get_close_matches(word, allowed, 1, 0.6)
    return f"did you mean {close[0]}?" if close else "allowed: " + ", ".join(allowed)


def parse(text: str, name: str) -> Source:
    """Parse one YAML document. Raises ConfigError for bad syntax and for duplicate keys."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_problem(error, name)]) from error
    source = Source(name, None)
    problems: list[Problem] = []
    source.data = None if node is None else _build(node, (), source, problems)
    if problems:
        raise ConfigError(problems)
    return source


def parse_value(text: str) -> Any:
    """One value as it would be read in a file: `30` -> 30, `[en, de]` -> a list."""
    return yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader


def _syntax_problem(error: yaml.YAMLError, name: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    words = [getattr(error, "problem", None), getattr(error, "context", None)]
    what = ", ".join(str(word) for word in words if word) or str(error).split("\n")[0]
    hint = "YAML indents with spaces" if "\\t" in what else ""
    return Problem(where, f"not valid YAML: {what}", hint)


def _build(node: yaml.Node, path: Path, source: Source, problems: list[Problem]) -> Any:
    source.places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*path, i), source, problems) for i, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        loader = _Loader("")
        try:
            return loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            problems.append(Problem(source.where(path), f"not a value: {error}"))
            return None
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        here = (*path, key)
        source.keys[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if key in result:
            problems.append(Problem(source.where(here, key=True), "the key stands twice", "keep one of them"))
        result[key] = _build(value_node, here, source, problems)
    return result
