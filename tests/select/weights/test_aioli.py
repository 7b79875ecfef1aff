"""Aioli: the numbers of the specification, its schedule of probes, and effects recovered from a run."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from curate.select.weights.aioli import Aioli, effects, probe_mixtures, solved
from curate.select.weights.history import History
from curate.select.weights.simulated import Learner
from curate.select.weights.weighting import softmax

GAINS = np.array([[0.30, 0.10, 0.05], [0.12, 0.40, 0.08], [0.06, 0.09, 0.20]])


def test_effects_as_in_the_specification() -> None:
    found = solved(GAINS, 0.625)
    raw = [[0.492857, 0.035714, -0.078571], [0.017143, 0.657143, -0.074286], [-0.012857, 0.055714, 0.307143]]
    scaled = [[0.271186, 0.054237, 0], [0.045424, 0.349153, 0.002034], [0.031186, 0.063729, 0.183051]]
    np.testing.assert_allclose(found.raw, raw, atol=1e-6)
    np.testing.assert_allclose(found.normalised, scaled, atol=1e-6)
    totals = found.normalised.sum(axis=0)
    np.testing.assert_allclose(totals, [0.347797, 0.467119, 0.185085], atol=1e-6)
    np.testing.assert_allclose(softmax(0.5 * totals), [0.335195, 0.355801, 0.309004], atol=1e-6)
    smoothed = effects(GAINS, 0.625, np.full((3, 3), 1 / 9), 0.1)
    np.testing.assert_allclose(softmax(0.5 * smoothed.sum(axis=0)), [0.335058, 0.353541, 0.311401], atol=1e-6)


def test_no_gain_at_all_is_equal_effects() -> None:
    assert solved(np.zeros((2, 2)), 0.625).normalised.tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_probes_take_turns_and_the_mixture_takes_the_rest_of_a_cycle() -> None:
    method = Aioli(groups=("x", "y", "z"), cycle=100, rounds=2, probe_steps=5)
    steps, step = [], 0
    while step < 200:
        steps.append(step)
        step = method.next_step(step) or 200
    assert steps == [0, 5, 10, 15, 20, 25, 30, 100, 105, 110, 115, 120, 125, 130]
    assert [at for at in steps if not method.reads_losses(at)] == []
    history, rows = History(), []
    for at in steps[:6]:
        rows.append(method.weights(at, np.ones(3), history))
        history.evaluated(at, np.ones(3))
    # each round probes each group once
    for turn in (rows[:3], rows[3:]):
        assert sorted(map(tuple, np.round(turn, 4))) == sorted(map(tuple, np.round(probe_mixtures(3, 0.625), 4)))
    np.testing.assert_allclose(method.weights(30, np.ones(3), history), [1 / 3] * 3)


@pytest.mark.parametrize("ema", [None, 0.1])
def test_a_run_finds_the_planted_effects(ema: float | None) -> None:
    # y helps all, x and z only themselves
    learner = Learner(np.array([[1, 0, 0], [1, 1, 1], [0, 0, 1]], float), np.ones(3), rate=1e-4)
    method = Aioli(groups=("x", "y", "z"), cycle=60, rounds=1, probe_steps=2, eta=3, ema=ema)
    losses, history = learner.run(method, 240)
    mixtures = [weights for step, weights in history.updates if step % 60 == 6]
    assert len(mixtures) == 4 and all(p[1] > 1.5 * max(p[0], p[2]) for p in mixtures)
    # multiplied on, it leans further with each cycle
    assert (mixtures[-1][1] > mixtures[0][1] + 0.1) == (ema is None)
    # from stored history, to the bit
    held = History.from_json(json.loads(json.dumps(history.to_json())))
    part = History(held.evaluations[:-1], held.updates[:-1])
    step = held.updates[-1][0]
    assert method.weights(step, held.evaluations[-1][1], part).tobytes() == history.updates[-1][1].tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"one_hot": 1 / 3}, "one_hot must be above 1 / 3"),
        ({"cycle": 48}, "probes take 48 steps of a cycle of 48"),
        ({"prior": (1, 0, 1)}, "3 numbers above 0"),
        ({"ema": 1.0}, "less than 1"),
    ],
)
def test_bad_settings_are_told(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Aioli.model_validate({"groups": ("x", "y", "z"), **change})
