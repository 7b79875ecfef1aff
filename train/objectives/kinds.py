"""The table of objectives: what `loss: {kind: ..., ...}` of a training file may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from curate.errors import ConfigError, Problem
from curate.train.objectives.cross_entropy import CrossEntropy
from curate.train.objectives.dft import Anchored, Asft, Dft
from curate.train.objectives.distillation import Distillation
from curate.train.objectives.masked_thought import MaskedThought
from curate.train.objectives.preferences import Awr, Rwr, Unlikelihood
from curate.train.objectives.token_loss import TokenLoss
from curate.yaml_source import nearest

Kind = TypeVar("Kind", bound=BaseModel)

LOSSES: dict[str, type[TokenLoss]] = {
    cls.kind: cls for cls in (CrossEntropy, Dft, Asft, Anchored, Unlikelihood, Rwr, Awr, MaskedThought, Distillation)
}


def make_loss(settings: Mapping[str, Any]) -> TokenLoss:
    """The objective that settings name. Raises ConfigError with all that is wrong."""
    return chosen(settings, LOSSES, "loss")


def chosen(settings: Mapping[str, Any], table: Mapping[str, type[Kind]], where: str) -> Kind:
    """The class of `table` by `kind`, made with the other settings. Raises ConfigError with all that is wrong."""
    kind = str(settings.get("kind"))
    if kind not in table:
        raise ConfigError([Problem(f"{where}.kind", f"unknown kind `{kind}`", nearest(kind, table))])
    try:
        return table[kind].model_validate({name: value for name, value in settings.items() if name != "kind"})
    except ValidationError as error:
        problems = []
        for found in error.errors():
            place = ".".join([where, *map(str, found["loc"])])
            unknown = found["type"] == "extra_forbidden"
            hint = nearest(str(found["loc"][-1]), list(table[kind].model_fields)) if unknown else ""
            what = "unknown key" if unknown else found["msg"].removeprefix("Value error, ")
            problems.append(Problem(place, what, hint))
        raise ConfigError(problems) from error
