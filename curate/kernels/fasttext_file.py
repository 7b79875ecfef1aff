"""fastText's model files (.bin, .ftz) as flat arrays, read without fastText: settings, words, labels, matrices."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined
from curate.text import Bytes

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]
Ends = npt.NDArray[np.int64]

MAGIC, VERSIONS = 793712314, (11, 12)
SUPERVISED = 3
HIERARCHICAL_SOFTMAX, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
FNV, PRIME = np.uint32(2166136261), np.uint32(16777619)
PREFIX = "__label__"
# bytes that are read at once while the end of the list of words is looked for
_BLOCK = 1 << 24


class Vocabulary(NamedTuple):
    """The words of a model: word w is `spelled[ends[w]:ends[w + 1]]`; all read-only."""

    slots: Places  # open table: hash -> word, or -1
    spelled: Bytes
    ends: Ends  # words + 1


class ModelFile(NamedTuple):
    """A supervised model; all arrays are read-only."""

    dim: int
    word_ngrams: int
    loss: int
    buckets: int  # of hashed n-grams
    least: int  # characters of the shortest and longest n-gram of a word, the marks of its edges counted; 0 for none
    most: int
    words: Vocabulary
    labels: tuple[str, ...]
    counts: tuple[int, ...]  # how often each label stood in the training lines, descending
    kept: Places | None  # of a pruned model: (n, 2) bucket and the number of its n-gram; the others have no row
    rows: Floats  # (words + buckets or kept n-grams, dim)
    output: Floats  # (labels, or inner nodes of their tree and one more, dim)


def read(path: Path) -> ModelFile:
    """A model file. Raises ValueError for what is no supervised model of fastText, or ends too soon."""
    with path.open("rb") as file:
        try:
            return _read(file)
        except (struct.error, EOFError) as error:
            raise ValueError("it ends in the middle of a model") from error


def _read(file: BinaryIO) -> ModelFile:
    magic, version = _unpack(file, "<2i")
    if magic != MAGIC or version not in VERSIONS:
        raise ValueError("not a model of fastText")
    dim, _, _, _, _, grams, loss, kind, buckets, least, most, _, _ = _unpack(file, "<12id")
    if kind != SUPERVISED:
        raise ValueError("word vectors, not a classifier")
    entries, words, labels, _, kept = _unpack(file, "<3i2q")
    if min(entries, words, dim) < 0 or labels < 1 or entries != words + labels:
        raise ValueError("a list of words and labels that does not add up")
    spelled, ends, counts = _entries(file, entries)
    names = [spelled[ends[i] : ends[i + 1]].tobytes().decode("utf-8", "replace") for i in range(words, entries)]
    # files of version 11 have no n-grams of characters
    most = 0 if version == 11 else most
    pairs = _array(file, np.dtype("<i4"), 2 * kept).reshape(-1, 2) if kept > 0 else None
    if kept == 0:
        pairs = np.zeros((0, 2), np.int32)
    rows, output = _matrix(file), _matrix(file)
    if rows.shape != (words + (buckets if pairs is None else len(pairs)), dim) or output.shape != (labels, dim):
        raise ValueError("matrices of other sizes than its words and labels")
    if (
        pairs is not None
        and len(pairs)
        and not (pairs.min() >= 0 and (pairs.max(axis=0) < (buckets, len(pairs))).all())
    ):
        raise ValueError("n-grams outside of their table")
    ends = ends[: words + 1].copy()
    vocabulary = Vocabulary(np.full(1 << (2 * words + 1).bit_length(), -1, np.int32), spelled[: ends[-1]], ends)
    _fill(vocabulary.slots, vocabulary.spelled, ends)
    for array in (*vocabulary, rows, output):
        array.flags.writeable = False
    return ModelFile(
        dim, grams, loss, buckets, least, most, vocabulary, tuple(name.removeprefix(PREFIX) for name in names),
        tuple(counts[words:].tolist()), pairs, rows, output,
    )  # fmt: skip


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _array(file: BinaryIO, kind: np.dtype[Any], count: int) -> npt.NDArray[Any]:
    """The next `count` values, aligned."""
    found = np.fromfile(file, kind, count)
    if len(found) < count:
        raise EOFError
    return found


def _entries(file: BinaryIO, count: int) -> tuple[Bytes, Ends, npt.NDArray[np.int64]]:
    """The list of words and labels, each its bytes, a 0, how often it was seen (int64) and what it is (int8)."""
    begin, raw = file.tell(), np.zeros(0, np.uint8)
    ends, counts = np.zeros(count + 1, np.int64), np.zeros(count, np.int64)
    while True:
        more = np.fromfile(file, np.uint8, _BLOCK)
        raw = np.concatenate([raw, more])
        spelled = np.empty(len(raw), np.uint8)
        if (size := _scan(raw, ends, counts, spelled)) >= 0:
            file.seek(begin + size)
            return spelled[: ends[-1]].copy(), ends, counts
        if not len(more):
            raise EOFError


@entry
def _scan(raw: Bytes, ends: Ends, counts: npt.NDArray[np.int64], spelled: Bytes) -> int:
    """Write the entries apart; the bytes that they take, or -1 where `raw` ends before they do."""
    at, size = 0, 0
    for place in range(len(counts)):
        while at < len(raw) and raw[at] != 0:
            spelled[size] = raw[at]
            size += 1
            at += 1
        if at + 10 > len(raw):
            return -1
        times = np.int64(0)
        for k in range(8):
            times |= np.int64(raw[at + 1 + k]) << (8 * k)
        counts[place] = times
        ends[place + 1] = size
        at += 10
    return at


def _matrix(file: BinaryIO) -> Floats:
    """The next matrix, behind the sign whether it is stored by product quantisation."""
    if not _unpack(file, "<?")[0]:
        count, dim = _unpack(file, "<2q")
        return _array(file, np.dtype("<f4"), count * dim).reshape(count, dim)
    normed, count, dim, size = _unpack(file, "<?2qi")
    codes = _array(file, np.dtype(np.uint8), size).reshape(count, -1)
    parts = _centroids(file)
    rows = np.concatenate([part[codes[:, place]] for place, part in enumerate(parts)], axis=1)
    if normed:
        lengths = _array(file, np.dtype(np.uint8), count)
        rows = _centroids(file)[0][lengths] * rows
    return np.ascontiguousarray(rows, np.float32)


def _centroids(file: BinaryIO) -> list[Floats]:
    """The 256 vectors of each part of a row."""
    dim, parts, width, last = _unpack(file, "<4i")
    values = _array(file, np.dtype("<f4"), dim * 256)
    cut = (parts - 1) * 256 * width
    return [*values[:cut].reshape(parts - 1, 256, width), values[cut:].reshape(256, last)]


@entry
def _fill(slots: Places, spelled: Bytes, ends: Ends) -> None:
    """Put each word into the open table."""
    mask = len(slots) - 1
    for number in range(len(ends) - 1):
        value = FNV
        for i in range(ends[number], ends[number + 1]):
            value = hashed(value, spelled[i])
        slot = np.int64(value) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = number


@inlined
def hashed(value: np.uint32, byte: int) -> np.uint32:
    """The hash FNV-1a goes on by one byte, which fastText takes for a signed number."""
    return np.uint32((value ^ np.uint32(np.int32(np.int8(byte)))) * PRIME)


@inlined
def find_word(data: Bytes, lo: int, hi: int, value: np.uint32, slots: Places, spelled: Bytes, ends: Ends) -> int:
    """The number of the word `data[lo:hi]`, whose hash is `value`; -1 for none."""
    mask = len(slots) - 1
    slot = np.int64(value) & mask
    while slots[slot] >= 0:
        number = np.int64(slots[slot])
        begin = ends[number]
        if ends[number + 1] - begin == hi - lo:
            k = 0
            while k < hi - lo and spelled[begin + k] == data[lo + k]:
                k += 1
            if k == hi - lo:
                return number
        slot = (slot + 1) & mask
    return -1


def tree_of(counts: Sequence[int]) -> Places:
    """The Huffman tree of the labels (most frequent first): the children of inner node `i`, whose number is labels + i."""
    labels = len(counts)
    total = [*counts, *([10**15] * (labels - 1))]
    children = np.zeros((labels - 1, 2), np.int32)
    leaf, node = labels - 1, labels
    for made in range(labels - 1):
        for side in range(2):
            if leaf >= 0 and total[leaf] < total[node]:
                children[made, side], leaf = leaf, leaf - 1
            else:
                children[made, side], node = node, node + 1
        total[labels + made] = total[children[made, 0]] + total[children[made, 1]]
    return children
