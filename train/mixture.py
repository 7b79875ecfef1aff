"""The weights of a run's sources as the run goes on: `mixture: {kind: ..., ...}` of a training file.

The methods stand in `curate.select.weights`; here they are given what they need of the data, asked when their next step
comes, and kept in checkpoints. Their groups are the sources, the losses those of the held-out set by source.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import ConfigError, Problem
from curate.select.weights.history import History
from curate.select.weights.kinds import weighting
from curate.select.weights.skill_graph import load_graph
from curate.select.weights.weighting import Weighting

#: kinds that take the sizes of the groups
SIZED = ("proportional", "temperature", "curriculum", "anticurriculum")


class Mixture:
    """A method at work: `due(step)` says whether weights are to be asked for, `weights(step, losses)` gives them."""

    def __init__(self, method: Weighting, state: Mapping[str, Any] | None = None) -> None:
        self.method = method
        self._history = History.from_json(dict(state["history"])) if state else History()
        self._next: int | None = state["next"] if state else 0

    def due(self, step: int) -> bool:
        """Whether the weights may change at this step."""
        return self._next is not None and step >= self._next

    def needs_losses(self, step: int) -> bool:
        """Whether `weights` takes held-out losses at this step."""
        return self.method.reads_losses(step)

    def weights(self, step: int, held_out: Mapping[str, Mapping[str, float]] | None) -> dict[str, float]:
        """The weights from this step on, by source."""
        losses = None
        if held_out is not None:
            losses = np.array([held_out[name]["loss"] for name in self.method.evaluated])
        found = self.method.weights(step, losses, self._history)
        if losses is not None:
            self._history.evaluated(step, losses)
        self._history.updated(step, found)
        self._next = self.method.next_step(step)
        return dict(zip(self.method.groups, found.tolist(), strict=True))

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"history": self.method.compact(self._history).to_json(), "next": self._next}


def make_method(settings: Mapping[str, Any], tokens: Mapping[str, int], held_out: set[str]) -> Weighting:
    """The method over the sources with so many `tokens`; `held_out` are the sources of the held-out set.

    `weights: {source: weight}` of `static`, and `graph: FILE` of `skill_it`, are put in the method's own terms. Raises
    ConfigError.
    """
    groups = sorted(tokens)
    given = dict(settings)
    kind = given.get("kind")
    if kind == "static":
        given["given"] = _given(given.pop("weights", None), groups)
    if kind in SIZED:
        given["sizes"] = [float(tokens[name]) for name in groups]
    if kind == "skill_it" and isinstance(given.get("graph"), str):
        graph = load_graph(Path(given["graph"]))
        if sorted(graph.trained) != groups:
            what = f"the graph is of {', '.join(graph.trained)}, the data has {', '.join(groups)}"
            raise ConfigError([Problem("mixture.graph", what, "learn it anew with `graph: {steps: 100}`")])
        order = [graph.trained.index(name) for name in groups]
        given["graph"] = graph.weights[order].tolist()
        given["targets"] = list(graph.evaluated)
    method = weighting(given, groups)
    missing = sorted(set(method.evaluated) - held_out)
    if missing and any(method.reads_losses(step) for step in (0, method.next_step(0) or 0)):
        what = f"`{kind}` reads the held-out loss of {', '.join(missing)}, and evaluate.data has no such source"
        raise ConfigError(
            [Problem("mixture", what, "add documents of it to the set of evaluate.data, or hold out a larger share")]
        )
    return method


def _given(weights: Any, groups: list[str]) -> list[float]:
    if not isinstance(weights, dict) or not weights:
        raise ConfigError(
            [Problem("mixture.weights", "`static` needs a weight for each source", "weights: {web: 0.7}")]
        )
    if unknown := sorted(set(weights) - set(groups)):
        what = f"no source is called {', '.join(unknown)}"
        raise ConfigError([Problem("mixture.weights", what, f"there are {', '.join(groups)}")])
    return [float(weights.get(name, 0.0)) for name in groups]
