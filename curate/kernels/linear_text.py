"""A linear classifier over `hashed_grams`: the probability of pieces of text, equal on every machine.

Weights are small integers, so that the sum over the features of a piece is exact. It is divided by the fourth root of
their number: between a sum, in which long pieces are extreme, and a mean, in which one word in a long piece is lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry
from curate.kernels.fasttext import exponential
from curate.kernels.hashed_grams import (
    MOST_LETTERS,
    MOST_WORDS,
    Codes,
    Places,
    Words,
    disguises,
    fold_words,
    join_letters,
    pair_feature,
    room,
    word_features,
)  # fmt: skip
from curate.kernels.unicode import Tables, tables
from curate.text import Bytes

Weights = npt.NDArray[np.int8]
Features = tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]


class Linear(NamedTuple):
    """A model: logit = bias + scale * (sum of the weights of all features) / (number of features) ** 0.25."""

    weights: Weights  # (2 ** bits,)
    scale: float
    bias: float
    least: int  # characters of the shortest and longest n-gram, the marks < and > of a word's edges counted
    most: int

    @property
    def shift(self) -> np.uint32:
        """What brings a hash of 32 bits down to the number of weights."""
        return np.uint32(32 - (len(self.weights).bit_length() - 1))


def load(path: Path) -> Linear:
    """The model in a file of `save`."""
    with np.load(path) as kept:
        weights = kept["weights"]
        weights.flags.writeable = False
        return Linear(weights, float(kept["scale"]), float(kept["bias"]), int(kept["least"]), int(kept["most"]))


def save(model: Linear, path: Path) -> None:
    """Write the model, compressed; the same model gives the same bytes with the same zlib."""
    with path.open("wb") as file:
        np.savez_compressed(file, **{name: np.asarray(value) for name, value in model._asdict().items()})


def probabilities(
    data: Bytes, start: Places, stop: Places, model: Linear
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """(the probability of each piece `data[start:stop]`, how many words it has); 0 for a piece without words."""
    found, words = np.zeros(len(start), np.float32), np.zeros(len(start), np.int32)
    out = np.empty(_most_features(model.least, model.most), np.uint32)
    _probabilities(data, start, stop, tables(), disguises(), room(), model, model.shift, out, found, words)
    return found, words


def features(data: Bytes, start: Places, stop: Places, *, bits: int, least: int, most: int) -> Features:
    """The features of each piece, repeated as often as they stand there: (numbers below 2**bits, m + 1 offsets)."""
    out = np.empty(_most_features(least, most), np.uint32)
    words, parts, first = room(), [], np.zeros(len(start) + 1, np.int64)
    for piece, (lo, hi) in enumerate(zip(start, stop, strict=True)):
        size, _ = _features(data, lo, hi, tables(), disguises(), words, least, most, np.uint32(32 - bits), out)
        parts.append(out[:size].copy())
        first[piece + 1] = first[piece] + size
    return np.concatenate([np.zeros(0, np.uint32), *parts]), first


def _most_features(least: int, most: int) -> int:
    return 2 * MOST_WORDS * (2 + (MOST_LETTERS + 2) * max(most - least + 1, 0))


@entry
def _features(
    data: Bytes,
    lo: int,
    hi: int,
    known: Tables,
    disguise: Codes,
    words: Words,
    least: int,
    most: int,
    shift: np.uint32,
    out: Codes,
) -> tuple[int, int]:
    """Write the features of `data[lo:hi]` to `out`: (how many, how many words)."""
    count, _ = fold_words(data, lo, hi, known, disguise, words)
    size = 0
    before = np.uint32(0)
    for k in range(join_letters(count, words)):
        size, value = word_features(words.letters, words.ends[k], words.ends[k + 1], least, most, shift, out, size)
        if 0 < k < count:
            out[size] = pair_feature(before, value, shift)
            size += 1
        before = value
    return size, count


@entry
def _probabilities(
    data: Bytes,
    start: Places,
    stop: Places,
    known: Tables,
    disguise: Codes,
    words: Words,
    model: Linear,
    shift: np.uint32,
    out: Codes,
    found: npt.NDArray[np.float32],
    counts: npt.NDArray[np.int32],
) -> None:
    for piece in range(len(start)):
        lo, hi = np.int64(start[piece]), np.int64(stop[piece])
        size, count = _features(data, lo, hi, known, disguise, words, model.least, model.most, shift, out)
        counts[piece] = count
        if size == 0:
            continue
        total = np.int64(0)
        for k in range(size):
            total += model.weights[out[k]]
        logit = model.bias + model.scale * total / np.sqrt(np.sqrt(np.float64(size)))
        found[piece] = 1.0 / (1.0 + exponential(-logit))
