"""Which layer a parameter is of, by its name: as transformers names them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|blocks|block|h)\.(\d+)\.")
_EMBEDDINGS = re.compile(r"(?:^|\.)(?:embed_tokens|embed_positions|wte|wpe|word_embeddings|embeddings|embed_in)\.")


def layer_of(name: str) -> int | None:
    """The number of the parameter's layer from 0, or None outside of layers (embeddings, last norm, head)."""
    found = _LAYER.search(name)
    return int(found[1]) if found else None


def layers_in(names: Iterable[str]) -> int:
    """How many layers these parameters have."""
    return max((layer for name in names if (layer := layer_of(name)) is not None), default=-1) + 1


def is_embedding(name: str) -> bool:
    """Whether it is an embedding of the input (the head as well where they are tied)."""
    return layer_of(name) is None and _EMBEDDINGS.search(name) is not None
