"""What pydantic finds wrong with a part of a file -> problems, each with its place and a mend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from curate.errors import Problem
from curate.yaml_source import Path as Key
from curate.yaml_source import Source, nearest

Model = TypeVar("Model", bound=BaseModel)


class _Error(NamedTuple):
    """`place` is where in the data it is; of a missing key the last part is that key."""

    place: Key
    #: the unions on the way: where each stands, and the member that this error is of
    members: tuple[tuple[Key, str], ...]
    details: Any


def problems_of(cls: type[BaseModel], error: ValidationError, data: Any, path: Key, source: Source) -> list[Problem]:
    """One of each mistake in `data`, which stands at `path` and is no `cls`."""
    return [_problem(cls, found, path, source) for found in _meant([_placed(e, data) for e in error.errors()], 0)]


def sound_part(cls: type[Model], error: ValidationError, data: Any, spare: Mapping[str, Any]) -> Model | None:
    """A `cls` of what is right in `data`, with `spare` for keys that it needs, so that the rest can be checked; or None."""
    kept = deepcopy(data)
    for found in _meant([_placed(e, data) for e in error.errors()], 0):
        _remove(kept, found.place[:-1] if found.details["type"] == "missing" else found.place)
    kept = {**spare, **kept}
    if kept == data:
        return None
    try:
        return cls.model_validate(kept)
    except ValidationError as other:
        return sound_part(cls, other, kept, {})


def _remove(data: dict[Any, Any], place: Key) -> None:
    """Of a list the whole list goes: what stands behind would have another place."""
    if len(place) > 1 and isinstance(data.get(place[0]), dict):
        _remove(data[place[0]], place[1:])
    elif place:
        data.pop(place[0], None)


def untold(found: Iterable[Problem], told: Sequence[Problem]) -> list[Problem]:
    """Those of `found` that do not stand at what is told already, nor above it: they may come of it."""
    known = [_key(problem) for problem in told]
    return [
        problem
        for problem in found
        if not any(key == _key(problem) or key.startswith((f"{_key(problem)}.", f"{_key(problem)}[")) for key in known)
    ]


def _key(problem: Problem) -> str:
    """`file:line:col key.path` -> `key.path`."""
    return problem.where.rpartition(" ")[2]


def _placed(details: Any, data: Any) -> _Error:
    """Parts of pydantic's place that are not of the data are the names of members of unions."""
    place: Key = ()
    members: list[tuple[Key, str]] = []
    loc = details["loc"]
    missing = loc[-1:] if details["type"] == "missing" else ()
    for part in loc[: len(loc) - len(missing)]:
        if (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        ):
            place, data = (*place, part), data[part]
        else:
            members.append((place, str(part)))
    return _Error(place + missing, tuple(members), details)


def _meant(errors: list[_Error], depth: int) -> list[_Error]:
    """A union has errors of each of its members: those of the member that was meant stay."""
    found: dict[Key, dict[str, list[_Error]]] = {}
    kept: list[_Error] = []
    for error in errors:
        if len(error.members) == depth:
            kept.append(error)
        else:
            place, member = error.members[depth]
            found.setdefault(place, {}).setdefault(member, []).append(error)
    for place, members in found.items():
        distance = {member: _distance(own, place) for member, own in members.items()}
        kept += _meant(members[min(members, key=lambda member: distance[member])], depth + 1)
    return kept


def _distance(errors: list[_Error], union: Key) -> tuple[bool, int]:
    """Another type altogether is furthest from what was meant, then many mistakes are."""
    return all(error.place == union for error in errors), len(errors)


def _problem(cls: type[BaseModel], error: _Error, path: Key, source: Source) -> Problem:
    place, details = error.place, error.details
    full = (*path, *place)
    if details["type"] == "extra_forbidden":
        return Problem(source.where(full, key=True), "unknown key", nearest(str(place[-1]), _fields(cls, place)))
    if details["type"] == "missing":
        return Problem(source.where(full), f"the key `{place[-1]}` is missing")
    message = details["msg"].removeprefix("Value error, ")
    got = "" if details["type"] == "value_error" else f", got {shown(details['input'])}"
    return Problem(source.where(full), message[:1].lower() + message[1:] + got)


def _fields(cls: type[BaseModel], place: Key) -> list[str]:
    """The keys that the model knows which holds `place`, some models down."""
    for part in place[:-1]:
        own = [f.annotation for name, f in cls.model_fields.items() if part in (f.alias, name)]
        cls = next(iter(_models(own[0]) if own else ()), cls)
    return [field.alias or name for name, field in cls.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models in a type such as `dict[str, Bound] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def shown(value: Any) -> str:
    """A value of the file, in a sentence."""
    if isinstance(value, str):
        return f"'{value}'"
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(value), repr(value))
