"""Skill graphs: how much training on one group lowers the loss of another, learned from short runs.

Rows are trained groups, columns evaluated ones, in this order everywhere (Skill-It, arXiv 2307.14430, section 3).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from curate.errors import ConfigError, Problem
from curate.files import write_file, write_json
from curate.select.weights.history import Floats

#: (weights of the trained groups) -> losses of the evaluated ones after a short run from the start
ShortRun = Callable[[Floats], Floats]
#: beyond these densities Skill-It's authors found nothing to gain (97.4 %: 0.007 of loss; 3.9 %: nothing)
DENSE, SPARSE = 0.95, 0.05


@dataclass(frozen=True)
class SkillGraph:
    """Edge weights (trained, evaluated); the diagonal is where both have the same name."""

    trained: tuple[str, ...]
    evaluated: tuple[str, ...]
    weights: Floats
    facts: Mapping[str, Any] = field(default_factory=dict)  # how it was learned

    def __post_init__(self) -> None:
        values = np.array(self.weights, np.float64)
        if values.shape != (len(self.trained), len(self.evaluated)):
            raise ValueError(f"weights {values.shape} for {len(self.trained)} x {len(self.evaluated)} groups")
        if not np.isfinite(values).all():
            raise ValueError("edge weights must be finite numbers")
        values.flags.writeable = False
        object.__setattr__(self, "weights", values)

    @property
    def diagonal(self) -> Any:
        """Where a group meets itself: (trained, evaluated) bool."""
        return np.array([[a == b for b in self.evaluated] for a in self.trained])

    @property
    def density(self) -> float:
        """Edges with a positive weight over all pairs of different groups; 0 where there are none."""
        others = ~self.diagonal
        return float((self.weights[others] > 0).mean()) if others.any() else 0.0

    @property
    def advice(self) -> str:
        """What the density says about using the graph."""
        share = f"{self.density:.1%} of the possible edges"
        if self.density > DENSE:
            return f"{share}: every group helps every other; Skill-It will not beat equal weights (stratified)"
        if self.density < SPARSE:
            return f"{share}: hardly any group helps another; Skill-It will not beat equal weights (stratified)"
        return f"{share}: neither empty nor complete, so the order of groups may matter"

    def with_options(
        self,
        *,
        negatives: Literal["keep", "clip"] = "keep",
        diagonal: Literal["learned", "one"] = "learned",
        floor: float = 0.0,
    ) -> SkillGraph:
        """Negative weights set to 0, and the diagonal to 1, if asked for (the released graphs keep both as learned).

        Weights nearer to 0 than `floor` times the greatest become 0: the noise of evaluations makes edges that are none.
        """
        greatest = float(np.abs(self.weights).max(initial=0.0))
        values = np.where(np.abs(self.weights) < floor * greatest, 0.0, self.weights)
        values = np.maximum(values, 0) if negatives == "clip" else values
        values = np.where(self.diagonal, 1.0, values) if diagonal == "one" else values
        options = {"negatives": negatives, "diagonal": diagonal, "floor": floor}
        return replace(self, weights=values, facts={**self.facts, **options})

    def stepped(self, off_diagonal: float = 0.5) -> SkillGraph:
        """Every positive edge `off_diagonal`, others 0, the diagonal 1: as the authors do for LEGO and addition."""
        values = np.where(self.diagonal, 1.0, (self.weights > 0) * off_diagonal)
        return replace(self, weights=values, facts={**self.facts, "off_diagonal": off_diagonal})

    def columns(self, names: Sequence[str]) -> SkillGraph:
        """The part for some evaluated groups, such as the targets of fine-tuning."""
        places = [self.evaluated.index(name) for name in names]
        return replace(self, evaluated=tuple(names), weights=self.weights[:, places])

    def save(self, path: Path) -> None:
        """Write `.json`, or `.parquet` with a row for each pair: trained, evaluated, weight."""
        if path.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            k, m = self.weights.shape
            table = pa.table(
                {
                    "trained": np.repeat(self.trained, m),
                    "evaluated": np.tile(self.evaluated, k),
                    "weight": self.weights.ravel(),
                }
            )
            sink = pa.BufferOutputStream()
            pq.write_table(table.replace_schema_metadata({"facts": json.dumps(dict(self.facts))}), sink)
            write_file(path, sink.getvalue().to_pybytes())
            return
        rows = [row.tolist() for row in self.weights]
        named = {"trained": list(self.trained), "evaluated": list(self.evaluated)}
        write_json(path, {"format": 1, **named, "weights": rows, "facts": dict(self.facts)})


def load_graph(path: Path) -> SkillGraph:
    """The graph that `save` wrote. Raises ConfigError where there is none."""
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            table = pq.read_table(path)
            trained, evaluated = (tuple(dict.fromkeys(table[name].to_pylist())) for name in ("trained", "evaluated"))
            values = table["weight"].to_numpy().reshape(len(trained), len(evaluated))
            return SkillGraph(
                trained, evaluated, values, json.loads((table.schema.metadata or {}).get(b"facts", b"{}"))
            )
        held = json.loads(path.read_bytes())
        return SkillGraph(tuple(held["trained"]), tuple(held["evaluated"]), np.array(held["weights"]), held["facts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "`SkillGraph.save` writes .json and .parquet"
        raise ConfigError([Problem(str(path), f"is no skill graph: {error}", hint)]) from error


def linear_graph(before: Floats, after: Floats, *, relative: bool = False) -> Floats:
    """(m,) losses before, (k, m) after training on each group alone -> (k, m) how much each lowered each.

    `relative` divides by the losses before, which makes weights of different units alike (as Aioli's authors do).
    """
    fall: Floats = np.asarray(before, np.float64) - np.asarray(after, np.float64)
    return fall / before if relative else fall


def brute_force_graph(before: Floats, alone: Floats, pairs: Floats, *, relative: bool = False) -> Floats:
    """(k,) losses before; (k,) of each group after training on it alone; (k, k) of j after an even mix of i and j.

    The weight of i -> j is what the mix with i lowers the loss of j more than j alone does; below 0 if it is less. The
    diagonal is what j alone lowers it.
    """
    before, alone = np.asarray(before, np.float64), np.asarray(alone, np.float64)
    gain: Floats = alone - np.asarray(pairs, np.float64)
    np.fill_diagonal(gain, before - alone)
    return gain / before if relative else gain


def learn_graph(
    groups: Sequence[str],
    evaluated: Sequence[str],
    before: Floats,
    run: ShortRun,
    *,
    method: Literal["linear", "brute_force"] = "linear",
    relative: bool = False,
) -> SkillGraph:
    """A graph from short runs: k for `linear`, k + k (k - 1) / 2 for `brute_force`, which needs `evaluated` to be `groups`.

    `run` trains a fresh copy of the model for the same number of steps on a mixture and gives the losses after it. Groups
    out of the domain of `evaluated`, of which one cannot train on the evaluated ones, have the linear learner only.
    """
    if method == "brute_force" and list(groups) != list(evaluated):
        what = "brute_force trains on each evaluated group alone, so they must be those that are trained"
        raise ConfigError([Problem("graph.method", what, "take `linear` for fine-tuning and out of domain")])
    k = len(groups)
    identity = np.eye(k)
    single = np.array([run(identity[i]) for i in range(k)])
    facts = {"method": method, "relative": relative, "before": np.asarray(before).tolist()}
    if method == "linear":
        return SkillGraph(tuple(groups), tuple(evaluated), linear_graph(before, single, relative=relative), facts)
    pairs = np.diag(single.diagonal()).astype(np.float64)
    for i in range(k):
        for j in range(i + 1, k):
            # the even mix of i and j is one run for both edges
            after = run((identity[i] + identity[j]) / 2)
            pairs[i, j], pairs[j, i] = after[j], after[i]
    values = brute_force_graph(before, single.diagonal(), pairs, relative=relative)
    return SkillGraph(tuple(groups), tuple(evaluated), values, facts)
