"""What `curate steps` and `curate schema` print: steps, settings, signals and presets, read off the classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from curate.config import GIVEN
from curate.errors import ConfigError, Problem
from curate.settings import ExecutorSettings, InputEntry, Output
from curate.steps import STEPS, step_class
from curate.steps.bounds import Bound, brief
from curate.steps.step import Step
from curate.train.settings import TrainSettings
from curate.yaml_source import nearest


def listing() -> Iterator[str]:
    """One line a step."""
    width = max(map(len, STEPS))
    for name in STEPS:
        yield f"{name:{width}}  {_first_line(step_class(name))}"
    yield ""
    yield "curate steps NAME explains one"


def _first_line(cls: type[Step]) -> str:
    return (cls.__doc__ or "").strip().split("\n")[0].rstrip(".")


def describe(name: str) -> Iterator[str]:
    """Settings, signals, presets, source of one step. Raises ConfigError for an unknown name."""
    if name not in STEPS:
        raise ConfigError([Problem("steps", f"unknown step `{name}`", nearest(name, STEPS))])
    cls = step_class(name)
    yield f"{name} (version {cls.version})"
    yield from (f"  {line.strip()}".rstrip() for line in (cls.__doc__ or "").strip().split("\n"))
    if cls.source:
        yield f"  source: {cls.source}"
    yield ""
    yield "settings"
    for field, info in cls.model_fields.items():
        if field not in cls.SIGNALS:
            default = "required" if info.is_required() else f"default {_default(info)}"
            yield f"  {info.alias or field:20} {info.description or ''} ({default})"
    if cls.SIGNALS:
        yield ""
        yield "signals (a bound on one is a setting of its name: `{min: .., max: ..}`, false for none)"
        width = max(map(len, cls.SIGNALS))
        for signal, (kind, meaning) in cls.SIGNALS.items():
            yield f"  {signal:{width}}  {kind!s:7}  {meaning}"
    for preset, bounds in cls.PRESETS.items():
        yield ""
        yield f"preset {preset}"
        yield from (f"  {brief(bound.sql(f'{name}.{signal}'))}" for signal, bound in bounds.items())


def _default(info: Any) -> str:
    value = info.get_default(call_default_factory=True)
    return "none" if value is None or value == "" else str(value)


def _training(definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of `train:`: a training file's, less what is the pipeline's own."""
    part = TrainSettings.model_json_schema(by_alias=True)
    definitions |= part.pop("$defs", {})
    for key in GIVEN:
        part["properties"].pop(key)
    part["required"] = [key for key in part["required"] if key not in (*GIVEN, "name")]
    return part


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a pipeline file."""
    definitions: dict[str, Any] = {"Bound": Bound.model_json_schema()}
    steps: list[Any] = [{"type": "string", "enum": list(STEPS)}]
    for name in STEPS:
        settings = step_class(name).model_json_schema(by_alias=True)
        definitions |= settings.pop("$defs", {})
        definitions[f"step_{name}"] = {**settings, "title": name}
        value = {"anyOf": [{"$ref": f"#/$defs/step_{name}"}, {"type": "null"}]}
        steps.append({"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": False})
    parts: dict[str, type[BaseModel]] = {"input": InputEntry, "output": Output, "executor": ExecutorSettings}
    for title, model in parts.items():
        part = model.model_json_schema()
        definitions |= part.pop("$defs", {})
        definitions[title] = part
    definitions["train"] = _training(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "curate pipeline",
        "type": "object",
        "required": ["name", "inputs", "steps", "output"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "pattern": r"^[\w.-]+$", "description": "the pipeline's name"},
            "seed": {"type": "integer", "default": 0, "description": "the seed of everything random"},
            "inputs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/input"}},
            "steps": {"type": "array", "minItems": 1, "items": {"anyOf": steps}},
            "output": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/output"}]},
            "executor": {"$ref": "#/$defs/executor"},
            "train": {"$ref": "#/$defs/train"},
        },
        "$defs": definitions,
    }
