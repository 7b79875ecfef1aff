"""A back-off model of n-grams: kept as one Arrow file that is mapped into memory, queried by a kernel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import MissingAsset
from curate.kernels.ngrams import Ids, Table, empty_table, fill_table, score_lines
from curate.ngrams.smoothing import Smoothed
from curate.ngrams.tokenizer import Tokenizer
from curate.ngrams.vocabulary import Vocabulary

# What a folder of a model holds.
TABLE, ARPA, PIECES = "model.ngram", "model.arpa", "sentencepiece.model"
VERSION = 1


@dataclass(frozen=True)
class NgramModel:
    """A model and how its texts are cut.

    `facts` say how it was made: counts by order, discounts, pruning, the corpus.
    """

    vocabulary: Vocabulary
    table: Table
    tokenizer: Tokenizer
    facts: dict[str, Any] = field(default_factory=dict)

    def score(self, text: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """(log10 probability of each text, its tokens, an end for each line included); a null is an empty text.

        Each line that is not blank is scored by itself, from its begin to its end.
        """
        return score_lines(self.table, *self.tokenizer.encode(text, self.vocabulary))

    def save(self, path: Path) -> None:
        """Write the model to one file."""
        table = self.table
        columns = {
            "words": pa.array([self.vocabulary.words], pa.large_list(pa.string())),
            **{name: _row(getattr(table, name)) for name in ("probability", "backoff", "grams")},
        }
        about = {"version": VERSION, "order": table.order, "tokenizer": asdict(self.tokenizer), "facts": self.facts}
        schema = pa.schema([pa.field(name, column.type) for name, column in columns.items()])
        schema = schema.with_metadata({"curate.ngram": json.dumps(about)})
        with pa.ipc.new_file(str(path), schema) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(list(columns.values()), schema=schema))


def _row(values: npt.NDArray[Any]) -> pa.Array:
    """A whole array as the one row of a column."""
    return pa.LargeListArray.from_arrays(pa.array([0, values.size], pa.int64()), pa.array(values.reshape(-1)))


def load(path: Path) -> NgramModel:
    """The model of a file that `save` wrote; its arrays stay on disk and are shared. Raises MissingAsset."""
    try:
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        about = json.loads((batch.schema.metadata or {})[b"curate.ngram"])
    except (pa.ArrowInvalid, KeyError, IndexError) as error:
        raise MissingAsset("", f"`{path}` is no model of n-grams", "curate train-ngram CORPUS --output DIR") from error
    if about["version"] != VERSION:
        raise MissingAsset("", f"`{path}` is a model of another version", "curate train-ngram CORPUS --output DIR")
    columns = {name: batch[name].values.to_numpy() for name in ("probability", "backoff", "grams")}
    columns["grams"] = columns["grams"].reshape(-1, 2)
    words = batch["words"].values.to_pylist()
    tokenizer = Tokenizer(**about["tokenizer"])
    if tokenizer.kind == "pieces":
        tokenizer = replace(tokenizer, pieces=str(path.parent / PIECES))
    return NgramModel(Vocabulary(words[3:]), Table(about["order"], **columns), tokenizer, about["facts"])


def made(levels: Sequence[Smoothed], vocabulary: Vocabulary, tokenizer: Tokenizer, facts: dict[str, Any]) -> NgramModel:
    """The model of smoothed n-grams of orders 1 to N."""
    logs = [(logs_of(level.probability), logs_of(level.backoff)) for level in levels]
    grams = empty_table(sum(len(level.token) for level in levels[1:]))
    for level in range(1, len(levels)):
        fill_table(grams, tokens_of(levels, level), *logs[level])
    return NgramModel(vocabulary, Table(len(levels), *logs[0], grams), tokenizer, facts)


def logs_of(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """log10 as ARPA files have it: -99 stands for zero."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log10(values), -99).astype(np.float32)


def tokens_of(levels: Sequence[Smoothed], level: int) -> Ids:
    """The tokens of all n-grams of one order, first to last: (m, n)."""
    columns: list[Ids] = []
    chosen: npt.NDArray[Any] = np.arange(len(levels[level].token))
    for n in range(level, -1, -1):
        columns.append(levels[n].token[chosen])
        chosen = levels[n].prefix[chosen]
    return np.ascontiguousarray(np.stack(columns[::-1], axis=1), np.int32)
