"""A tokenizer of Hugging Face: a tokenizer.json, a folder with one, a name of the hub's cache, or that of a GGUF model."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, MissingAsset, Problem
from curate.files import digest

INSTALL = "pip install 'curate[train]'"
JSON, CONFIG, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
#: what usually ends a text, where a tokenizer does not say
USUAL_ENDS = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>")


@dataclass(frozen=True)
class TextTokenizer:
    """A tokenizer as its files: `json` the tokenizer.json, `config` the tokenizer_config.json.

    Attributes:
        vocabulary: one more than the largest id.
        bos: the id that a text begins with if the tokenizer's own post-processor adds it, else None.
        eos: the id that ends a text.
        special: the special tokens, which text in a document must never become, and their ids.
        template: the chat template, or None.
    """

    name: str
    json: str = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    vocabulary: int
    bos: int | None
    eos: int | None
    special: Mapping[str, int] = field(repr=False)
    template: str | None = field(default=None, repr=False)

    @property
    def sha256(self) -> str:
        """What names all that decides ids."""
        return digest([hashlib.sha256(self.json.encode()).hexdigest(), self.bos, self.eos])

    @property
    def width(self) -> int:
        """Bytes that a token needs: 2 or 4."""
        return 2 if self.vocabulary <= 1 << 16 else 4

    def facts(self) -> dict[str, Any]:
        """What the manifest of a set says of its tokenizer."""
        return {
            "name": self.name, "sha256": self.sha256, "vocabulary": self.vocabulary, "bos": self.bos, "eos": self.eos,
        }  # fmt: skip

    def tokens(self) -> dict[int, str]:
        """The tokens by their ids."""
        from tokenizers import Tokenizer

        return {number: token for token, number in Tokenizer.from_str(self.json).get_vocab().items()}

    def token(self, number: int | None) -> str | None:
        """The special token of an id."""
        return next((text for text, known in self.special.items() if known == number), None)

    def save(self, folder: Path) -> None:
        """Write the files that transformers loads."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / JSON).write_text(self.json, "utf-8")
        names = {"bos_token": self.token(self.bos), "eos_token": self.token(self.eos)}
        known = {name: value for name, value in names.items() if value is not None and name not in self.config}
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **self.config, **known}
        config.pop("chat_template", None)
        (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", "utf-8")
        if self.template is not None:
            (folder / TEMPLATE).write_text(self.template, "utf-8")


def load_tokenizer(name: str, *, where: str = "--tokenizer", eos: str | None = None) -> TextTokenizer:
    """The tokenizer called `name`; `eos` overrules the token that ends a text. Raises ConfigError, MissingAsset."""
    need("tokenizers", where)
    path = Path(name)
    if path.is_file() and path.suffix == ".json":
        return _read(path.stem if path.name != JSON else path.parent.name, path, where, eos)
    if path.is_dir():
        return _read(path.name, _json_in(path, where), where, eos)
    if name == "smollm2" or path.suffix == ".gguf":
        return _converted(name, where, eos)
    if path.suffix or name.startswith((".", "/")):
        raise ConfigError([Problem(where, f"there is no file or folder `{name}`")])
    return _read(name, _json_in(_cached(name, where), where), where, eos)


def need(package: str, where: str) -> None:
    """Raises MissingAsset if the package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise MissingAsset(where, f"needs the package {package}", INSTALL)


def _json_in(folder: Path, where: str) -> Path:
    if (folder / JSON).is_file():
        return folder / JSON
    if (folder / "tokenizer" / JSON).is_file():
        return folder / "tokenizer" / JSON
    hint = "save it with `AutoTokenizer.from_pretrained(...).save_pretrained(folder)` (a fast tokenizer)"
    raise ConfigError([Problem(where, f"`{folder}` holds no {JSON}", hint)])


def _cached(name: str, where: str) -> Path:
    need("huggingface_hub", where)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        what = f"there is no tokenizer `{name}` on this machine"
        raise MissingAsset(where, what, f"hf download {name} --include 'tokenizer*' '*.jinja'") from error


def _converted(name: str, where: str, eos: str | None) -> TextTokenizer:
    """That of a GGUF file, which transformers converts."""
    from curate.steps.causal_model import find_model

    need("transformers", where)
    path = find_model(where, name)
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as folder:
        made: Any = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
        made.save_pretrained(folder)
        return _read(name, Path(folder) / JSON, where, eos)


def _read(name: str, path: Path, where: str, eos: str | None) -> TextTokenizer:
    from tokenizers import Tokenizer

    config = _object(path.with_name(CONFIG), where)
    special_map = _object(path.with_name("special_tokens_map.json"), where)
    text = path.read_text("utf-8")
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises nothing narrower
        raise ConfigError([Problem(where, f"`{path}` is no tokenizer: {error}")]) from error
    special = {added.content: number for number, added in tokenizer.get_added_tokens_decoder().items() if added.special}
    template = config.get("chat_template")
    if (beside := path.with_name(TEMPLATE)).is_file():
        template = beside.read_text("utf-8")
    begins = tokenizer.encode("").ids[:1]
    bos = begins[0] if begins and begins[0] != _id(tokenizer, _named(config, special_map, "eos_token")) else None
    vocabulary = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    ends = _end(tokenizer, _named(config, special_map, "eos_token"), special, where, eos)
    template = template if isinstance(template, str) else None
    return TextTokenizer(name, text, config, vocabulary, bos, ends, special, template)


def _object(path: Path, where: str) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError([Problem(where, f"`{path}` is no JSON: {error}")]) from error
    return value if isinstance(value, dict) else {}


def _named(config: Mapping[str, Any], special_map: Mapping[str, Any], kind: str) -> str | None:
    token = config.get(kind) or special_map.get(kind)
    return token.get("content") if isinstance(token, dict) else token


def _id(tokenizer: Any, token: str | None) -> int | None:
    found: int | None = tokenizer.token_to_id(token) if token else None
    return found


def _end(tokenizer: Any, named: str | None, special: Mapping[str, int], where: str, eos: str | None) -> int | None:
    """The id that ends a text: the one asked for, the tokenizer's own, or the only usual one that it has."""
    if eos is not None:
        if (asked := _id(tokenizer, eos)) is None:
            known = ", ".join(f"`{token}`" for token in list(special)[:10]) or "none"
            raise ConfigError([Problem("--eos", f"the tokenizer has no token `{eos}`", f"special tokens: {known}")])
        return asked
    if named:
        return _id(tokenizer, named)
    usual = [special[token] for token in USUAL_ENDS if token in special]
    return usual[0] if len(usual) == 1 else None


def end_of(tokenizer: TextTokenizer, where: str) -> int:
    """The id that ends a text. Raises ConfigError if none is known."""
    if tokenizer.eos is None:
        known = ", ".join(f"`{token}`" for token in list(tokenizer.special)[:10]) or "none"
        what = f"the tokenizer {tokenizer.name} does not say which token ends a text"
        raise ConfigError([Problem(where, what, f"write --eos TOKEN; its special tokens: {known}")])
    return tokenizer.eos
