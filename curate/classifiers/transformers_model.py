"""Sequence classifiers and regressors of transformers: labels, where the files are, scores of texts.

The same text must score the same in any company: see `windows`. What may still differ between machines or libraries is below
1e-6; scores are rounded to 4 decimals.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.classifiers.windows import Windows, one_thread
from curate.errors import MissingAsset
from curate.files import file_sha256

INSTALL = "pip install 'curate[transformers]'"
# Padded lengths are multiples of this; 64 keeps what is computed in vain below 10 % on documents of a whole window.
LENGTH_STEP = 64
# Tokens of one batch: 8 windows of 512. More is no faster on a CPU, and pads more rows.
BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
DECIMALS = 4
WEIGHTS = (".safetensors", ".bin")

Device = Literal["auto", "cpu", "cuda"]


def model_folder(where: str, model: str) -> Path:
    """The folder of a model: a path, or a name of the Hugging Face hub whose files were downloaded. Raises MissingAsset."""
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise MissingAsset(where, f"engine transformers needs the package {package}", INSTALL)
    if Path(model).is_dir():
        found = Path(model)
        if not (found / "config.json").is_file():
            raise MissingAsset(where, f"{model} holds no config.json", "name a folder that `save_pretrained` wrote")
        return found
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        a_path = model.startswith((".", "/", "~"))
        hint = "name a folder that `save_pretrained` wrote, or a model of the hub" if a_path else f"hf download {model}"
        raise MissingAsset(where, f"there is no model {model} on this machine", hint) from error


def model_hash(folder: Path) -> str:
    """What names the content of a model: the commit of a snapshot of the hub, else a hash over all files."""
    if folder.parent.name == "snapshots":
        return folder.name
    files = sorted(
        path for path in folder.iterdir() if path.is_file() and path.suffix in (*WEIGHTS, ".json", ".txt", ".model")
    )
    return " ".join(f"{path.name}:{file_sha256(path)[:16]}" for path in files)


def labels_of(folder: Path) -> tuple[str, ...]:
    """The labels by the model's configuration; a model with one output has the label `score`."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    names = config.get("id2label") or {str(i): f"LABEL_{i}" for i in range(config.get("num_labels", 2))}
    ordered = tuple(str(names[key]) for key in sorted(names, key=int))
    return ("score",) if len(ordered) == 1 else ordered


class TransformersScorer:
    """A sequence classifier or regressor: texts -> the probability of each label, or the value of a regressor.

    One output is a value as it is; several labels share a softmax, or have a sigmoid each where the model's
    configuration says `multi_label_classification`.
    """

    def __init__(self, folder: Path, *, device: Device, window: int, windows: int) -> None:
        """`window` tokens are seen at once, special tokens included; the mean of the first `windows` of a text counts."""
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.labels = labels_of(folder)
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        # float32 on every device: what is faster would change scores from device to device
        made = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model: Any = made.to(self._device).eval()
        self._windows = Windows(tokenizer, made.config, window=window, windows=windows)
        self._problem = made.config.problem_type
        # models without a special first token take the last one that is not padding
        made.config.pad_token_id = tokenizer.pad_token_id

    def scores(self, text: pa.Array) -> npt.NDArray[np.float32]:
        """n texts -> (n, labels) float32; 0 for a text without words. No text changes another's scores."""
        import torch

        given = pc.fill_null(text, "").to_pylist()
        owners, windows = self._windows.cut(given)
        sums = np.zeros((len(given), len(self.labels)))
        lengths = [*range(LENGTH_STEP, self._windows.size, LENGTH_STEP), self._windows.size]
        with one_thread(), torch.inference_mode():
            for places, tokens, mask in self._windows.batches(windows, lengths, BATCH_TOKENS[self._device]):
                made = self._model(input_ids=tokens.to(self._device), attention_mask=mask.to(self._device))
                values = self._values(made.logits[: len(places)]).double().cpu().numpy()
                np.add.at(sums, owners[places], values)
        seen = np.bincount(owners, minlength=len(given))
        return np.round(sums / np.maximum(seen, 1)[:, None], DECIMALS).astype(np.float32)

    def _values(self, logits: Any) -> Any:
        if logits.shape[1] == 1:
            return logits
        return logits.sigmoid() if self._problem == "multi_label_classification" else logits.softmax(-1)
