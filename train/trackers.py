"""Trackers that are asked for beside metrics.jsonl: TensorBoard, W&B and trackio. A run that goes on is one run in each of them."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from curate.errors import CurateError
from curate.files import read_json, write_json
from curate.train.settings import TrainSettings

INSTALL = "pip install 'curate[trackers]'"
#: events of TensorBoard, and what the run is called in the others
TENSORBOARD, NAMES = "tensorboard", "trackers.json"
#: of W&B and trackio; settings.name tells its runs apart
PROJECT = "curate"


def is_installed(name: str) -> bool:
    """Whether a tracker can be imported; a folder `wandb`, as W&B leaves it in the working directory, is no package."""
    spec = find_spec(name)
    return spec is not None and spec.origin is not None


class TensorBoard:
    """Events in `OUTPUT/tensorboard`: `tensorboard --logdir OUTPUT`."""

    def __init__(self, settings: TrainSettings, folder: Path, start: int) -> None:
        """What was written from step `start` on is of a run that was cut off there, and no more shown."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / TENSORBOARD), purge_step=start + 1 if start else 0)  # type: ignore[no-untyped-call]
        if not start:
            # four spaces: a block of code in its Markdown
            shown = json.dumps(settings.model_dump(mode="json"), indent=2).replace("\n", "\n    ")
            self._writer.add_text("settings", f"    {shown}", 0)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Numbers after `step` steps."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is not written yet."""
        self._writer.close()


class Runs:
    """A run of W&B, or of trackio, which has its interface. Raises CurateError where it does not begin."""

    def __init__(self, name: str, settings: TrainSettings, folder: Path) -> None:
        self._module = import_module(name)
        run = _name(settings, folder)
        more: dict[str, Any] = {"id": run, "dir": str(folder)} if name == "wandb" else {}
        config = settings.model_dump(mode="json")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                self._module.init(project=PROJECT, name=run, config=config, resume="allow", **more)
        except Exception as error:  # what they raise for a missing key, network or folder has no type in common
            hint = (
                "`wandb login`, or WANDB_MODE=offline"
                if name == "wandb"
                else f"leave {name} out: metrics.jsonl has it all"
            )
            raise CurateError("trackers", f"{name} does not begin: {error}", hint) from error

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Numbers after `step` steps."""
        self._module.log(dict(values), step=step)

    def close(self) -> None:
        """Write, or send, what is not there yet."""
        with contextlib.redirect_stdout(sys.stderr):
            self._module.finish()


def tracker(name: str, settings: TrainSettings, folder: Path, start: int) -> TensorBoard | Runs:
    """The tracker of this name for a run that begins, or goes on, at step `start`."""
    return TensorBoard(settings, folder, start) if name == "tensorboard" else Runs(name, settings, folder)


def _name(settings: TrainSettings, folder: Path) -> str:
    """What the run is called, with the time of its beginning: a run that is begun anew is another."""
    known = read_json(folder / NAMES)
    if known is None:
        known = {"run": f"{settings.name}-{time.strftime('%Y%m%d-%H%M%S')}"}
        write_json(folder / NAMES, known)
    return str(known["run"])
