"""`layer_decay`: the lower the layer, the smaller its learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from curate.train.layers import is_embedding, layer_of, layers_in
from curate.train.policies.policy import Policy


class LayerDecay(Policy):
    """Layer l of L learns at decay^(L - l), the embeddings at decay^L, the last norm and the head at the whole rate."""

    kind: ClassVar[str] = "layer_decay"
    source: ClassVar[str] = "ULMFiT (Howard and Ruder 2018); Tinn et al. 2023 (arXiv 2112.07869)"

    decay: float = Field(0.9, gt=0, le=1, description="0.8 to 0.95")

    def shares(self, names: Sequence[str]) -> dict[str, float]:
        """By layer."""
        layers = layers_in(names)

        def share(name: str) -> float:
            layer = layer_of(name)
            if layer is None:
                return self.decay**layers if is_embedding(name) else 1.0
            return self.decay ** (layers - 1 - layer)

        return {name: share(name) for name in names}
