"""CorDA (Yang et al. 2024, arXiv 2406.05223): adapters begin with the directions of a weight that matter least for some data.

With s = alpha / rank, a run trains A and B on what is left of the weight W: W - s B0 A0. Its files hold the same model as plain
LoRA of twice the rank on W itself, [B, -B0] [A; A0]: peft loads them, and a run that goes on finds A, B, A0 and B0 in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from curate.files import read_json, write_json

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def with_corda(model: Any, targets: Any, run: Callable[[Any], None], **settings: Any) -> Any:
    """The model with adapters of peft by `settings`, as `run(model)`, which reads the data row by row, decides their beginning
    (knowledge-preserved mode). Raises ValueError for layers that are not there."""
    import peft
    import torch
    from peft.tuners.lora import corda
    from peft.tuners.lora.config import CordaConfig

    if targets == "all-linear":
        head = model.get_output_embeddings()
        linear = [(name, part) for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
        targets = [name for name, part in linear if part is not head]
    config = peft.LoraConfig(
        target_modules=targets, init_lora_weights="corda", corda_config=CordaConfig(corda_method="kpm"), **settings
    )
    corda.preprocess_corda(model, config, run_model=lambda: run(model))
    made: Any = peft.get_peft_model(model, config)
    made.corda_start = {name: p.detach().clone() for name, p in made.named_parameters() if ".lora_" in name}
    return made


def save_corda(model: Any, weights: Mapping[str, Any], folder: Path) -> None:
    """Write the adapters as plain LoRA of twice the rank; `weights` are the model's, by its names."""
    import torch

    doubled = dict(weights)
    for name, start in model.corda_start.items():
        first = ".lora_A." in name
        now = weights[name]
        doubled[name] = torch.cat([now, (start if first else -start).to(now.device)], 0 if first else 1)
    model.save_pretrained(folder, state_dict=doubled)
    config: Any = read_json(folder / CONFIG)
    more = {
        "r": 2 * config["r"],
        "lora_alpha": 2 * config["lora_alpha"],
        "init_lora_weights": True,
        "corda_config": None,
    }
    write_json(folder / CONFIG, {**config, **more})


def reload_corda(base: Any, folder: Path) -> Any:
    """What `save_corda` wrote, on the model that the run began with, to the bit as it was."""
    import peft
    from peft.utils.other import transpose
    from safetensors.torch import load_file

    config = peft.LoraConfig.from_pretrained(str(folder))
    config.r, config.lora_alpha, config.inference_mode = config.r // 2, config.lora_alpha // 2, False
    made: Any = peft.get_peft_model(base, config)
    saved, size = load_file(folder / WEIGHTS), config.r
    made.corda_start = {}
    for name, first in saved.items():
        place, found, _ = name.partition(".lora_A.")
        if not found:
            continue
        layer, second = made.get_submodule(place), saved[f"{place}.lora_B.weight"]
        begun = {"A": first[size:].clone(), "B": -second[:, size:].contiguous()}
        layer.lora_A["default"].weight.data.copy_(first[:size])
        layer.lora_B["default"].weight.data.copy_(second[:, :size])
        # in the order of corda's own beginning: sums are of the same bits
        taken = layer.scaling["default"] * begun["B"] @ begun["A"]
        layer.get_base_layer().weight.data -= transpose(taken, layer.fan_in_fan_out)
        made.corda_start |= {f"{place}.lora_{half}.default.weight": value for half, value in begun.items()}
    return made
