"""Checkpoints: whole or not at all, in the format of Hugging Face, with what an exact resume needs.

OUTPUT/checkpoints/000200/model/        config, weights (safetensors, float32), tokenizer: loads with transformers
                          optimizer.pt  the optimizers' state, by the names of parameters
                          loss.pt       weights of the loss, where it has some
                          state.json    step, loader, guard, settings, what it was trained on; written last
OUTPUT/model -> checkpoints/000200/model
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from curate.files import committed_folder, point, read_json, sync, write_json
from curate.train.corda import save_corda

STATE = "state.json"


def folder_of(output: Path, step: int) -> Path:
    """The checkpoint after `step` steps."""
    return output / "checkpoints" / f"{step:06d}"


def checkpoints(output: Path) -> list[Path]:
    """All whole checkpoints, oldest first."""
    folder = output / "checkpoints"
    found = sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []
    return [path for path in found if (path / STATE).exists()]


def state_of(checkpoint: Path) -> dict[str, Any]:
    """The state of a checkpoint."""
    state: dict[str, Any] = read_json(checkpoint / STATE)
    return state


def save(
    output: Path, state: Mapping[str, Any], *, model: Any, weights: Mapping[str, Any], own: Mapping[str, Any],
    optimizer: Any, tokenizer: Path | None, card: str,
) -> Path:  # fmt: skip
    """Write the checkpoint of `state["step"]` beside, sync it, rename it. Only the first process calls it."""
    target = folder_of(output, state["step"])
    # of a run that was begun anew, or that saved this step before
    shutil.rmtree(target, ignore_errors=True)
    with committed_folder(target) as folder:
        if hasattr(model, "corda_start"):
            save_corda(model, weights, folder / "model")
        else:
            model.save_pretrained(folder / "model", state_dict=dict(weights))
        if tokenizer is not None:
            for file in tokenizer.iterdir():
                shutil.copyfile(file, folder / "model" / file.name)
        (folder / "model" / "README.md").write_text(card)
        for file in (folder / "model").iterdir():
            sync(file)
        torch.save(optimizer, folder / "optimizer.pt")
        if own:
            torch.save(dict(own), folder / "loss.pt")
        write_json(folder / STATE, state)
    point(output / "model", f"checkpoints/{target.name}/model")
    return target


def load_optimizer(checkpoint: Path) -> Any:
    """What `save` was given as `optimizer`."""
    return torch.load(checkpoint / "optimizer.pt", map_location="cpu", weights_only=True)


def load_own(checkpoint: Path, objective: Any) -> None:
    """Give the objective the weights of its loss."""
    if (path := checkpoint / "loss.pt").exists():
        objective.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=False)


def clean(output: Path, *, keep: int, best: int | None) -> None:
    """Remove all checkpoints but the newest `keep`, and that after `best` steps; and what a kill left of one half done."""
    for path in (output / "checkpoints").glob(".*.tmp"):
        shutil.rmtree(path)
    for path in checkpoints(output)[:-keep]:
        if int(path.name) != best:
            shutil.rmtree(path)
