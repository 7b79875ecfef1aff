"""Where the n-gram models of a setting are: one for all languages, or one for each."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curate.errors import MissingAsset
from curate.kernels.ngrams import MOST_ORDER
from curate.ngrams.kenlm_model import KenlmModel
from curate.ngrams.model import PIECES, TABLE, NgramModel
from curate.ngrams.tokenizer import Kind, Tokenizer, processor

TRAIN = "curate train-ngram CORPUS --output DIR"
LANG = "{lang}"


@dataclass(frozen=True)
class ModelFile:
    """A model on disk; `pieces` is the SentencePiece model of files that do not say how their texts are cut."""

    path: str
    pieces: str = ""

    @property
    def files(self) -> list[Path]:
        """All that decides what the model says."""
        return [Path(path) for path in (self.path, self.pieces) if path]

    def load(self, kind: Kind, *, normal: bool) -> NgramModel | KenlmModel:
        """The model; `kind` and `normal` hold where the file does not say how its texts are cut. Raises MissingAsset."""
        from curate.ngrams import arpa, kenlm_model, model

        if self.path.endswith(TABLE):
            return model.load(Path(self.path))
        tokenizer = Tokenizer("pieces" if self.pieces else kind, normal, self.pieces)
        if self.path.endswith(".arpa"):
            return arpa.read(Path(self.path), tokenizer)
        return kenlm_model.load(Path(self.path), tokenizer)


def find_models(where: str, model: str | Mapping[str, str], sentencepiece: str | None) -> dict[str, ModelFile]:
    """Language -> its model; one for all stands under the empty name. Raises MissingAsset."""
    if isinstance(model, Mapping):
        return {lang: _file(where, path, _placed(sentencepiece, lang)) for lang, path in sorted(model.items())}
    if LANG not in model:
        return {"": _file(where, model, sentencepiece)}
    found = {}
    escaped = re.escape(model).replace(re.escape(LANG), "(?P<lang>[^/]+?)", 1).replace(re.escape(LANG), "(?P=lang)")
    for path in sorted(glob.glob(model.replace(LANG, "*"))):
        if match := re.fullmatch(escaped, path):
            found[match["lang"]] = _file(where, path, _placed(sentencepiece, match["lang"]))
    if not found:
        raise MissingAsset(where, f"there is no model `{model}`", TRAIN)
    return found


def _placed(path: str | None, lang: str) -> str | None:
    return path.replace(LANG, lang) if path else None


def _file(where: str, path: str, sentencepiece: str | None) -> ModelFile:
    """A folder that `train-ngram` wrote, or a file with, beside it, `NAME.sp.model` as CCNet's are."""
    if os.path.isdir(path):
        if not os.path.isfile(os.path.join(path, TABLE)):
            raise MissingAsset(where, f"the folder `{path}` holds no {TABLE}", TRAIN)
        beside = os.path.join(path, PIECES)
        return ModelFile(os.path.join(path, TABLE), beside if os.path.isfile(beside) else "")
    if not os.path.isfile(path):
        raise MissingAsset(where, f"there is no model `{path}`", TRAIN)
    beside = re.sub(r"(\.arpa)?(\.\w+)?$", "", path) + ".sp.model"
    pieces = sentencepiece or (beside if os.path.isfile(beside) else "")
    if pieces and not os.path.isfile(pieces):
        raise MissingAsset(where, f"there is no SentencePiece model `{pieces}`", "name its file with `sentencepiece:`")
    return ModelFile(path, pieces)


def check_model(where: str, found: ModelFile) -> None:
    """A look at the head of a model, before any work. Raises MissingAsset."""
    if found.pieces:
        processor(found.pieces)
    with open(found.path, "rb") as file:
        head = file.read(4096)
    if found.path.endswith(TABLE):
        good = head.startswith(b"ARROW1")
    elif found.path.endswith(".arpa"):
        orders = len(re.findall(rb"(?m)^ngram\s+\d+\s*=", head))
        good = 0 < orders <= MOST_ORDER
    else:
        from curate.ngrams.kenlm_model import kenlm_module

        kenlm_module()
        good = head.startswith(b"mmap lm http://kheafield.com/code")
    if not good:
        raise MissingAsset(where, f"`{found.path}` is no model of n-grams", TRAIN)


def content_hash(found: ModelFile) -> str:
    """The hash of all that decides what the model says."""
    return " ".join(_hash(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in found.files)


@functools.lru_cache(64)
def _hash(path: str, modified: int, size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
