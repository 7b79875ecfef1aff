"""Weights that never change: given, in proportion to size, by temperature, equal."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from curate.select.weights.history import Floats, History
from curate.select.weights.weighting import Weighting, normalised


class _Fixed(Weighting):
    def weights(self, step: int, losses: Floats | None, history: History) -> Floats:
        """The same at every step."""
        return normalised(self._shares())

    def compact(self, history: History) -> History:
        """Nothing."""
        return History()

    @abstractmethod
    def _shares(self) -> Floats: ...


class Static(_Fixed):
    """Weights that are given, each from 0 up; they need not add up to 1."""

    kind: ClassVar[str] = "static"

    given: tuple[float, ...] = Field(description="a weight for each group")

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if len(self.given) != len(self.groups):
            raise ValueError(f"{len(self.given)} weights for {len(self.groups)} groups: {', '.join(self.groups)}")
        if not all(0 <= weight < math.inf for weight in self.given) or not sum(self.given) > 0:
            raise ValueError(f"weights must be numbers from 0 up, one of them greater, got {list(self.given)}")
        return self

    def _shares(self) -> Floats:
        return np.array(self.given)


class _Sized(_Fixed):
    sizes: tuple[float, ...] = Field(description="tokens or documents of each group")

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if len(self.sizes) != len(self.groups):
            raise ValueError(f"{len(self.sizes)} sizes for {len(self.groups)} groups: {', '.join(self.groups)}")
        if not all(0 <= size < math.inf for size in self.sizes) or not sum(self.sizes) > 0:
            raise ValueError(f"sizes must be numbers from 0 up, one of them greater, got {list(self.sizes)}")
        return self


class Proportional(_Sized):
    """In proportion to size, as if all groups were one: Skill-It's baseline `random`."""

    kind: ClassVar[str] = "proportional"

    def _shares(self) -> Floats:
        return np.array(self.sizes)


class Temperature(_Sized):
    """In proportion to size^(1 / temperature): 1 is proportional, a greater one nearer to equal (mT5 takes 3.3)."""

    kind: ClassVar[str] = "temperature"
    source: ClassVar[str] = "multilingual BERT (Devlin 2018); mT5 (arXiv 2010.11934), section 3.1"

    temperature: float = Field(3.33, gt=0, description="1 is proportional; the greater, the nearer to equal")

    def _shares(self) -> Floats:
        shares: Floats = normalised(self.sizes) ** (1 / self.temperature)
        return shares


class Stratified(_Fixed):
    """Equal weights, of all groups or `among` some: with prerequisites and targets, Skill-It's `skill-stratified`."""

    kind: ClassVar[str] = "stratified"

    among: tuple[str, ...] = Field((), description="the groups that take part; all if absent")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := [name for name in self.among if name not in self.groups]:
            raise ValueError(f"`among` names no group: {', '.join(unknown)}; there are {', '.join(self.groups)}")
        return self

    def _shares(self) -> Floats:
        return np.array([not self.among or name in self.among for name in self.groups], np.float64)
