"""A learner with a planted graph: Skill-It and Aioli win where some groups help others, and do no harm where none or all do."""

from __future__ import annotations

import numpy as np
import pytest

from curate.select.weights.aioli import Aioli
from curate.select.weights.fixed import Stratified
from curate.select.weights.history import Floats
from curate.select.weights.simulated import Learner
from curate.select.weights.skill_it import SkillIt
from curate.select.weights.weighting import Weighting

NAMES = tuple("abcdefgh")
STEPS = 3000


def planted(kind: str, seed: int) -> Floats:
    """(8, 8): rows help columns."""
    graph, order = np.eye(8), np.random.default_rng(seed).permutation(8)
    if kind == "two help all":
        graph[order[:2]] = np.maximum(graph[order[:2]], 0.5)
    elif kind == "lego":
        graph[order[1], order[[0, 2, 3]]] = 0.5
    elif kind == "complete":
        graph[:] = 0.4
    return graph


def methods(learner: Learner) -> dict[str, Weighting]:
    learned = learner.learned_graph(NAMES, 400).weights
    graph = tuple(map(tuple, (learned / learned.max()).tolist()))
    return {
        "skill_it": SkillIt(groups=NAMES, graph=graph, eta=0.5, update_every=300),
        "aioli": Aioli(groups=NAMES, cycle=600, rounds=2, probe_steps=20, eta=2, ema=None),
    }


@pytest.mark.parametrize(("kind", "skill_it", "aioli"), [("two help all", 0.75, 0.93), ("lego", 0.92, 0.999)])
def test_weights_win_where_some_groups_help_others(kind: str, skill_it: float, aioli: float) -> None:
    for seed in range(5):
        learner = Learner(planted(kind, seed), np.full(8, 3.0), rate=2e-3, noise=0.005, seed=seed)
        equal = learner.run(Stratified(groups=NAMES), STEPS)[0].mean()
        ratios = {name: learner.run(method, STEPS)[0].mean() / equal for name, method in methods(learner).items()}
        assert ratios["skill_it"] < skill_it and ratios["aioli"] < aioli, (seed, ratios)


@pytest.mark.parametrize("kind", ["empty", "complete"])
def test_weights_win_nothing_where_no_group_helps_or_all_do(kind: str) -> None:
    for seed in range(5):
        learner = Learner(planted(kind, seed), np.full(8, 3.0), rate=2e-3, noise=0.005, seed=seed)
        equal = learner.run(Stratified(groups=NAMES), STEPS)[0].mean()
        for name, method in methods(learner).items():
            assert 0.999 < learner.run(method, STEPS)[0].mean() / equal < 1.01, (seed, name)


def test_the_learner_falls_as_the_dynamics_say() -> None:
    learner = Learner(np.array([[1.0, 0.5], [0.0, 1.0]]), np.array([2.0, 4.0]), rate=0.1)
    after = learner.trained(learner.start, np.array([0.6, 0.4]), 3)
    np.testing.assert_allclose(after, [2 * (1 - 0.06) ** 3, 4 * (1 - 0.07) ** 3])


def test_a_run_is_the_same_again() -> None:
    learner = Learner(planted("lego", 1), np.full(8, 3.0), rate=2e-3, noise=0.02, seed=4)
    runs = [learner.run(methods(learner)["aioli"], 1500) for _ in range(2)]
    assert runs[0][0].tobytes() == runs[1][0].tobytes()
    assert runs[0][1].to_json() == runs[1][1].to_json()
