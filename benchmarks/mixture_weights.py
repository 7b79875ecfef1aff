"""Mixture weights on a simulated learner with a planted skill graph: mean loss at the end, over seeds.

    python -m benchmarks.mixture_weights [--quick]

The learner's losses fall as Skill-It assumes (`curate.select.weights.simulated`), measured with noise of 0.5 %. Eight groups,
6,000 steps. Skill-It learns its graph by short runs of the same learner (400 steps a group, not counted), Aioli within the
run; DoReMi takes the losses as they are for excess losses. The peer is `stratified`, equal weights; the last line is its loss over
Skill-It's with a graph of LEGO's shape.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import parser
from curate.select.weights.aioli import Aioli
from curate.select.weights.doremi import DoReMi
from curate.select.weights.fixed import Proportional, Stratified
from curate.select.weights.history import Floats
from curate.select.weights.simulated import Learner
from curate.select.weights.skill_it import SkillIt
from curate.select.weights.weighting import Weighting

NAMES = tuple("abcdefgh")
KINDS = ("two help all", "lego", "chain", "one pair in five", "empty", "complete")


def planted(kind: str, seed: int) -> Floats:
    """(8, 8): rows help columns."""
    rng = np.random.default_rng([7, seed])
    graph, order = np.eye(8), rng.permutation(8)
    if kind == "two help all":
        graph[order[:2]] = np.maximum(graph[order[:2]], 0.5)
    elif kind == "lego":
        graph[order[1], order[[0, 2, 3]]] = 0.5
    elif kind == "chain":
        graph[order[:-1], order[1:]] = 0.5
    elif kind == "one pair in five":
        graph = np.minimum(1, graph + (rng.random((8, 8)) < 0.2) * rng.uniform(0.2, 0.8, (8, 8)))
    elif kind == "complete":
        graph[:] = 0.25
    return graph


def methods(learner: Learner, steps: int) -> tuple[dict[str, Weighting], float]:
    """(method by name, the density of the learned graph without what noise alone makes)."""
    found = learner.learned_graph(NAMES, 400)
    graph = tuple(map(tuple, (found.weights / found.weights.max()).tolist()))
    made: dict[str, Weighting] = {
        "stratified": Stratified(groups=NAMES),
        "proportional 1:1:1:3:5:1:1:1": Proportional(groups=NAMES, sizes=(1, 1, 1, 3, 5, 1, 1, 1)),
        "Skill-It": SkillIt(groups=NAMES, graph=graph, eta=0.5, update_every=steps // 10),
        "Aioli": Aioli(groups=NAMES, cycle=600, rounds=2, probe_steps=20, eta=2, ema=None),
        "Aioli, ema 0.1": Aioli(groups=NAMES, cycle=600, rounds=2, probe_steps=20, eta=2),
        "DoReMi's update, on losses": DoReMi(groups=NAMES, eta=0.1, update_every=100),
    }
    return made, found.with_options(floor=0.05).density


def main() -> None:
    options = parser(__doc__).parse_args()
    seeds, steps = (3, 3000) if options.quick else (10, 6000)
    ratio = 0.0
    for kind in KINDS:
        losses: dict[str, list[float]] = {}
        densities = []
        for seed in range(seeds):
            learner = Learner(planted(kind, seed), np.full(8, 3.0), rate=2e-3, noise=0.005, seed=seed)
            made, density = methods(learner, steps)
            densities.append(density)
            for name, method in made.items():
                losses.setdefault(name, []).append(float(learner.run(method, steps)[0].mean()))
        equal = np.array(losses["stratified"])
        print(f"{kind}: density of the learned graph {np.mean(densities):.0%}, {seeds} seeds")
        for name, values in losses.items():
            change = np.array(values) / equal - 1
            print(f"  {name:30} {np.mean(values):.4f} +- {np.std(values):.4f}  {change.mean():+8.2%} +- {change.std():.2%}"
                  f"  better in {int((change < -1e-6).sum())}")  # fmt: skip
        if kind == "lego":
            ratio = float(equal.mean() / np.mean(losses["Skill-It"]))
    print(f"ratio: {ratio:.2f}")


if __name__ == "__main__":
    main()
