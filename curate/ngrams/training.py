"""Texts -> a model of n-grams: tokens, counts, smoothing, all in memory (some 60 bytes for each distinct n-gram)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.errors import MissingAsset, StepError
from curate.kernels.ngrams import UNKNOWN, Ids, Places
from curate.kernels.tokens import normalized
from curate.ngrams import arpa
from curate.ngrams.counts import count_grams, stream
from curate.ngrams.model import ARPA, PIECES, TABLE, made
from curate.ngrams.smoothing import smooth
from curate.ngrams.tokenizer import INSTALL, Tokenizer
from curate.ngrams.vocabulary import SPECIAL, Vocabulary
from curate.text import buffers


@dataclass(frozen=True)
class TrainSettings:
    """What decides a model beside its corpus.

    `prune[n - 1]`: n-grams of order n that occur at most that often are left out; the last value goes on. `min_count`:
    rarer tokens become the unknown one.
    """

    order: int = 5
    prune: tuple[int, ...] = (0,)
    min_count: int = 1
    arpa: bool = True

    def pruning(self) -> list[int]:
        """One threshold for each order; order 1 is never pruned."""
        return [0, *(self.prune[min(n, len(self.prune) - 1)] for n in range(1, self.order))]


def train(texts: Iterable[pa.Array], tokenizer: Tokenizer, settings: TrainSettings, folder: Path) -> dict[str, Any]:
    """Write the model of the texts into `folder`; its facts. Raises StepError if there is no text."""
    vocabulary = tokenizer.vocabulary()
    ids, first = _encoded(texts, tokenizer, vocabulary)
    if not len(ids):
        raise StepError("train-ngram", "the corpus has no text", "look at the files and the column named by --text")
    tokens, lines = len(ids), len(first) - 1
    if settings.min_count > 1:
        vocabulary, ids = _without_rare(vocabulary, ids, settings.min_count)
    levels = smooth(count_grams(stream(ids, first), len(vocabulary), settings.order), settings.pruning())
    facts: dict[str, Any] = {
        "tokens": tokens, "lines": lines, "counts": [len(level.token) for level in levels],
        "discounts": [[round(d, 6) for d in level.discounts] for level in levels], "prune": settings.pruning(),
        "min_count": settings.min_count,
    }  # fmt: skip
    made(levels, vocabulary, tokenizer, facts).save(folder / TABLE)
    if settings.arpa:
        arpa.write(folder / ARPA, levels, vocabulary.words)
    if tokenizer.kind == "pieces":
        (folder / PIECES).write_bytes(Path(tokenizer.pieces).read_bytes())
    return facts


def _encoded(texts: Iterable[pa.Array], tokenizer: Tokenizer, vocabulary: Vocabulary) -> tuple[Ids, Places]:
    """(the tokens of all lines, where each line begins and the last ends)."""
    ids, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for text in texts:
        found = tokenizer.encode(text, vocabulary, grow=True)
        ids.append(found.ids)
        lengths.append(np.diff(found.first))
    return np.concatenate(ids), np.concatenate([[0], np.cumsum(np.concatenate(lengths))])


def _without_rare(vocabulary: Vocabulary, ids: Ids, least: int) -> tuple[Vocabulary, Ids]:
    counts = np.bincount(ids, minlength=len(vocabulary))
    kept = [n for n in range(len(SPECIAL), len(vocabulary)) if counts[n] >= least]
    numbers = np.full(len(vocabulary), UNKNOWN, np.int32)
    numbers[kept] = np.arange(len(SPECIAL), len(SPECIAL) + len(kept))
    return Vocabulary([vocabulary.words[n] for n in kept]), numbers[ids]


def train_pieces(texts: Iterable[pa.Array], size: int, *, normal: bool) -> bytes:
    """A SentencePiece unigram model of `size` pieces of the lines of the texts. Raises MissingAsset, StepError."""
    try:
        import sentencepiece
    except ImportError as error:
        raise MissingAsset("sentencepiece", "is not installed", INSTALL) from error
    model = io.BytesIO()
    try:
        # one thread: else the pieces depend on how many there are
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(texts, normal), model_writer=model, vocab_size=size, num_threads=1,
            hard_vocab_limit=False, minloglevel=2, character_coverage=0.9995, split_by_unicode_script=True,
        )  # fmt: skip
    except RuntimeError as error:
        raise StepError("train-ngram", f"SentencePiece: {error}", "give more text or fewer --pieces") from error
    return model.getvalue()


def _lines(texts: Iterable[pa.Array], normal: bool) -> Iterable[str]:
    for text in texts:
        data, offsets = buffers(text)
        if normal:
            data, bounds = normalized(data, offsets)
        else:
            bounds = offsets.astype(np.int64)
        for start, stop in pairwise(bounds.tolist()):
            # SentencePiece leaves out longer lines
            lines = data[start:stop].tobytes().decode().split("\n")
            yield from (line[:4000] for line in lines if line.strip())
