"""The models that a loss reads and that are not trained: the one that the run began with, and teachers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, Problem
from curate.train.losses import Reader
from curate.train.models import readable, reload_model
from curate.train.objectives.token_loss import TokenLoss


def frozen_readers(loss: TokenLoss, model: Any, begin: Callable[[], Any] | None, *, attention: str, device: Any) -> Any:
    """A Reader of each. `begin` makes the model of the start; None: `model` has adapters, and is read without them.

    Raises ConfigError for a teacher of another vocabulary.
    """
    found = []
    if loss.reads_start:
        found.append(Reader(model, adapter=False) if begin is None else _still(begin(), device))
    size = model.get_input_embeddings().weight.shape[0]
    for folder in loss.frozen_models():
        with readable("loss.teachers", folder, "name the folder `model` of a run"):
            teacher = reload_model(Path(folder), False, attention=attention)
        if (other := teacher.get_input_embeddings().weight.shape[0]) != size:
            what = f"{folder} has {other:,} embeddings, the model {size:,}"
            raise ConfigError([Problem("loss.teachers", what, "teach with models of the same tokenizer")])
        found.append(_still(teacher, device))
    return found


def _still(model: Any, device: Any) -> Reader:
    return Reader(model.eval().requires_grad_(False).to(device))
