"""A skill graph learned with the model of a run: short runs on each source alone, or on pairs, before the run begins.

Each short run is a training run in a folder below `OUTPUT/graph`, kept and resumed like any other; the graph is learned once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from curate.files import digest
from curate.select.weights.graph_drawing import draw
from curate.select.weights.history import Floats
from curate.select.weights.skill_graph import learn_graph
from curate.train.settings import TrainSettings

#: (settings of a short run) -> held-out losses by source after it; 0 steps: of the model as it begins
Trainer = Callable[[TrainSettings], dict[str, float]]


class GraphSettings(BaseModel):
    """`graph:` of `mixture: {kind: skill_it}` where the graph is to be learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1, description="of each short run")
    method: Literal["linear", "brute_force"] = "linear"
    relative: bool = Field(False, description="falls of the loss over the loss before")
    negatives: Literal["keep", "clip"] = "keep"
    diagonal: Literal["learned", "one"] = "learned"
    floor: float = Field(0.0, ge=0, description="weights below this share of the greatest are none")


def learned_graph(
    settings: TrainSettings,
    options: GraphSettings,
    data: list[str],
    groups: list[str],
    targets: list[str],
    train: Trainer,
) -> Path:
    """Where the graph stands; learned now unless it was before. `data` are the hashes of the sets."""
    bound = {key: value for key, value in settings.bound().items() if key not in ("mixture", "steps", "schedule")}
    name = digest([bound, options.model_dump(), data, groups, targets])[:12]
    folder = Path(settings.output) / "graph"
    path = folder / f"{name}.json"
    if path.exists():
        return path
    short = {"steps": options.steps, "checkpoint": {"every": options.steps}, "log_every": options.steps, "trackers": []}
    base = settings.model_dump(mode="json", by_alias=True) | short
    base["evaluate"] = {**base["evaluate"], "every": options.steps}
    base["schedule"] = {"kind": "constant"}

    def losses(weights: Floats | None) -> Floats:
        given = np.full(len(groups), 1.0) if weights is None else weights
        mixture: dict[str, Any] = {
            "kind": "static",
            "weights": {n: float(w) for n, w in zip(groups, given, strict=True) if w},
        }
        key = "start" if weights is None else _key(groups, mixture["weights"])
        made = TrainSettings.model_validate(
            {**base, "mixture": mixture, "output": str(folder / f"{name}-{key}"), "name": f"{settings.name}-{key}"}
        )
        found = train(made if weights is not None else made.model_copy(update={"steps": 0}))
        return np.array([found[target] for target in targets])

    graph = learn_graph(groups, targets, losses(None), losses, method=options.method, relative=options.relative)
    graph = graph.with_options(negatives=options.negatives, diagonal=options.diagonal, floor=options.floor)
    graph.save(path)
    draw(graph, path.with_suffix(".svg"))
    print(f"skill graph: {graph.advice}\n  {path}", flush=True)
    return path


def _key(groups: list[str], weights: Any) -> str:
    """A name for folders, whatever the sources are called."""
    return "-".join(f"{groups.index(name)}.{re.sub(r'[^a-zA-Z0-9]+', '_', name)}" for name in weights)


def graph_of(settings: dict[str, Any]) -> GraphSettings | None:
    """The settings of a graph that is to be learned, if `mixture` asks for one. Raises pydantic's ValidationError."""
    wanted = settings.get("graph")
    return GraphSettings.model_validate(wanted) if isinstance(wanted, dict) else None
