"""Scores of segments (a step `tag`) as scores of tokens: each token has that of the segment in which it ends.

Not in which it begins: the first word of a sentence has the blank before it, which is the end of the sentence before.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.train.encoding import byte_letters
from curate.train.text_tokenizer import TextTokenizer


def byte_sizes(tokenizer: TextTokenizer) -> npt.NDArray[np.int64] | None:
    """By id, how many bytes of text each token spells; None unless the tokenizer is a byte-level BPE."""
    return _sizes(tokenizer.json)


@lru_cache(maxsize=2)
def _sizes(text: str) -> npt.NDArray[np.int64] | None:
    spec = json.loads(text)
    vocabulary, letters = spec["model"].get("vocab"), byte_letters()
    if spec["model"].get("type") != "BPE" or not all(letter in vocabulary for letter in letters):
        return None
    added = {token["id"]: len(token["content"].encode()) for token in spec.get("added_tokens", [])}
    sizes = np.zeros(max([*vocabulary.values(), *added]) + 1, np.int64)
    for token, number in vocabulary.items():
        sizes[number] = len(token)
    for number, size in added.items():
        sizes[number] = size
    return sizes


def token_scores(
    ids: npt.NDArray[Any], sizes: npt.NDArray[np.int64], batch: pa.RecordBatch, row: int, tokenizer: TextTokenizer
) -> npt.NDArray[np.float32] | None:
    """(n,) the score of each token of a document, 0 for those put before and behind it; None where its tokens do not
    spell its text byte by byte (a normaliser changed it)."""
    first = 0 if tokenizer.bos is None else 1
    inner = sizes[ids[first:-1].astype(np.int64)]
    if int(inner.sum()) != len(batch["text"][row].as_buffer()):
        return None
    found = np.zeros(len(ids), np.float32)
    starts, scores = (batch[name][row].values.to_numpy() for name in ("starts", "scores"))
    if len(starts):
        last = np.cumsum(inner) - 1
        # what stands before the first segment belongs to it
        found[first:-1] = scores[np.maximum(np.searchsorted(starts, last, side="right") - 1, 0)]
    return found
