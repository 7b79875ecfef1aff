"""Elastic weight consolidation: the penalty by hand, the Fisher diagonal against gradients one row at a time, a run."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from token_sets import make_set, random_lengths  # noqa: E402
from training_runs import TINY, VOCABULARY, losses_of, run, settings, stop_at  # noqa: E402

from curate.train.ewc import Penalty, fisher_of  # noqa: E402
from curate.train.loader import Loader  # noqa: E402
from curate.train.loop import prepare  # noqa: E402
from curate.train.parallel import Parallel  # noqa: E402
from curate.train.plan import PlanSettings  # noqa: E402
from curate.train.token_set import TokenSet  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(
        tmp_path_factory.mktemp("ewc") / "set", {"web": random_lengths(2, 60, mean=40)}, vocabulary=VOCABULARY
    ).folder


def test_the_penalty_and_its_gradient_by_hand() -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.constant_(model.weight, 1.0)
    penalty = Penalty(model, {"weight": torch.tensor([[1.0, 4.0]])}, {"weight": torch.zeros(1, 2)}, 2.0)
    model.weight.grad = torch.tensor([[10.0, 0.0]])
    assert penalty.add() == pytest.approx(5.0)
    assert model.weight.grad.tolist() == [[12.0, 8.0]]


def test_fisher_is_the_mean_of_squared_gradients_of_single_rows(data: Path, tmp_path: Path) -> None:
    # dropout is not of the model that is held
    shape = {"preset": "1m", "config": TINY | {"attention_dropout": 0.5}}
    chosen = settings(data, tmp_path, steps=1, mixture={"kind": "proportional"}, model=shape)
    model = prepare(chosen, Parallel(chosen)).objective.model
    loader = Loader([TokenSet.open(data)], PlanSettings(32, 3, 0), threads=0)
    batches = [next(loader), next(loader)]
    found = fisher_of(model, batches)
    wanted = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    model.eval()
    for batch in batches:
        for row in batch.micro_batches(1):
            from curate.train.attention import model_inputs

            logits = model(**model_inputs(model, row)).logits[0, :-1]
            labels = torch.from_numpy(row.labels)[0, 1:]
            loss = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100)
            for (name, _), grad in zip(
                model.named_parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True
            ):
                wanted[name] += grad**2 / 6
    for name, value in wanted.items():
        assert torch.allclose(found[name], value, rtol=1e-3, atol=1e-10), name


def test_a_run_with_a_penalty_resumes_to_the_bit_and_moves_less(data: Path, tmp_path: Path) -> None:
    run(settings(data, tmp_path / "old", steps=2, mixture={"kind": "proportional"}))
    more = {
        "steps": 4, "checkpoint": {"every": 2}, "mixture": {"kind": "proportional"},
        "model": {"from": str(tmp_path / "old/model")}, "seed": 9,
    }  # fmt: skip
    held = {**more, "ewc": {"data": str(data), "rows": 4, "weight": 1e6}}
    whole = losses_of(run(settings(data, tmp_path / "whole", **held)))
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            run(settings(data, tmp_path / "cut", **held))
    assert losses_of(run(settings(data, tmp_path / "cut", **held))) == whole
    assert whole[0]["penalty"] == 0 < whole[-1]["penalty"]
    free = losses_of(run(settings(data, tmp_path / "free", **more)))
    assert free[-1]["loss"] < whole[-1]["loss"] and free[0]["loss"] == whole[0]["loss"]
