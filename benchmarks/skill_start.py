"""What all runs of `skill_finetuning` start from: a small Llama that reads a little first, or a pretrained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.skill_data import base_texts
from benchmarks.small_runs import held_out, kept, trained, write_set

VOCABULARY = 4096
SHAPE = {
    "hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 256,
    # at this width the usual 0.02 is a slow start
    "initializer_range": 0.1,
}  # fmt: skip
#: held-out texts of each language
HELD_OUT = 4


class Start(NamedTuple):
    """A tokenizer, the folder of a model, and its losses of plain text by language where it was trained here."""

    tokenizer: Any
    model: Path
    losses: dict[str, float]

    def ids(self, text: str, *, end: bool) -> list[int]:
        """The tokens of a text, and that which ends it if asked."""
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return [*found, self.tokenizer.eos_token_id] if end else found


def pretrained(model: str) -> Start:
    """A folder of transformers, a GGUF file, or `smollm2`, with its own tokenizer. Raises ConfigError, MissingAsset."""
    from transformers import AutoTokenizer

    from curate.train.models import checkpoint_folder

    folder = checkpoint_folder(model)
    return Start(AutoTokenizer.from_pretrained(folder, local_files_only=True), folder, {})


def small(folder: Path, closed: frozenset[str], steps: int, every: int) -> Start:
    """A Llama of 0.84M parameters after so many steps on one of `every` texts; it has not seen those that are `closed`."""
    from transformers import AutoTokenizer

    from curate.train.tokenizer_training import train_tokenizer

    texts = {language: held[::every] for language, held in base_texts(closed).items()}
    if not (folder / "tokenizer").exists():
        folder.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps({"text": text}) + "\n" for held in texts.values() for text in held)
        (folder / "texts.jsonl").write_text("".join(lines))
        train_tokenizer([str(folder / "texts.jsonl")], folder / "tokenizer", vocabulary=VOCABULARY)
    start = Start(
        AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        folder / f"base-{steps}" / "model",
        {},
    )
    rng = np.random.default_rng(1)
    parts: dict[str, dict[str, list[Any]]] = {"train": {}, "held-out": {}}
    for language, held in texts.items():
        documents = [start.ids(text, end=True) for text in held]
        apart = set(rng.permutation(len(documents))[:HELD_OUT].tolist())
        parts["held-out"][language] = [documents[i] for i in sorted(apart)]
        parts["train"][language] = [ids for i, ids in enumerate(documents) if i not in apart]
    data = folder / "data-base"
    for name, by_language in parts.items():
        write_set(data / name, by_language, len(start.tokenizer))
    run = {
        "name": "base", "seed": 1, "data": str(data / "train"), "context": 256, "rows": 8, "micro_rows": 8, "steps": steps,
        "model": {"preset": "1m", "config": SHAPE}, "mixture": {"kind": "temperature", "temperature": 2},
        "optimizer": {"lr": 3e-3, "weight_decay": 0.01}, "schedule": {"kind": "linear", "warmup": 0.1, "floor": 0.05},
        "log_every": max(1, steps // 4), "evaluate": {"data": str(data / "held-out"), "every": max(1, steps // 2), "documents": 1000},
        "checkpoint": {"every": max(1, steps // 8), "keep": 1}, "output": str(folder / f"base-{steps}"),
    }  # fmt: skip
    losses = kept(folder / "results" / f"base-{steps}.json", lambda: held_out(trained(run)), of=run)
    return start._replace(losses=losses)
