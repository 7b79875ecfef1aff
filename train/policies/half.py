"""`hft`: half of the matrices of each layer stay as they are, drawn anew each round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from curate.errors import ConfigError, Problem
from curate.train.layers import layer_of, layers_in
from curate.train.policies.policy import Policy

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")
NORMS = ("input_layernorm", "post_attention_layernorm")


class Half(Policy):
    """Of each layer two of four attention matrices and one of two norms stay; of its three feed-forward matrices two in a
    random half of the layers and one in the others. Embeddings and head are trained.

    `round` numbers the stages of a model's life (each task, then preferences): another round draws other halves.
    """

    kind: ClassVar[str] = "hft"
    source: ClassVar[str] = "Half Fine-Tuning (Hui et al. 2025, arXiv 2404.18466)"

    seed: int = Field(0, ge=0)
    round: int = Field(0, ge=0, description="which stage this is")

    def shares(self, names: Sequence[str]) -> dict[str, float]:
        """0 for the half that stays."""
        layers = layers_in(names)
        rng = np.random.default_rng([self.seed, self.round])
        two = set(rng.choice(layers, layers // 2, replace=False).tolist())
        frozen: dict[int, set[str]] = {}
        for layer in range(layers):
            frozen[layer] = {
                *_drawn(rng, ATTENTION, 2), *_drawn(rng, FEED_FORWARD, 2 if layer in two else 1), *_drawn(rng, NORMS, 1)
            }  # fmt: skip
        parts = [(name, layer_of(name), name.split(".")[-2:-1]) for name in names]
        known = {(layer, part[0]) for _, layer, part in parts if layer is not None and part}
        missing = [part for part in (*ATTENTION, *FEED_FORWARD, *NORMS) if not layers or (0, part) not in known]
        if missing:
            what = f"halves are of {', '.join(missing)}, and the model's layers have no such parts"
            raise ConfigError([Problem("train_only.kind", what, "fused matrices cannot be halved: choose `freeze`")])
        return {
            name: 0.0 if layer is not None and part and part[0] in frozen[layer] else 1.0 for name, layer, part in parts
        }


def _drawn(rng: Any, among: Sequence[str], count: int) -> list[str]:
    return [among[i] for i in rng.choice(len(among), count, replace=False).tolist()]
