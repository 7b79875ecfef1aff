"""The log likelihood of continuations behind their contexts, by any causal model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from curate.errors import ConfigError, Problem
from curate.train.attention import model_inputs
from curate.train.encoding import HuggingFace
from curate.train.losses import Reader
from curate.train.text_tokenizer import TextTokenizer

# Tokens of one batch.
BATCH_TOKENS = {"cpu": 2048, "cuda": 32768}


class Likelihoods(NamedTuple):
    """Of n pairs: negative log likelihood of the continuation in nats, its tokens, whether each is the likeliest."""

    nats: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]
    greedy: npt.NDArray[np.bool_]


class Scorer:
    """A model with its tokenizer; contexts are cut at their beginning to what fits into `window` tokens."""

    def __init__(self, model: Any, tokenizer: TextTokenizer, *, window: int) -> None:
        self._model = model.eval()
        self._reader = Reader(model)
        self._tokenizer, self._engine, self._window = tokenizer, HuggingFace(tokenizer), window
        self._device = next(model.parameters()).device

    def score(self, pairs: Sequence[tuple[str, str]]) -> Likelihoods:
        """Of each (context, continuation)."""
        rows = [self._ids(context, continuation) for context, continuation in pairs]
        found = Likelihoods(np.zeros(len(rows)), np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_))
        for group in _groups([len(ids) for ids, _ in rows], BATCH_TOKENS[self._device.type]):
            self._score([rows[i] for i in group], group, found)
        return found

    def _ids(self, context: str, continuation: str) -> tuple[list[int], int]:
        """(ids of both together, how many of them are the continuation's): what follows the tokens of the context alone."""
        both, before = (self._engine.encode([text]).ids.tolist() for text in (context + continuation, context))
        count = len(both) - len(before)
        if count < 1:  # they share a token: apart, as a model would go on
            behind = self._engine.encode([continuation]).ids.tolist()
            both, count = before + behind, len(behind)
        begin = self._begin(both[: len(both) - count])
        count = min(count, self._window - 1)
        return (begin + both)[-self._window :], count

    def _begin(self, context: list[int]) -> list[int]:
        """What a row begins with. Something must stand before the first token that is scored."""
        start = self._tokenizer.bos
        if start is None and not context:
            start = self._tokenizer.eos
            if start is None:
                what = "an example has an empty context, and the tokenizer has no token that texts begin or end with"
                raise ConfigError([Problem("tasks", what, "give each example a query")])
        return [] if start is None else [start]

    def _score(self, rows: Sequence[tuple[list[int], int]], owners: Sequence[int], out: Likelihoods) -> None:
        width = max(len(ids) for ids, _ in rows)
        ids, documents = torch.zeros(len(rows), width, dtype=torch.int64), torch.full((len(rows), width), -1)
        places: list[int] = []
        targets: list[int] = []
        owner: list[int] = []
        for row, (held, count) in enumerate(rows):
            ids[row, : len(held)], documents[row, : len(held)] = torch.tensor(held), 0
            places += range(row * width + len(held) - count - 1, row * width + len(held) - 1)
            targets += held[-count:]
            owner += [owners[row]] * count
        tensors = {
            "input_ids": ids, "doc_ids": documents,
            "position_ids": torch.arange(width)[None].expand(ids.shape).contiguous(),
        }  # fmt: skip
        with torch.no_grad():
            inputs = model_inputs(self._model, {name: part.to(self._device) for name, part in tensors.items()})
            logits = self._reader.logits(self._reader.states(inputs, torch.tensor(places, device=self._device)))
            wanted = torch.tensor(targets, device=self._device)
            lost = torch.nn.functional.cross_entropy(logits, wanted, reduction="none").double().cpu().numpy()
            likeliest = (logits.argmax(dim=-1) == wanted).cpu().numpy()
        np.add.at(out.nats, owner, lost)
        np.add.at(out.tokens, owner, 1)
        out.greedy[list(owners)] = True
        np.logical_and.at(out.greedy, owner, likeliest)


def _groups(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Numbers of rows of like lengths, the longest first: padded, a group has at most so many tokens (or one row)."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    start = 0
    while start < len(order):
        count = max(1, tokens // max(1, lengths[order[start]]))
        yield order[start : start + count]
        start += count
