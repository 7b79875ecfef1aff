"""Objectives: the worked examples of their papers' definitions, gradients, and what they read from the data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from curate.errors import ConfigError  # noqa: E402
from curate.train.objectives.distillation import ensemble  # noqa: E402
from curate.train.objectives.kinds import LOSSES, make_loss  # noqa: E402
from curate.train.objectives.token_loss import Given  # noqa: E402

LOGITS = [[2.0, 1, 0], [0, 0, 0], [0, 3, 0]]
START = [[1.0, 1, 0], [0, 0, 0], [0, 3, 0]]


def tensor(values: Any) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def of_probabilities(p: list[float]) -> Any:
    """Logits of two tokens whose first has these probabilities."""
    return torch.stack([tensor(p).log(), (1 - tensor(p)).log()], dim=1)


def test_dft_weighs_by_the_probability_and_has_the_gradient_of_its_definition() -> None:
    logits, targets = tensor(LOGITS[:2]).requires_grad_(), torch.tensor([0, 2])
    loss = make_loss({"kind": "dft"}).losses(logits, targets, Given()).mean()
    assert float(loss.detach()) == pytest.approx(0.318680, abs=1e-6)
    (grad,) = torch.autograd.grad(loss, logits)
    assert grad[0].tolist() == pytest.approx([-0.111348, 0.081402, 0.029946], abs=1e-6)
    plain = make_loss({"kind": "cross_entropy"}).losses(tensor(LOGITS[:2]), targets, Given())
    assert float(plain.mean()) == pytest.approx(0.753109, abs=1e-6)


def test_a_floor_lets_dft_learn_what_has_no_probability() -> None:
    logits = tensor([[0.0, 20.0]]).requires_grad_()
    for floor, least in ((0.0, 0), (0.1, 0.09)):
        loss = make_loss({"kind": "dft", "p_floor": floor}).losses(logits, torch.tensor([0]), Given())
        (grad,) = torch.autograd.grad(loss.sum(), logits)
        assert abs(float(grad[0, 0])) == pytest.approx(least, abs=0.02)


def test_asft_adds_the_forward_divergence_from_the_start() -> None:
    logits, targets = tensor(LOGITS[:2]), torch.tensor([0, 2])
    given = Given(frozen=(tensor(START[:2]),))
    assert float(make_loss({"kind": "asft"}).losses(logits, targets, given).mean()) == pytest.approx(0.321762, abs=1e-6)
    alone = make_loss({"kind": "asft", "kl": 1}).losses(logits, targets, given) - make_loss({"kind": "dft"}).losses(
        logits, targets, Given()
    )
    # KL(start || model), not the other way round (0.119630)
    assert alone.tolist() == pytest.approx([0.123292, 0.0], abs=1e-6)


def test_unlikelihood_hard_and_soft() -> None:
    logits, scores, targets = of_probabilities([0.5, 0.2, 0.9]), tensor([0, 0, 0.01]), torch.tensor([0, 0, 0])
    hard = make_loss({"kind": "unlikelihood", "threshold": 0.001}).losses(logits, targets, Given(scores))
    assert hard.tolist() == pytest.approx([0.693147, 1.609438, 2.302585], abs=1e-6)
    soft = make_loss({"kind": "unlikelihood", "threshold": 0, "mode": "soft"}).losses(logits, targets, Given(scores))
    assert float(soft.mean()) == pytest.approx(0.809973, abs=1e-6)
    sure = make_loss({"kind": "unlikelihood", "threshold": 0}).losses(
        tensor([[90.0, 0.0]]), torch.tensor([0]), Given(tensor([1.0]))
    )
    assert math.isfinite(float(sure))


def test_rewards_and_advantages_weigh_tokens() -> None:
    logits, scores, targets = of_probabilities([0.5, 0.2, 0.9]), tensor([0, 0, 0.01]), torch.tensor([0, 0, 0])
    assert float(make_loss({"kind": "rwr"}).losses(logits, targets, Given(scores)).mean()) == pytest.approx(
        0.802613, abs=1e-6
    )
    awr = make_loss({"kind": "awr", "beta": 0.1})
    values = tensor([-0.002, -0.001, -0.004]).requires_grad_()
    policy = awr.losses(logits, targets, Given(scores, values.detach()))
    weights = policy / (-logits.log_softmax(-1)[:, 0]) / 0.5
    assert weights.tolist() == pytest.approx([1.020201, 1.010050, 0.941765], abs=1e-6)
    assert float((policy + awr.value_losses(values, scores).detach()).mean()) == pytest.approx(0.405338, abs=1e-6)


def test_an_ensemble_means_probabilities_or_logits() -> None:
    members = [tensor([[3.0, 0, 0]]), tensor([[0.0, 1, 0]])]
    assert ensemble(members, "logits").exp()[0].tolist() == pytest.approx([0.628532, 0.231224, 0.140244], abs=1e-6)
    assert ensemble(members, "probabilities").exp()[0].tolist() == pytest.approx(
        [0.560692, 0.310698, 0.128610], abs=1e-6
    )


def test_a_teacher_that_is_the_model_adds_nothing() -> None:
    logits, targets = tensor(LOGITS), torch.tensor([0, 2, 1])
    loss = make_loss({"kind": "distill", "teachers": ["a"], "weight": 0.5, "temperature": 2})
    plain = make_loss({"kind": "cross_entropy"}).losses(logits, targets, Given())
    assert loss.losses(logits, targets, Given(frozen=(logits,))).tolist() == pytest.approx((plain / 2).tolist())
    apart = loss.losses(logits, targets, Given(frozen=(tensor(START),)))
    p, q = (tensor(START) / 2).softmax(-1), (logits / 2).log_softmax(-1)
    assert apart.tolist() == pytest.approx((plain / 2 + 2 * (p * (p.log() - q)).sum(-1)).tolist())


def test_masked_thought_rises_as_released() -> None:
    loss: Any = make_loss({"kind": "masked_thought"})
    assert [round(loss.rate(s, 100), 4) for s in (0, 10, 33, 50, 67)] == [0, 0.0597, 0.1970, 0.2985, 0.4]


def test_every_objective_is_in_the_table_under_its_name_and_says_where_it_is_from() -> None:
    names = "cross_entropy dft asft anchored unlikelihood rwr awr masked_thought distill"
    assert " ".join(LOSSES) == names and all(cls.source and cls.__doc__ for cls in LOSSES.values())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "dfs"}, "did you mean dft"),
        ({"kind": "dft", "p_flor": 1}, "did you mean p_floor"),
        ({"kind": "unlikelihood"}, r"loss.threshold"),
        ({"kind": "rwr", "beta": 0}, "loss.beta"),
        ({"kind": "distill", "teachers": []}, "loss.teachers"),
    ],
)
def test_mistakes_are_told(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_loss(settings)


def test_unlikelihood_falls_where_good_tokens_gain_and_bad_ones_lose() -> None:
    """Property: the gradient raises the logit of a good target and lowers that of a bad one."""
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(50, 7))).requires_grad_()
    targets = torch.tensor(rng.integers(0, 7, 50))
    scores = torch.tensor(rng.random(50))
    loss = make_loss({"kind": "unlikelihood", "threshold": 0.5}).losses(logits, targets, Given(scores)).sum()
    (grad,) = torch.autograd.grad(loss, logits)
    at_target = grad.gather(1, targets[:, None])[:, 0]
    assert bool(((at_target > 0) == (scores > 0.5)).all())
