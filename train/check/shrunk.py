"""The model of a training made small: the same architecture and attention, two layers, a few heads of 16."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from curate.train.settings import ModelSettings

LAYERS, HEADS, HEAD = 2, 4, 16
# Parameters up to which the model itself is tried.
SMALL = 8_000_000


def shrunk(config: Any, settings: ModelSettings, folder: Path) -> ModelSettings:
    """Settings of a model with this configuration made small, which is written to `folder`."""
    import torch
    from transformers import AutoModelForCausalLM

    from curate.train.varlen import use_varlen

    use_varlen()
    torch.manual_seed(0)
    make: Any = AutoModelForCausalLM.from_config
    try:
        made = make(_narrow(config), attn_implementation=settings.attention, dtype=torch.float32)
    except (ValueError, RuntimeError, AttributeError, TypeError, KeyError):
        # an architecture whose widths depend on each other in another way keeps them
        made = make(_shallow(config), attn_implementation=settings.attention, dtype=torch.float32)
    made.save_pretrained(folder)
    return ModelSettings.model_validate({"from": str(folder), "attention": settings.attention})


def _shallow(config: Any) -> Any:
    made = copy.deepcopy(config)
    made.num_hidden_layers = min(LAYERS, config.num_hidden_layers)
    if getattr(made, "layer_types", None):
        made.layer_types = list(made.layer_types)[: made.num_hidden_layers]
    return made


def _narrow(config: Any) -> Any:
    made = _shallow(config)
    heads = min(HEADS, config.num_attention_heads)
    kept = getattr(config, "num_key_value_heads", None)
    if kept:
        made.num_key_value_heads = max(1, heads * kept // config.num_attention_heads)
    made.num_attention_heads, made.hidden_size = heads, heads * HEAD
    if getattr(config, "head_dim", None):
        made.head_dim = HEAD
    if getattr(config, "intermediate_size", None):
        made.intermediate_size = 2 * made.hidden_size
    return made
