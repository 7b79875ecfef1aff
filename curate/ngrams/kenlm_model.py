"""Models in KenLM's binary forms, such as those of CCNet, queried by KenLM itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import MissingAsset
from curate.ngrams.tokenizer import INSTALL, Tokenizer


@dataclass(frozen=True)
class KenlmModel:
    """A model and how its texts are cut; it scores as `NgramModel` does."""

    model: Any
    tokenizer: Tokenizer

    def score(self, text: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """(log10 probability of each text, its tokens, an end for each line included); a null is an empty text."""
        logs, tokens = np.zeros(len(text)), np.zeros(len(text), np.int64)
        for row, lines in enumerate(self.tokenizer.lines(text)):
            for line in lines:
                logs[row] += self.model.score(line)
                tokens[row] += line.count(" ") + 2
        return logs, tokens


def kenlm_module() -> Any:
    """The package. Raises MissingAsset."""
    try:
        import kenlm
    except ImportError as error:
        raise MissingAsset("", "binary models of KenLM need the package kenlm", INSTALL) from error
    return kenlm


def load(path: Path, tokenizer: Tokenizer) -> KenlmModel:
    """The model of a binary file. Raises MissingAsset if it is none."""
    module = kenlm_module()
    config = module.Config()
    config.show_progress = False
    try:
        return KenlmModel(module.Model(str(path), config), tokenizer)
    except (OSError, RuntimeError) as error:
        raise MissingAsset("", f"`{path}` is no model of KenLM", "curate train-ngram CORPUS --output DIR") from error
