"""The table of parameter policies: what `train_only: {kind: ..., ...}` of a training file may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.train.objectives.kinds import chosen
from curate.train.policies.freeze import Freeze
from curate.train.policies.half import Half
from curate.train.policies.layer_decay import LayerDecay
from curate.train.policies.policy import All, Policy

POLICIES: dict[str, type[Policy]] = {cls.kind: cls for cls in (All, Freeze, LayerDecay, Half)}


def make_policy(settings: Mapping[str, Any]) -> Policy:
    """The policy that settings name. Raises ConfigError with all that is wrong."""
    return chosen(settings, POLICIES, "train_only")


def apply_policy(policy: Policy, model: Any) -> dict[str, float]:
    """Freeze what is not trained; the share of the learning rate of each parameter, by name. Raises ConfigError."""
    found = policy.shares([name for name, _ in model.named_parameters()])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(found[name] > 0)
    return found
