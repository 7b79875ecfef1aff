"""Skill-It: the numbers of the specification, windows of rounds and of checkpoints, resumed from JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from curate.errors import CurateError
from curate.select.weights.history import Floats, History
from curate.select.weights.skill_it import SkillIt

LEGO = ((1, 0, 0, 0, 0), (0.5, 1, 0.5, 0.5, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1))
GROUPS = ("a", "b", "c", "d", "e")
L1, L2 = [0.1, 0.6, 0.5, 0.4, 0.7], [0.01, 0.3, 0.4, 0.2, 0.6]


def trajectory(method: SkillIt, losses: list[Any]) -> list[Floats]:
    """The weights at each round, given the losses at its start (None for the first)."""
    history, made, step = History(), [], 0
    for values in losses:
        made.append(method.weights(step, None if values is None else np.array(values), history))
        if values is not None:
            history.evaluated(step, np.array(values))
        history.updated(step, made[-1])
        step = method.next_step(step) or 0
    return made


@pytest.mark.parametrize(
    ("window", "third"),
    [
        (1, [0.166539, 0.224243, 0.202397, 0.183137, 0.223683]),
        (2, [0.128287, 0.284795, 0.190427, 0.163902, 0.232588]),
        (3, [0.128287, 0.284795, 0.190427, 0.163902, 0.232588]),
    ],
)
def test_lego_as_in_the_specification(window: int, third: list[float]) -> None:
    method = SkillIt(groups=GROUPS, graph=LEGO, eta=0.5, window=window, update_every=10)
    p1, p2, p3 = trajectory(method, [None, L1, L2])
    np.testing.assert_allclose(p1, [0.163479, 0.346085, 0.163479, 0.163479, 0.163479], atol=1e-6)
    np.testing.assert_allclose(p2, [0.156695, 0.258347, 0.191388, 0.182054, 0.211516], atol=1e-6)
    np.testing.assert_allclose(p3, third, atol=1e-6)


def test_fine_tuning_has_a_column_for_its_target() -> None:
    # [1,0,0] [.5,1,.5] [0,0,1], the target is the third
    method = SkillIt(groups=("x", "y", "z"), targets=("z",), graph=((0,), (0.5,), (1,)), eta=0.5, update_every=5)
    p1, p2 = trajectory(method, [None, [0.4]])
    np.testing.assert_allclose(p1, [0.254275, 0.326496, 0.419229], atol=1e-6)
    np.testing.assert_allclose(p2, [0.300610, 0.332225, 0.367165], atol=1e-6)


def test_out_of_domain_has_other_columns_and_negative_edges() -> None:
    method = SkillIt(groups=("x", "y"), targets=("u", "v"), graph=((0.4, 0.1), (-0.2, 0.3)), eta=0.2, update_every=5)
    p1, p2 = trajectory(method, [None, [2, 3]])
    np.testing.assert_allclose(p1, [0.519989, 0.480011], atol=1e-6)
    np.testing.assert_allclose(p2, [0.529964, 0.470036], atol=1e-6)


def test_checkpoints_count_every_evaluation_and_can_be_averaged() -> None:
    settings: dict[str, Any] = {"groups": ("x", "y"), "graph": ((1, 0), (0, 1)), "eta": 1.0, "update_every": 10}
    history = History()
    for step, losses in ((0, [3.0, 1.0]), (5, [2.0, 1.0])):
        history.evaluated(step, np.array(losses))
    history.updated(0, np.array([0.5, 0.5]))
    now = np.array([1.0, 1.0])

    def odds(**more: Any) -> float:
        p = SkillIt(**settings, **more).weights(10, now, history)
        return float(np.log(p[0] / p[1]))

    assert odds() == pytest.approx(0)  # rounds: the losses of step 10 alone
    assert odds(window_unit="checkpoint", window=3) == pytest.approx(2 + 1 + 0)
    assert odds(window_unit="checkpoint", window=2) == pytest.approx(1)
    assert odds(window_unit="checkpoint", window=3, window_reduce="mean") == pytest.approx(1)


def test_a_prior_multiplies_every_mixture() -> None:
    equal = SkillIt(groups=GROUPS, graph=LEGO, update_every=10)
    leaning = SkillIt(groups=GROUPS, graph=LEGO, update_every=10, prior=(1, 2, 1, 1, 0))
    for p, q in zip(trajectory(equal, [None, L1]), trajectory(leaning, [None, L1]), strict=True):
        want = p * [1, 2, 1, 1, 0]
        np.testing.assert_allclose(q, want / want.sum())


def test_a_huge_eta_does_not_overflow_and_one_round_is_legal() -> None:
    method = SkillIt(groups=GROUPS, graph=LEGO, eta=1000)
    assert method.next_step(0) is None and not method.reads_losses(0)
    np.testing.assert_allclose(method.weights(0, None, History()), [0, 1, 0, 0, 0], atol=1e-12)


def test_a_run_resumed_from_json_goes_on_to_the_bit() -> None:
    method = SkillIt(groups=GROUPS, graph=LEGO, update_every=10, window=2)
    rng = np.random.default_rng(1)
    losses = [None, *rng.random((5, 5))]
    whole = trajectory(method, losses)
    history = History()
    for number, values in enumerate(losses):
        history = History.from_json(json.loads(json.dumps(history.to_json())))
        p = method.weights(number * 10, values, history)
        assert p.tobytes() == whole[number].tobytes()
        if values is not None:
            history.evaluated(number * 10, values)
        history.updated(number * 10, p)


@pytest.mark.parametrize(
    ("losses", "words"),
    [(None, "no losses given"), ([1.0], "losses for 5"), ([1, np.nan, 1, 1, np.inf], "b nan, e inf")],
)
def test_bad_losses_are_named(losses: Any, words: str) -> None:
    method = SkillIt(groups=GROUPS, graph=LEGO, update_every=10)
    with pytest.raises(CurateError, match=words):
        method.weights(10, losses if losses is None else np.array(losses), History())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"graph": LEGO[:4]}, "5 rows"),
        ({"graph": ((float("nan"),) * 5,) * 5}, "finite"),
        ({"prior": (1, 2)}, "5 numbers"),
        ({"prior": (0,) * 5}, "above 0"),
        ({"groups": ("a",) * 5}, "different names"),
        ({"eta": -1}, "greater than or equal to 0"),
    ],
)
def test_bad_settings_are_told(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SkillIt.model_validate({"groups": GROUPS, "graph": LEGO, **change})
