"""Bounds on signals, as settings and as SQL; a bound may differ by language."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

# a bound by language: the column it looks at, and its branches
_CASE = re.compile(r"CASE (\w+\.lang)((?: WHEN '[^']*' THEN \S+)*) ELSE (\S+) END")
_BRANCH = re.compile(r" WHEN '([^']*)' THEN (\S+)")
# from so many languages on, a bound is shown without its values
_MANY = 4


class Bound(BaseModel):
    """The range that keeps a document: `min <= signal <= max`, both inclusive; an absent side is open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: float | None = None
    max: float | None = None
    by: dict[str, Bound] = Field({}, description="language -> the sides that differ for its documents")

    @field_validator("by")
    @classmethod
    def _codes(cls, by: dict[str, Bound]) -> dict[str, Bound]:
        if strange := [code for code in by if not re.fullmatch("[a-z]{2,3}", code)]:
            raise ValueError(f"{', '.join(map(repr, strange))} is no language code; write hi or pt, as `language` does")
        if any(bound.by for bound in by.values()):
            raise ValueError("a bound of one language has no languages of its own")
        return by

    def sql(self, signal: str) -> str:
        """The rule as an SQL expression over `signal`; by language, over the signal `lang` of the same step too."""
        lower, upper = self._side("min", signal), self._side("max", signal)
        sides = [f"{signal} >= {lower}"] if lower else []
        if upper:
            sides.append(f"{signal} <= {upper}")
        return " AND ".join(sides) or "TRUE"

    def _side(self, side: str, signal: str) -> str:
        """The value of one side, a CASE by language, or nothing."""
        general = getattr(self, side)
        branches = {
            code: value for code, own in self.by.items() if (value := getattr(own, side)) not in (None, general)
        }
        if not branches:
            return "" if general is None else f"{general:g}"
        listed = "".join(f" WHEN '{code}' THEN {value:g}" for code, value in sorted(branches.items()))
        # where there is no bound, the signal is its own
        other = signal if general is None else f"{general:g}"
        return f"CASE {signal.rpartition('.')[0]}.lang{listed} ELSE {other} END"

    def overridden(self, own: Bound) -> Bound:
        """This bound with what `own` sets: a side that it sets holds for all languages that it does not name."""
        sides = {side for side in ("min", "max") if side in own.model_fields_set}
        by = {code: bound.model_copy(update=dict.fromkeys(sides)) for code, bound in self.by.items()}
        for code, bound in own.by.items():
            by[code] = by.get(code, Bound()).model_copy(update=bound.model_dump(exclude_unset=True))
        update: dict[str, Any] = {side: getattr(own, side) for side in sides}
        return self.model_copy(update={**update, "by": by})

    def of(self, language: str) -> Self:
        """The bound for documents of one language."""
        own = self.by.get(language, Bound()).model_dump(include={"min", "max"}, exclude_none=True)
        return self.model_copy(update={**own, "by": {}})


def _replaced(sql: str, instead: Callable[[str, dict[str, str], str], str]) -> str:
    """The rule with each bound by language replaced by what `instead(column, branches, else)` gives."""
    if "CASE " not in sql:
        return sql
    return _CASE.sub(lambda found: instead(found[1], dict(_BRANCH.findall(found[2])), found[3]), sql)


def brief(sql: str) -> str:
    """A rule for people to read: bounds by many languages without their values."""

    def shorten(column: str, branches: dict[str, str], other: str) -> str:
        if len(branches) < _MANY:
            listed = "".join(f" WHEN '{code}' THEN {value}" for code, value in branches.items())
            return f"CASE {column}{listed} ELSE {other} END"
        return f"(bound by {column}, {len(branches)} languages)"

    return _replaced(sql, shorten)


def settled(sql: str, language: Callable[[str], str | None]) -> str:
    """A rule as it is for one document, by what `language` says of a column such as `quality.lang`."""
    found = _replaced(sql, lambda column, branches, other: branches.get(language(column) or "", other))
    return re.sub(r"([\w.]+) [<>]= \1(?![\w.])", r"\1 has no bound here", found)


def pruned(sql: str, present: Callable[[str], Collection[str | None]]) -> str:
    """The same rule for documents of the languages `present` alone: a branch costs time for every document."""

    def prune(column: str, branches: dict[str, str], other: str) -> str:
        found = present(column)
        listed = "".join(f" WHEN '{code}' THEN {value}" for code, value in branches.items() if code in found)
        return f"CASE {column}{listed} ELSE {other} END" if listed else other

    return _replaced(sql, prune)
