"""The table of methods: what `mixture: {kind: ..., ...}` of a training file may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from curate.errors import ConfigError, Problem
from curate.select.weights.aioli import Aioli
from curate.select.weights.curriculum import Anticurriculum, Curriculum
from curate.select.weights.doge import Doge
from curate.select.weights.doremi import DoReMi
from curate.select.weights.fixed import Proportional, Static, Stratified, Temperature
from curate.select.weights.skill_it import SkillIt
from curate.select.weights.weighting import Weighting

KINDS: dict[str, type[Weighting]] = {
    cls.kind: cls
    for cls in (
        Static, Proportional, Temperature, Stratified, Curriculum, Anticurriculum, SkillIt, Aioli, DoReMi, Doge
    )
}  # fmt: skip


def weighting(settings: Mapping[str, Any], groups: Sequence[str], where: str = "mixture") -> Weighting:
    """The method that settings name, over these groups. Raises ConfigError with all that is wrong."""
    kind = str(settings.get("kind"))
    if kind not in KINDS:
        raise ConfigError([Problem(f"{where}.kind", f"one of {', '.join(KINDS)}, got {kind}")])
    rest = {name: value for name, value in settings.items() if name != "kind"}
    try:
        return KINDS[kind].model_validate({**rest, "groups": tuple(groups)})
    except ValidationError as error:
        problems = []
        for found in error.errors():
            place = ".".join([where, *map(str, found["loc"])])
            problems.append(Problem(place, found["msg"].removeprefix("Value error, ")))
        raise ConfigError(problems) from error
