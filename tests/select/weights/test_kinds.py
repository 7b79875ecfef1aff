"""Fixed weights, curricula, DoReMi and DoGE, and the table that names them all."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

from curate.errors import ConfigError
from curate.select.weights.doge import Doge, gradient_scores
from curate.select.weights.doremi import DoReMi, excess
from curate.select.weights.history import Floats, History
from curate.select.weights.kinds import KINDS, weighting

GROUPS = ("x", "y", "z")


def at_start(settings: dict[str, Any]) -> Floats:
    method = weighting(settings, GROUPS)
    assert method.next_step(0) is None and not method.reads_losses(0)
    return method.weights(0, None, History())


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        ({"kind": "static", "given": [2, 1, 1]}, [0.5, 0.25, 0.25]),
        ({"kind": "proportional", "sizes": [6, 3, 0]}, [2 / 3, 1 / 3, 0]),
        ({"kind": "temperature", "sizes": [16, 4, 1], "temperature": 2}, [4 / 7, 2 / 7, 1 / 7]),
        ({"kind": "temperature", "sizes": [16, 4, 1], "temperature": 1}, [16 / 21, 4 / 21, 1 / 21]),
        ({"kind": "stratified"}, [1 / 3, 1 / 3, 1 / 3]),
        ({"kind": "stratified", "among": ["z", "x"]}, [0.5, 0, 0.5]),
    ],
)
def test_fixed_weights(settings: dict[str, Any], want: list[float]) -> None:
    np.testing.assert_allclose(at_start(settings), want)


@pytest.mark.parametrize(
    ("kind", "mix", "want"),
    [
        ("curriculum", 0.0, [[0, 1, 0], [0, 1, 0], [0, 2 / 3, 1 / 3], [1 / 4, 1 / 2, 1 / 4]]),
        ("anticurriculum", 0.0, [[1, 0, 0], [1 / 2, 0, 1 / 2], [1 / 3, 1 / 3, 1 / 3], [1 / 4, 1 / 2, 1 / 4]]),
        ("curriculum", 0.4, [[0.1, 0.8, 0.1]] * 2 + [[0.1, 0.6, 0.3]] + [[1 / 4, 1 / 2, 1 / 4]]),
    ],
)
def test_a_curriculum_opens_the_sorted_samples_stage_by_stage(kind: str, mix: float, want: list[list[float]]) -> None:
    # y is easiest and half of everything, x hardest
    method = weighting({"kind": kind, "steps": 100, "stages": 4, "sizes": [1, 2, 1], "mix": mix}, GROUPS)
    assert method.reads_losses(0) and not method.reads_losses(25)
    history, step = History(), 0
    for stage, row in enumerate(want):
        assert step == 25 * stage and method.pace(step) == (stage + 1) / 4  # type: ignore[attr-defined]
        losses = np.array([3.0, 1.0, 2.0]) if step == 0 else None
        weights = method.weights(step, losses, history)
        np.testing.assert_allclose(weights, row, atol=1e-12)
        if losses is not None:
            history.evaluated(0, losses)
        step = method.next_step(step) or 100
    assert method.next_step(75) is None and method.pace(10_000) == 1  # type: ignore[attr-defined]


def test_a_curriculum_inside_groups_has_equal_weights_and_a_pace() -> None:
    method = weighting({"kind": "curriculum", "steps": 90, "stages": 3, "inside": True, "mix": 0.4}, GROUPS)
    np.testing.assert_allclose(method.weights(0, None, History()), [1 / 3] * 3)
    assert [method.pace(step) for step in (0, 29, 30, 89)] == [1 / 3, 1 / 3, 2 / 3, 1]  # type: ignore[attr-defined]
    assert not method.reads_losses(0) and method.next_step(0) == 30


def test_doremi_as_in_the_specification() -> None:
    measured = excess([np.array([0.3, -0.1, 0.2]), np.array([0.05, -0.2, 0.1])], [np.zeros(3), np.zeros(3)])
    np.testing.assert_allclose(measured, [0.166667, 0.05], atol=1e-6)
    assert excess([np.zeros(0)], [np.zeros(0)]).tolist() == [0.0]
    method = DoReMi(groups=("x", "y"))
    history = History()
    start = method.weights(0, None, history)
    history.updated(0, start)
    moved = method.weights(1, measured, history)
    np.testing.assert_allclose(moved, [0.529104, 0.470896], atol=1e-6)
    history.updated(1, moved)
    np.testing.assert_allclose(history.average(4), (start + 3 * moved) / 4)


def test_doge_scores_gradients_against_the_sum() -> None:
    gradients = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    np.testing.assert_allclose(gradient_scores(gradients, 0.1), [0.0, 0.4, 0.0])
    np.testing.assert_allclose(gradient_scores(gradients, 0.1, np.array([[1.0, 1.0]])), [0.1, 0.2, -0.1])
    # over the mean norm 4 / 3, then between 0 and 0.5
    np.testing.assert_allclose(gradient_scores(gradients, 0.1, np.array([[1.0, 9.0]]), clipped=True), [0.075, 0.5, 0])
    method, history = Doge(groups=GROUPS, mu=0.5), History()
    history.updated(0, method.weights(0, None, history))
    moved = method.weights(1, np.array([0.0, 0.4, 0.0]), history)
    np.testing.assert_allclose(moved[1] / moved[0], np.exp(0.8))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "skillit"}, "mixture.kind: one of static, proportional"),
        ({"kind": "static", "given": [1, 2]}, "2 weights for 3 groups"),
        ({"kind": "static", "given": [0, 0, 0]}, "from 0 up"),
        ({"kind": "temperature", "sizes": [1, 2, 3], "temperature": 0}, "mixture.temperature"),
        ({"kind": "stratified", "among": ["w"]}, "`among` names no group: w"),
        ({"kind": "curriculum"}, "mixture.steps"),
        ({"kind": "curriculum", "steps": 5, "sizes": [1, 0, 1]}, "above 0"),
        ({"kind": "doremi", "prior": [1, 2]}, "3 numbers above 0"),
        ({"kind": "stratified", "amung": ["x"]}, "mixture.amung"),
    ],
)
def test_mistakes_name_the_key(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        weighting(settings, GROUPS)


def test_skill_it_and_aioli_are_made_from_plain_settings() -> None:
    graph = [[1, 0, 0], [0.5, 1, 0], [0, 0, 1]]
    made = weighting({"kind": "skill_it", "graph": graph, "eta": 0.2, "update_every": 10}, GROUPS)
    assert made.next_step(0) == 10 and made.weights(0, None, History()).argmax() == 1
    made = weighting({"kind": "aioli", "cycle": 100, "ema": None}, GROUPS)
    assert made.next_step(0) == 4 and made.weights(0, np.ones(3), History()).max() == 0.625


RESUMED: dict[str, dict[str, Any]] = {
    "static": {"given": [1, 2, 3]},
    "proportional": {"sizes": [1, 2, 3]},
    "temperature": {"sizes": [1, 2, 3]},
    "stratified": {},
    "curriculum": {"steps": 40, "stages": 3},
    "anticurriculum": {"steps": 40, "stages": 3},
    "skill_it": {"graph": [[1, 0, 0], [0.5, 1, 0], [0, 0, 1]], "update_every": 7, "window_unit": "checkpoint"},
    "aioli": {"cycle": 14, "rounds": 1, "probe_steps": 2, "seed": 5},
    "doremi": {"update_every": 2},
    "doge": {"update_every": 3, "eps": 0.01},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_stopped_anywhere_goes_on_from_its_compact_history(kind: str) -> None:
    method = weighting({"kind": kind, **RESUMED[kind]}, GROUPS)
    whole, short, step, rng = History(), History(), 0, np.random.default_rng(9)
    while step < 60:
        losses = rng.random(3) + 1 if method.reads_losses(step) else None
        weights = method.weights(step, losses, whole)
        assert abs(weights.sum() - 1) < 1e-12 and (weights >= 0).all()
        # as if every step were the first after a checkpoint
        short = History.from_json(json.loads(json.dumps(method.compact(short).to_json())))
        assert method.weights(step, losses, short).tobytes() == weights.tobytes(), step
        for history in (whole, short):
            if losses is not None:
                history.evaluated(step, losses)
            history.updated(step, weights)
        step = method.next_step(step) or 60
    if kind in ("doremi", "doge"):
        assert short.average(60).tobytes() == whole.average(60).tobytes()
        assert len(json.dumps(method.compact(short).to_json())) < 500


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_says_what_it_is(kind: str) -> None:
    cls = KINDS[kind]
    assert cls.kind == kind and inspect.getdoc(cls) not in (None, "")
    assert all(field.description for field in cls.model_fields.values())


def test_history_takes_steps_in_order() -> None:
    history = History()
    history.evaluated(5, np.ones(1))
    with pytest.raises(ValueError, match="step 5 after one at step 5"):
        history.evaluated(5, np.ones(1))
    history.updated(3, np.ones(1))
    with pytest.raises(ValueError, match="step 2 after those of step 3"):
        history.updated(2, np.ones(1))
