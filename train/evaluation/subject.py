"""The model that is to be evaluated, wherever it stands, and the data that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, CurateError, MissingAsset, Problem
from curate.files import read_json
from curate.train.models import checkpoint_folder, readable
from curate.train.text_tokenizer import TextTokenizer, load_tokenizer
from curate.train.token_set import TokenSet

MOST_WINDOW = 2048
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Evaluated:
    """A model with its tokenizer; `data` are the sets it was trained on, as far as they are at hand."""

    name: str
    model: Any
    tokenizer: TextTokenizer
    data: tuple[TokenSet, ...]
    window: int


def open_evaluated(name: str, *, device: str) -> Evaluated:
    """A training's output folder, a checkpoint, a model's folder, or a name. Raises ConfigError, MissingAsset."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    chosen = _device(device, cuda=torch.cuda.is_available())
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder, state = find_model_folder(Path(name))
    if folder is None:
        if Path(name).exists() or name.startswith((".", "/")):
            what = "is no output folder of a training, no checkpoint, no model"
            raise ConfigError([Problem(name, what, "name what `curate train` wrote, or a model's folder")])
        place, tokenizer = checkpoint_folder(name), load_tokenizer(name)
    else:
        place, tokenizer = folder, load_tokenizer(str(folder))
    load: Any = AutoModelForCausalLM.from_pretrained
    _check_base(name, place)
    with readable("MODEL", name):
        model = load(place, dtype=torch.float32, local_files_only=True)
    window = min(MOST_WINDOW, int(getattr(model.config, "max_position_embeddings", None) or MOST_WINDOW))
    return Evaluated(name, model.to(chosen).eval(), tokenizer, _sets(state), window)


def _device(name: str, *, cuda: bool) -> str:
    """Raises ConfigError for a device that is none, or not here."""
    if name not in DEVICES:
        raise ConfigError([Problem("--device", f"unknown device `{name}`", f"allowed: {', '.join(DEVICES)}")])
    if name == "cuda" and not cuda:
        raise ConfigError([Problem("--device", "there is no CUDA device that torch can use", "auto or cpu")])
    return ("cuda" if cuda else "cpu") if name == "auto" else name


def _check_base(name: str, place: Path) -> None:
    """Raises ConfigError for adapters whose base is not there."""
    adapter = read_json(place / "adapter_config.json")
    base = adapter and adapter["base_model_name_or_path"]
    if adapter and not base:
        what = "is adapters for a model that began at random and was not kept"
        raise ConfigError([Problem(name, what, "train with `model.from`")])
    try:
        if base:
            checkpoint_folder(base)
    except MissingAsset as error:
        what = f"is adapters for the model `{base}`, which is not there"
        raise ConfigError([Problem(name, what, "put that model back")]) from error


def find_model_folder(path: Path) -> tuple[Path | None, dict[str, Any] | None]:
    """(the folder of the model, the state of its checkpoint if it is one's)."""
    for place in (path / "train" / "model", path / "model", path):
        if (place / "config.json").is_file() or (place / "adapter_config.json").is_file():
            return place, read_json(place.resolve().parent / "state.json")
    return None, None


def _sets(state: dict[str, Any] | None) -> tuple[TokenSet, ...]:
    """The sets of a checkpoint that are where they were, and what they were."""
    found = []
    for entry in (state or {}).get("data", []):
        try:
            held = TokenSet.open(entry["folder"])
        except CurateError:
            continue  # moved or gone: contamination is not measured, and that is said
        if held.hash == entry["hash"]:
            found.append(held)
    return tuple(found)
