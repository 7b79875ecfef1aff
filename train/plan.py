"""Which documents stand where in the batch of each step: a pure function of the sets, the seed, the settings and the weights.

A Planner holds a small position: of each source its epoch, cursor and share, and the pieces that are in use. To
plan a step is to draw pieces of documents and to place them by their lengths: no token is read. So any step is reached from the
nearest known position by planning on, some hundred thousand pieces a second.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from curate.errors import ConfigError, CurateError, Problem
from curate.kernels import mixture, packing
from curate.kernels.mixture import NOTHING, Floats, Integers, Position
from curate.train.sources import Sources

FORMAT = 2
Packing = Literal["concatenate", "best_fit"]
Long = Literal["split", "crop", "drop"]
LONG = {"split": mixture.SPLIT, "crop": mixture.CROP, "drop": mixture.DROP}
# Best-fit chooses among this many times the tokens of a batch; the part above one waits for the next batch.
WINDOW = 1.25
COUNTS = ("documents", "tokens", "cropped", "dropped_documents", "dropped_tokens", "pieces", "placed")


@dataclass(frozen=True)
class PlanSettings:
    """What decides the order beside the data and the weights: `rows` of `context` tokens a step, over all ranks."""

    context: int
    rows: int
    seed: int = 0
    packing: Packing = "concatenate"
    long: Long = "split"

    def problems(self) -> list[Problem]:
        """What is wrong with the settings."""
        found = [
            Problem(name, f"at least {least}, got {value}")
            for name, value, least in (("context", self.context, 2), ("rows", self.rows, 1))
            if value < least
        ]
        if self.packing not in ("concatenate", "best_fit"):
            found.append(Problem("packing", f"`concatenate` or `best_fit`, got `{self.packing}`"))
        if self.long not in LONG:
            found.append(Problem("long", f"one of {', '.join(LONG)}, got `{self.long}`"))
        return found


class Planner:
    """Plans one step after the other. `state()` is small and plain; a planner made from it goes on as this one would."""

    def __init__(self, sources: Sources, settings: PlanSettings, weights: Mapping[str, float] | None = None) -> None:
        """Raises ConfigError. Without weights, each source weighs as many tokens as it has."""
        problems = settings.problems()
        if not sources.names:
            problems.append(Problem("data", "the sets hold no documents", "look at what `curate tokenize` counted"))
        if problems:
            raise ConfigError(problems)
        self.sources, self.settings = sources, settings
        self.step = 0
        #: (the first step of which they hold, the weights), in order
        self.history: list[tuple[int, dict[str, float]]] = []
        split = settings.long == "split"
        self._corpus = mixture.in_pieces(sources.corpus, settings.context) if split else sources.corpus
        count = len(sources.names)
        self._position = Position(
            np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count), np.zeros(1),
            np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64),
            np.zeros((count, mixture.COLUMNS), np.int64), np.full(4, NOTHING, np.int64),
        )  # fmt: skip
        self._pool = np.zeros((0, 4), np.int64)
        self._carried = 0
        self._room = 256
        self._weights = np.zeros(count)
        #: the step at which weights were set last, and the weights and the position just before
        self._changed: tuple[int, Floats, Position] = (-1, self._weights, self._position)
        self.set_weights(weights if weights is not None else {n: float(t) for n, t in sources.tokens.items()})

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the next step, which sum to 1."""
        return dict(zip(self.sources.names, self._weights.tolist(), strict=True))

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Weights from the next step on; a source that is not named gets none. Raises ConfigError.

        What a source was owed or had too much under the old weights stays with it, unless its new weight is 0.
        """
        new = normalised(weights, self.sources)
        if self._changed[0] == self.step:
            # what was set a moment ago never held
            _, self._weights, self._position = self._changed
            self.history = self.history[:-1]
        self._changed = (self.step, self._weights, _copied(self._position))
        position = self._position
        lead = position.served - self._weights * position.total[0]
        gone = float(lead[new == 0].sum())
        position.served[:] = np.where(new == 0, 0.0, lead + gone * new)
        position.total[0] = 0.0
        self._weights = new
        # copies share the list
        self.history = [*self.history, (self.step, self.weights)]
        self._find_heads()

    def plan(self) -> Integers:
        """The segments of the next step, (n, 6) by row and place: row, place, source, document, first token, length."""
        segments = self._concatenated() if self.settings.packing == "concatenate" else self._best_fit()
        self.step += 1
        return segments

    def skip(self, step: int) -> None:
        """Plan on until `step` is the next: by indices and lengths alone. Raises ValueError for a step that is past."""
        if step < self.step:
            raise ValueError(f"step {step} is before {self.step}: start from an earlier state")
        while self.step < step:
            self.plan()

    def replay(self, history: Sequence[tuple[int, Mapping[str, float]]], step: int) -> None:
        """As `skip`, with the weights changed where the history says so."""
        for at, weights in history:
            if self.step <= at <= step:
                self.skip(at)
                if at > 0 or self.weights != dict(weights):
                    self.set_weights(weights)
        self.skip(step)

    def _concatenated(self) -> Integers:
        settings = self.settings
        while True:
            out = np.empty((self._room, packing.FIELDS), np.int64)
            before = _copied(self._position)
            count = packing.concatenate(
                self._corpus, self._position, self._weights, settings.rows, settings.context,
                LONG[settings.long], out,
            )  # fmt: skip
            if count != packing.FULL:
                self._check(count)
                return _in_order(out[:count])
            self._room *= 2
            self._position = before

    def _best_fit(self) -> Integers:
        settings = self.settings
        wanted = int(settings.rows * settings.context * WINDOW)
        while True:
            pool = np.zeros((max(self._room, len(self._pool)), 4), np.int64)
            pool[: len(self._pool)] = self._pool
            before = _copied(self._position)
            held = packing.fill_pool(
                self._corpus, self._position, self._weights, settings.context, LONG[settings.long], wanted,
                pool, len(self._pool),
            )  # fmt: skip
            if held != packing.FULL:
                break
            self._room *= 2
            self._position = before
        self._check(held)
        out = np.empty((held, packing.FIELDS), np.int64)
        count, left = packing.best_fit(
            self._position, settings.rows, settings.context, pool, len(self._pool), held, out
        )
        self._pool = pool[:left].copy()
        return _in_order(out[:count])

    def _find_heads(self) -> None:
        settings = self.settings
        lost = mixture.find_heads(self._corpus, self._position, self._weights, settings.context, LONG[settings.long])
        if lost >= 0:
            self._refuse(lost)

    def _check(self, count: int) -> None:
        if count <= packing.DROPPED_SOURCE:
            self._refuse(packing.DROPPED_SOURCE - count)

    def _refuse(self, source: int) -> None:
        what = f"no document of the source `{self.sources.names[source]}` is of use at {self.settings.context} tokens"
        raise CurateError("loader", what, "raise `context`, or write `long: crop` or `long: split`")

    def counts(self) -> dict[str, dict[str, int]]:
        """Of each source, over all steps: COUNTS. `placed` tokens stand in batches, others of `tokens` wait."""
        table = self._position.counts.tolist()
        return {n: dict(zip(COUNTS, row, strict=True)) for n, row in zip(self.sources.names, table, strict=True)}

    def copy(self) -> Planner:
        """Another planner at the same place."""
        made = copy.copy(self)
        made._position = _copied(self._position)
        step, weights, position = self._changed
        made._changed = step, weights, _copied(position) if step == self.step else position
        return made

    def state(self) -> dict[str, Any]:
        """All that decides the following steps, for JSON."""
        position, settings = self._position, self.settings
        columns = (position.epoch.tolist(), position.cursor.tolist(), position.served.tolist())
        sources = {
            name: {"epoch": epoch, "cursor": cursor, "served": served, "counts": counts}
            for name, epoch, cursor, served, counts in zip(
                self.sources.names, *columns, position.counts.tolist(), strict=True
            )
        }
        return {
            "format": FORMAT, "data": self.sources.hash, "settings": vars(settings).copy(), "step": self.step,
            "weights": [[step, weights] for step, weights in self.history], "total": float(position.total[0]),
            "sources": sources, "open": position.open.tolist(), "pool": self._pool.tolist(),
        }  # fmt: skip

    @classmethod
    def restored(cls, sources: Sources, state: Mapping[str, Any]) -> Planner:
        """The planner that `state` is of. Raises ConfigError if the data are others."""
        if state["format"] != FORMAT:
            raise ConfigError([Problem("state", f"format {state['format']}, this is for {FORMAT}")])
        if state["data"] != sources.hash:
            what = f"the state is of the data {state['data']}, these are {sources.hash}"
            raise ConfigError([Problem("state", what, "resume with the sets that the run began with, in their order")])
        history = [(int(step), dict(weights)) for step, weights in state["weights"]]
        made = cls(sources, PlanSettings(**state["settings"]), history[-1][1])
        position = made._position
        for i, name in enumerate(sources.names):
            held = state["sources"][name]
            position.epoch[i], position.cursor[i], position.served[i] = held["epoch"], held["cursor"], held["served"]
            position.counts[i] = held["counts"]
        position.total[0] = state["total"]
        position.open[:] = state["open"]
        made._pool = np.array(state["pool"], np.int64).reshape(-1, 4)
        made._weights = np.array([history[-1][1].get(name, 0.0) for name in sources.names])
        made.history, made.step = history, int(state["step"])
        made._changed = (-1, made._weights, position)
        made._find_heads()
        return made


def normalised(weights: Mapping[str, float], sources: Sources) -> Floats:
    """Weights that sum to 1, in the order of the sources. Raises ConfigError with all that is wrong."""
    problems = []
    for name, weight in weights.items():
        if name not in sources.documents:
            known = ", ".join(f"`{source}`" for source in sources.names[:20])
            problems.append(Problem(f"weights.{name}", "there is no such source", f"the sources are {known}"))
        elif not np.isfinite(weight) or weight < 0:
            problems.append(Problem(f"weights.{name}", f"a number from 0 up, got {weight}"))
        elif weight > 0 and not sources.documents[name]:
            problems.append(Problem(f"weights.{name}", "the source has no documents", "leave it out"))
    values = np.array([float(weights.get(name, 0.0)) for name in sources.names])
    if not problems and values.sum() <= 0:
        problems.append(Problem("weights", "all are 0", "give some source a weight"))
    if problems:
        raise ConfigError(problems)
    return np.asarray(values / values.sum())


def _in_order(segments: Integers) -> Integers:
    """By row and place."""
    return segments[np.lexsort((segments[:, packing.AT], segments[:, packing.ROW]))]


def _copied(position: Position) -> Position:
    return Position._make(part.copy() for part in position)
