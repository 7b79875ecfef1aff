"""Models trained on sets of conversations, each a run of the training loop from the same start: the loss that each ends in.

    OUTPUT/runs/KEY/receipt.json    conversations, tokens, steps, held-out loss; written last, and then
    OUTPUT/runs/KEY/log.txt         is all that is left beside it

KEY names the set by its content, and all that decides the loss: what was trained once is not trained again, and a run that
was stopped goes on from its checkpoint.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import CurateError
from curate.files import digest, read_json, write_json
from curate.train import checkpoint
from curate.train.chat import ChatSettings
from curate.train.conversations import Conversations
from curate.train.loop import train
from curate.train.mining_settings import MiningSettings
from curate.train.parallel import Parallel
from curate.train.settings import TrainSettings
from curate.train.text_tokenizer import load_tokenizer
from curate.train.token_set import TokenSet
from curate.train.tokenising import TokenizeSettings, tokenize

VERSION = 1
RECEIPT, LOG = "receipt.json", "log.txt"
# Steps after which the state of a run is kept.
CHECKPOINT = 100


@dataclass(frozen=True)
class Trained:
    """What a run ended in; `again`: it was there already."""

    documents: int
    tokens: int
    steps: int
    loss: float
    again: bool


class ShortRuns:
    """Runs with the same settings and the same held-out conversations. Raises ConfigError, MissingAsset."""

    def __init__(self, settings: MiningSettings, heldout: Conversations) -> None:
        self._settings, self._folder = settings, Path(settings.output) / "runs"
        self._tokenizer = settings.tokenizer or str(settings.model.start)
        tokenizer = load_tokenizer(self._tokenizer, where="tokenizer").sha256
        self._bound = digest([VERSION, tokenizer, _start(settings), _training(settings), heldout.content()])
        self._heldout = (
            Path(settings.output) / f"heldout-{digest([tokenizer, settings.template, heldout.content()])[:12]}"
        )
        self._tokens(heldout, self._heldout)

    def train(self, chosen: Conversations) -> Trained:
        """The model trained on these conversations. Raises InterruptedRun, CurateError."""
        folder = self._folder / digest([self._bound, chosen.content()])[:24]
        if receipt := read_json(folder / RECEIPT):
            return Trained(**receipt, again=True)
        tokens = self._tokens(chosen, folder)
        settings = self._train_settings(tokens, folder)
        with (folder / LOG).open("a") as log, contextlib.redirect_stdout(log), Parallel(settings) as parallel:
            state = checkpoint.state_of(train(settings, parallel))
        held_out = state["held_out"]
        loss = held_out.get("all", next(iter(held_out.values())))["loss"]
        if not math.isfinite(loss):
            raise CurateError(str(folder), "the held-out loss is no number", "a smaller `optimizer.lr` may help")
        receipt = {
            "documents": len(chosen), "tokens": int(tokens.manifest["tokens"]), "steps": settings.steps, "loss": loss
        }  # fmt: skip
        write_json(folder / RECEIPT, receipt)
        for path in folder.iterdir():
            if path.name not in (RECEIPT, LOG):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return Trained(**receipt, again=False)

    def _tokens(self, conversations: Conversations, folder: Path) -> TokenSet:
        folder.mkdir(parents=True, exist_ok=True)
        conversations.write(folder / "conversations.jsonl")
        settings = TokenizeSettings(self._tokenizer, chat=ChatSettings(self._settings.template))
        return tokenize([str(folder / "conversations.jsonl")], folder / "tokens", settings, note=lambda _: None)

    def _train_settings(self, tokens: TokenSet, folder: Path) -> TrainSettings:
        own = self._settings
        seen = own.epochs * int(tokens.manifest["tokens"])
        steps = own.steps or max(1, math.ceil(seen / (own.rows * own.context)))
        given = _training(own) | {
            "name": own.name, "data": str(tokens.folder), "steps": steps, "output": str(folder / "training"),
            "evaluate": {"data": str(self._heldout / "tokens"), "every": steps, "documents": 1 << 20},
            "checkpoint": {"every": CHECKPOINT, "keep": 1}, "log_every": max(1, steps // 10), "device": own.device,
            "micro_rows": own.micro_rows,
        }  # fmt: skip
        return TrainSettings.model_validate(given)


def _training(settings: MiningSettings) -> dict[str, Any]:
    """What of the settings decides the loss of a run, less the epochs' number of steps."""
    names = {"seed", "model", "adapter", "context", "rows", "optimizer", "schedule", "dtype"}
    return settings.model_dump(mode="json", by_alias=True, include=names)


def _start(settings: MiningSettings) -> list[Any]:
    """What else does: how often a set is seen, its rendering, the weights that a run begins with."""
    from curate.steps.causal_model import content_hash, find_model

    start = settings.model.start
    return [
        settings.epochs,
        settings.steps,
        settings.template,
        content_hash(find_model("model.from", start)) if start else None,
    ]
