"""The weights of a checkpoint folder, read tensor by tensor, and written the same way."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, Problem
from curate.files import file_sha256, read_json

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
#: names of the format -> names of torch
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
NAMES = {name: key for key, name in DTYPES.items()}


class Weights:
    """The tensors of a folder as `save_pretrained` writes it, or of the model of a training's output folder.

    `shapes` and `dtypes` (names of torch) are by tensor.
    """

    def __init__(self, folder: Path) -> None:
        """Reads the heads of the files alone. Raises ConfigError."""
        if not (folder / "config.json").exists() and (folder / "model").is_dir():
            folder = folder / "model"
        self.folder = folder
        if not folder.is_dir():
            raise ConfigError(
                [Problem(str(folder), "is not there", "name a model, a checkpoint, or the output of a run")]
            )
        config = read_json(folder / "config.json")
        if config is None:
            adapter = (folder / "adapter_config.json").exists()
            what = "holds adapters, not the weights of a model" if adapter else "is no model: there is no config.json"
            hint = "merge the adapters into their model first" if adapter else "name the folder `model` of a run"
            raise ConfigError([Problem(str(folder), what, hint)])
        self.config: dict[str, Any] = config
        index = read_json(folder / INDEX)
        found = {folder / name for name in index["weight_map"].values()} if index else {folder / SINGLE}
        self.files = sorted(found)
        self._places: dict[str, Path] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, str] = {}
        for file in self.files:
            for name, entry in _head(file).items():
                self._places[name] = file
                self.shapes[name], self.dtypes[name] = tuple(entry["shape"]), DTYPES.get(entry["dtype"], entry["dtype"])
        self._open: dict[Path, Any] = {}

    @property
    def names(self) -> list[str]:
        """Of all tensors, in order."""
        return sorted(self._places)

    @property
    def hash(self) -> str:
        """What names the content of all files."""
        return hashlib.sha256(" ".join(file_sha256(file) for file in self.files).encode()).hexdigest()

    def tensor(self, name: str) -> Any:
        """One tensor as it is stored, mapped from the file."""
        from safetensors import safe_open

        file = self._places[name]
        if file not in self._open:
            self._open[file] = safe_open(file, framework="pt")
        return self._open[file].get_tensor(name)


def _head(file: Path) -> dict[str, Any]:
    """Name -> dtype, shape, place of each tensor. Raises ConfigError."""
    try:
        with file.open("rb") as opened:
            size = struct.unpack("<Q", opened.read(8))[0]
            head = json.loads(opened.read(size)) if size < file.stat().st_size else None
    except FileNotFoundError:
        raise ConfigError([Problem(str(file), "is missing", "weights must be in safetensors")]) from None
    except (struct.error, ValueError):
        head = None
    if not isinstance(head, dict):
        raise ConfigError([Problem(str(file), "is no file of safetensors, or is cut off")])
    head.pop("__metadata__", None)
    return head


def write_weights(
    path: Path, shapes: dict[str, tuple[int, ...]], dtypes: dict[str, str], make: Callable[[str], Any]
) -> None:
    """Write a file of safetensors, holding one tensor at a time: `make(name)` gives each, in its shape and dtype."""
    import torch

    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    # wide types first: every tensor is then aligned
    names = sorted(shapes, key=lambda name: (-torch.empty(0, dtype=getattr(torch, dtypes[name])).element_size(), name))
    for name in names:
        size = torch.empty(0, dtype=getattr(torch, dtypes[name])).element_size()
        for part in shapes[name]:
            size *= part
        head[name] = {"dtype": NAMES[dtypes[name]], "shape": list(shapes[name]), "data_offsets": [place, place + size]}
        place += size
    written = json.dumps(head).encode()
    written += b" " * (-len(written) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(written)) + written)
        for name in names:
            made = make(name).to(getattr(torch, dtypes[name])).contiguous()
            assert tuple(made.shape) == shapes[name], name
            file.write(made.reshape(-1).view(torch.uint8).numpy().tobytes() if made.numel() else b"")


def check_alike(models: Sequence[Weights], *, dtype: str | None, growing: bool = False) -> None:
    """Raises ConfigError with all that keeps these from being merged. `growing`: later models may have more rows of
    embeddings."""
    from curate.train.layers import is_embedding

    first, problems = models[0], []
    for other in models[1:]:
        where = str(other.folder)
        more, less = sorted(set(other.names) - set(first.names)), sorted(set(first.names) - set(other.names))
        for kind, names in (("has", more), ("has no", less)):
            if names:
                rest = f" and {len(names) - 1} others" if len(names) > 1 else ""
                hint = "models must be of one architecture, and tie embeddings alike"
                problems.append(Problem(where, f"{kind} `{names[0]}`{rest}, unlike {first.folder}", hint))
        for name in sorted(set(other.names) & set(first.names)):
            ours, theirs = first.shapes[name], other.shapes[name]
            ends = is_embedding(name) or name.startswith("lm_head.")
            grown = growing and ends and ours[1:] == theirs[1:] and ours[0] <= theirs[0]
            if ours != theirs and not grown:
                problems.append(Problem(where, f"`{name}` is {_size(theirs)}, that of {first.folder} is {_size(ours)}"))
                break
        kinds = [sorted({kind for kind in held.dtypes.values() if "float" in kind}) for held in (first, other)]
        if kinds[0] != kinds[1] and dtype is None:
            what = f"is in {', '.join(kinds[1])}, {first.folder} in {', '.join(kinds[0])}"
            problems.append(Problem(where, what, "say what the result is to be in: --dtype float32"))
        tokenizers = [held.folder / "tokenizer.json" for held in (first, other)]
        there = not growing and all(path.exists() for path in tokenizers)
        if there and file_sha256(tokenizers[0]) != file_sha256(tokenizers[1]):
            problems.append(Problem(where, f"has another tokenizer than {first.folder}", "models must share one"))
    if problems:
        raise ConfigError(problems)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
