"""Parameter policies: counts and rates of the papers' definitions on the names of a Llama."""

from __future__ import annotations

from typing import Any

import pytest

from curate.errors import ConfigError
from curate.train.layers import layer_of
from curate.train.policies.kinds import POLICIES, make_policy

PARTS = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
    "mlp.down_proj", "input_layernorm", "post_attention_layernorm",
)  # fmt: skip
NAMES = [
    "model.embed_tokens.weight",
    *(f"model.layers.{layer}.{part}.weight" for layer in range(4) for part in PARTS),
    "model.norm.weight",
    "lm_head.weight",
]


def frozen(settings: dict[str, Any]) -> list[str]:
    return [name for name, share in make_policy(settings).shares(NAMES).items() if not share]


def test_half_fine_tuning_freezes_half_of_each_layer() -> None:
    found = frozen({"kind": "hft", "seed": 1})
    assert sum("self_attn" in name for name in found) == 8
    assert sum("mlp" in name for name in found) == 6
    assert sum("layernorm" in name for name in found) == 4
    assert len(found) == 18
    for layer in range(4):
        held = [name for name in found if layer_of(name) == layer]
        assert sum("self_attn" in name for name in held) == 2 and sum("norm" in name for name in held) == 1
        assert sum("mlp" in name for name in held) in (1, 2)


def test_another_round_draws_another_half_and_the_same_round_the_same() -> None:
    first, again, second = (frozen({"kind": "hft", "round": r}) for r in (0, 0, 1))
    assert first == again and first != second


def test_layer_decay_is_that_of_its_definition() -> None:
    shares = make_policy({"kind": "layer_decay", "decay": 0.8}).shares(NAMES)
    rates = [
        1e-3 * shares[n]
        for n in ("model.embed_tokens.weight", *(f"model.layers.{i}.mlp.up_proj.weight" for i in range(4)))
    ]
    assert rates == pytest.approx([4.096e-4, 5.12e-4, 6.4e-4, 8e-4, 1e-3])
    assert shares["lm_head.weight"] == shares["model.norm.weight"] == 1


def test_freezing_by_layer_and_by_name() -> None:
    assert len(frozen({"kind": "freeze", "below": 2})) == 1 + 2 * len(PARTS)
    assert frozen({"kind": "freeze", "names": ["*embed*"]}) == ["model.embed_tokens.weight"]
    one = make_policy({"kind": "freeze", "only": ["*.2.mlp.down_proj.*"]}).shares(NAMES)
    assert [name for name, share in one.items() if share] == ["model.layers.2.mlp.down_proj.weight"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "half"}, "allowed: all, freeze, layer_decay, hft"),
        ({"kind": "freeze", "below": 4}, "the model has 4 layers"),
        ({"kind": "freeze", "names": ["*.attention.*"]}, "no parameter is called"),
        ({"kind": "freeze", "names": ["*"]}, "nothing is left"),
        ({"kind": "layer_decay", "decay": 0}, "train_only.decay"),
    ],
)
def test_mistakes_are_told(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_policy(settings).shares(NAMES)


def test_fused_matrices_are_not_halved() -> None:
    fused = ["h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight", "h.0.mlp.c_fc.weight", "h.0.ln_1.weight"]
    with pytest.raises(ConfigError, match="q_proj"):
        make_policy({"kind": "hft"}).shares(fused)
    assert [layer_of(name) for name in ("transformer.h.11.mlp.c_fc.weight", "wte.weight", "a.layers.3.x")] == [
        11,
        None,
        3,
    ]


def test_every_policy_is_in_the_table_under_its_name() -> None:
    assert list(POLICIES) == ["all", "freeze", "layer_decay", "hft"] and all(
        cls.source and cls.__doc__ for cls in POLICIES.values()
    )
