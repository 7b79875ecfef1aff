"""Held-out loss and bits per byte, by source: every document alone, its first token given, in order of the set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from curate.errors import ConfigError, Problem
from curate.train.attention import model_inputs
from curate.train.losses import Objective
from curate.train.parallel import Parallel
from curate.train.token_set import TOKENIZER, Document, TokenSet


class Evaluation:
    """The documents to evaluate on: the first of each source, cut to the context; their bytes are counted once."""

    def __init__(self, data: TokenSet, *, documents: int, context: int, rows: int) -> None:
        self._rows, self._context = rows, context
        self._documents: list[tuple[str, Document]] = []
        for source in data.sources:
            for number, document in enumerate(data.documents(source)):
                if number == documents:
                    break
                self._documents.append((source, document))
        self._check_tokens(data)
        # rows of one call are of like lengths, whatever the sources
        self._documents.sort(key=lambda pair: -min(len(pair[1].tokens), context))
        self._bytes = self._count_bytes(data)

    def _check_tokens(self, data: TokenSet) -> None:
        """Raises ConfigError where a source has no token to predict within the context: its loss would be that of nothing."""
        some = {
            source
            for source, document in self._documents
            if min(len(document.tokens), self._context) > 1
            and (document.mask is None or document.mask[1 : self._context].any())
        }
        if nothing := sorted(set(data.sources) - some):
            what = f"no token of {', '.join(nothing)} is learnt within {self._context} tokens"
            raise ConfigError([Problem("evaluate.data", what, "raise `context` above the length of the prompts")])

    def _count_bytes(self, data: TokenSet) -> dict[str, int]:
        """The bytes that the predicted tokens spell, by source; none where the set has no tokenizer, or masks."""
        folder = data.folder / TOKENIZER
        if data.masked or not folder.is_dir():
            return {}
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        counted: dict[str, int] = {}
        for source, document in self._documents:
            ids = document.tokens[1 : self._context].tolist()
            text = str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
            counted[source] = counted.get(source, 0) + len(text.encode())
        return counted

    def run(self, wrapped: Any, objective: Objective, parallel: Parallel) -> dict[str, dict[str, float]]:
        """Source (and `all`) -> `loss` in nats a token, `tokens`, and where bytes are known `bits_per_byte`."""
        sources = sorted({source for source, _ in self._documents})
        sums = torch.zeros(len(sources), 2, dtype=torch.float64)
        training = objective.training
        wrapped.eval()
        with torch.no_grad():
            for number, group in enumerate(self._groups()):
                # every process takes its share; all take part in each call, which FSDP needs
                mine = group if number % parallel.world == parallel.rank else group[:0]
                self._add(mine or group[:1], bool(mine), sums, sources, wrapped, objective, parallel)
        wrapped.train(training)
        sums = parallel.sum(sums.to(parallel.device)).cpu()
        found = {name: self._entry(name, *sums[i].tolist()) for i, name in enumerate(sources)}
        total = sums.sum(dim=0).tolist()
        if len(sources) > 1:
            found["all"] = self._entry("", *total)
        return found

    def _entry(self, source: str, loss: float, tokens: float) -> dict[str, float]:
        size = self._bytes.get(source) if source else sum(self._bytes.values())
        entry = {"loss": loss / max(tokens, 1), "tokens": int(tokens)}
        return entry | ({"bits_per_byte": loss / math.log(2) / size} if size else {})

    def _groups(self) -> Iterator[list[tuple[str, Document]]]:
        """At most `rows` full rows of tokens at once."""
        start, most = 0, self._rows * self._context
        while start < len(self._documents):
            longest = min(len(self._documents[start][1].tokens), self._context)
            count = max(1, most // max(longest, 1))
            yield self._documents[start : start + count]
            start += count

    def _add(
        self, group: Sequence[tuple[str, Document]], counted: bool, sums: torch.Tensor, sources: Sequence[str],
        wrapped: Any, objective: Objective, parallel: Parallel,
    ) -> None:  # fmt: skip
        ids, labels = padded([document for _, document in group], self._context)
        places, targets = predicted(labels)
        there = torch.arange(ids.shape[1])[None] < torch.tensor(
            [[min(len(document.tokens), self._context)] for _, document in group]
        )
        tensors = {
            "input_ids": torch.from_numpy(ids), "doc_ids": torch.where(there, 0, -1),
            "position_ids": torch.arange(ids.shape[1])[None].expand(ids.shape).contiguous(),
        }  # fmt: skip
        with parallel.computing():
            inputs = model_inputs(objective.model, {name: part.to(parallel.device) for name, part in tensors.items()})
            _, each = wrapped(
                inputs, torch.from_numpy(places).to(parallel.device), torch.from_numpy(targets).to(parallel.device)
            )
        if counted:
            owner = np.array([sources.index(source) for source, _ in group])[places // ids.shape[1]]
            losses = each.double().cpu()
            for i in range(len(sources)):
                chosen = torch.from_numpy(owner == i)
                sums[i, 0] += losses[chosen].sum()
                sums[i, 1] += chosen.sum()


def padded(documents: Sequence[Document], context: int) -> tuple[Any, Any]:
    """Documents -> (ids, labels), each (n, length of the longest) int64, cut to `context`; labels -100 where no loss is."""
    width = max(2, min(context, max(len(document.tokens) for document in documents)))
    ids, labels = np.zeros((len(documents), width), np.int64), np.full((len(documents), width), -100, np.int64)
    for row, document in enumerate(documents):
        tokens = document.tokens[:width].astype(np.int64)
        ids[row, : len(tokens)] = tokens
        mask = np.ones(len(tokens), np.bool_) if document.mask is None else document.mask[:width].astype(np.bool_)
        mask[:1] = False
        labels[row, : len(tokens)] = np.where(mask, tokens, -100)
    return ids, labels


def predicted(labels: Any) -> tuple[Any, Any]:
    """(rows, context) labels -> (places in the flattened rows whose states predict a label, those labels)."""
    rows, columns = np.nonzero(labels[:, 1:] != -100)
    return rows * labels.shape[1] + columns, labels[rows, columns + 1]


def open_evaluation(path: str, *, documents: int, context: int, rows: int) -> Evaluation:
    """The evaluation of a folder of tokenised documents. Raises ConfigError."""
    return Evaluation(TokenSet.open(Path(path)), documents=documents, context=context, rows=rows)
