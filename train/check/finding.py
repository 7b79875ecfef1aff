"""What a check says, and what checks look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from curate.train.batch import Batch
from curate.train.loader import Loader
from curate.train.parallel import Parallel
from curate.train.settings import TrainSettings
from curate.train.token_set import TokenSet

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, how it is, and for what is not well the mend."""

    check: str
    state: State
    what: str
    mend: str = ""
    #: more lines, such as a table
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A training that is to be checked.

    Attributes:
        settings: as the user wrote them.
        small: the same on the model that is tried: the real one, or where that is large its architecture with few, narrow layers.
        shrunk: whether it is the latter.
        config: the real model's configuration.
        loader: of the real settings, at its first step.
        batches: the first of it.
        model: the model that is tried, on the device of `parallel`.
        against: test sets that must not be in the data, beside those of `evaluate`.
        moving: why the weights of the sources are not those of `loader` to the end, if they are not.
    """

    settings: TrainSettings
    small: TrainSettings
    shrunk: bool
    config: Any
    sets: Sequence[TokenSet]
    held_out: TokenSet | None
    loader: Loader
    batches: Sequence[Batch]
    model: Any
    parallel: Parallel
    against: Sequence[str] = ()
    moving: str = ""

    @property
    def vocabulary(self) -> int:
        """The tokenizer's."""
        return int(self.sets[0].manifest["tokenizer"]["vocabulary"])

    @property
    def tried(self) -> str:
        """What the model that is tried is called."""
        all_of_it = "" if self.small.train_only == self.settings.train_only else ", all of them trained"
        return "the architecture with two small layers" + all_of_it if self.shrunk else "the model itself"
