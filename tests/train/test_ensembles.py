"""Ensembles against whole logits; coordinate descent against the whole grid."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from token_sets import make_set  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from curate.errors import ConfigError  # noqa: E402
from curate.train.ensembles import Ensemble  # noqa: E402
from curate.train.held_out import HeldOut  # noqa: E402
from curate.train.tuning import coordinate_descent  # noqa: E402


def test_an_ensemble_is_measured_by_the_mean_of_its_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.train import losses as losses_module

    monkeypatch.setattr(losses_module, "CPU_CHUNK_LOGITS", 200)
    config = LlamaConfig(
        vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=12, initializer_range=0.5,
    )  # fmt: skip
    models = []
    for seed in range(3):
        torch.manual_seed(seed)
        models.append(LlamaForCausalLM(config).eval())
    data = make_set(tmp_path / "set", {"web": [9, 30, 14]}, vocabulary=32)
    measure = HeldOut(data, context=64)
    losses: dict[str, list[float]] = {"probabilities": [], "logits": []}
    for document in data.documents("web"):
        ids = torch.from_numpy(document.tokens.astype(np.int64))[None]
        with torch.no_grad():
            logits = torch.stack([model(input_ids=ids).logits[0, :-1] for model in models])
        rows = torch.arange(ids.shape[1] - 1)
        losses["probabilities"] += (-logits.softmax(-1).mean(0).log()[rows, ids[0, 1:]]).tolist()
        losses["logits"] += (-logits.mean(0).log_softmax(-1)[rows, ids[0, 1:]]).tolist()
    for average in ("probabilities", "logits"):
        assert measure.loss(Ensemble(models, average)) == pytest.approx(np.mean(losses[average]), abs=1e-5)  # type: ignore[arg-type]
    alone = [measure.loss(model) for model in models]
    assert measure.loss(Ensemble(models[:1], "logits")) == pytest.approx(alone[0], abs=1e-6)
    # Jensen: the mean of probabilities is never worse than the mean of losses
    assert measure.loss(Ensemble(models, "probabilities")) <= np.mean(alone)


@pytest.mark.parametrize("seed", range(5))
def test_descent_ends_where_no_single_step_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = {"lr": [1, 2, 3], "decay": [0.1, 0.3, 1.0, 3.0], "epochs": [4, 8]}
    table = dict(zip(itertools.product(*grid.values()), rng.random(24).tolist(), strict=True))
    asked: list[tuple[float, ...]] = []

    def loss_of(setting: dict[str, float]) -> float:
        asked.append(tuple(setting.values()))
        return table[asked[-1]]

    found, tried = coordinate_descent(grid, {"lr": 2, "decay": 0.1, "epochs": 4}, loss_of)
    best = table[tuple(found.values())]
    for name, values in grid.items():
        at = values.index(found[name])  # type: ignore[arg-type]
        for other in (at - 1, at + 1):
            if 0 <= other < len(values):
                assert table[tuple({**found, name: values[other]}.values())] >= best
    assert len(asked) == len(set(asked)) == len(tried) and best == min(tried.values())


def test_a_bowl_is_descended_to_its_bottom_and_a_start_outside_is_told() -> None:
    grid = {"a": list(range(9)), "b": list(range(9))}
    found, _ = coordinate_descent(grid, {"a": 0, "b": 8}, lambda s: (s["a"] - 6) ** 2 + (s["b"] - 1) ** 2)
    assert found == {"a": 6, "b": 1}
    with pytest.raises(ConfigError, match=r"start\.b: 9"):
        coordinate_descent(grid, {"a": 0, "b": 9}, lambda _: 0.0)


@pytest.mark.parametrize("losses", [[0.5, 1.0, float("nan")], [0.5, 1.0, 2.0]])
@pytest.mark.parametrize("start", [2, 3])
def test_a_run_that_diverged_is_the_worst(losses: list[float], start: int) -> None:
    found, tried = coordinate_descent({"lr": [1, 2, 3]}, {"lr": start}, lambda setting: losses[setting["lr"] - 1])
    assert found == {"lr": 1} and len(tried) == 3
