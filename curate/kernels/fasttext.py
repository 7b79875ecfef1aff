"""Language identification with a quantised fastText classifier, over UTF-8 bytes: no Python object for a document.

The arithmetic is fastText's (Joulin et al. 2016, arXiv 1607.01759 and 1612.03651): the mean of the vectors of words and
of character n-grams, then the hierarchical softmax over labels. Texts that spell out fastText's own marks (`</s>`,
`__label__`) are text like any other here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.text import Bytes, Offsets

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float64]

MAGIC, VERSION = 793712314, 12
HIERARCHICAL_SOFTMAX, SUPERVISED = 1, 3
SLICES = 16
DIM = 16
NONE = 0xFFFF
_FNV, _PRIME = np.uint32(2166136261), np.uint32(16777619)
# fastText adds this to each probability before it takes the logarithm
_LEAST = 1e-5


class Model(NamedTuple):
    """A quantised supervised model as flat arrays; all read-only."""

    rows: Floats  # vectors of words, then of kept n-grams: n x DIM
    grams: npt.NDArray[np.uint16]  # bucket -> its n-gram's number, or NONE
    slots: Places  # open table of words: hash -> word, or -1
    spelled: Bytes  # the words, one after the other
    ends: Places  # words + 1 offsets into `spelled`
    nodes: Floats  # vectors of the inner nodes of the tree of labels
    children: Places  # inner node -> its two children; a child below the number of labels is a label
    sizes: tuple[int, int]  # shortest and longest n-gram


class Found(NamedTuple):
    """The most probable label of each text (-1 for a text without words), and its probability."""

    label: Places
    score: Floats


def load(path: Path) -> tuple[Model, list[str]]:
    """(the model in a .ftz file, its labels). Raises ValueError for any other kind of fastText model."""
    raw = path.read_bytes()
    magic, version, dim, *_, grams, loss, kind, bucket, least, most, _ = struct.unpack_from("<2i12i", raw)
    if (magic, version) != (MAGIC, VERSION) or (loss, kind, grams, dim) != (HIERARCHICAL_SOFTMAX, SUPERVISED, 1, DIM):
        raise ValueError(f"{path}: not a fastText classifier of {DIM} dimensions with hierarchical softmax")
    at = 2 * 4 + 12 * 4 + 8
    entries, words, labels, _, kept = struct.unpack_from("<3i2q", raw, at)
    at += 28
    spelled, counts = [], []
    for _ in range(entries):
        end = raw.index(b"\0", at)
        spelled.append(raw[at:end])
        counts.append(struct.unpack_from("<q", raw, end + 1)[0])
        at = end + 10
    table = np.full(bucket, NONE, np.uint16)
    pairs = np.frombuffer(raw, "<i4", 2 * max(kept, 0), at).reshape(-1, 2)
    table[pairs[:, 0]] = pairs[:, 1]
    at += pairs.nbytes
    if not raw[at] or not 0 < kept < NONE:
        raise ValueError(f"{path}: not a quantised model with pruned n-grams")
    rows, at = _quantised(raw, at + 1)
    nodes = np.frombuffer(raw, "<f4", (labels - 1) * DIM, at + 1 + 16).reshape(-1, DIM).copy()
    ends = np.cumsum([0, *map(len, spelled[:words])]).astype(np.int32)
    arrays = (
        rows, table, _slots(spelled[:words]), np.frombuffer(b"".join(spelled[:words]), np.uint8), ends, nodes,
        _tree(counts[words:]),
    )  # fmt: skip
    for array in arrays:
        array.flags.writeable = False
    return Model(*arrays, (least, most)), [label.decode().removeprefix("__label__") for label in spelled[words:]]


def _quantised(raw: bytes, at: int) -> tuple[Floats, int]:
    """(the matrix stored by product quantisation at `at`, where it ends)."""
    normed, count, dim, size = struct.unpack_from("<b2qi", raw, at)
    at += 21
    codes = np.frombuffer(raw, np.uint8, size, at).reshape(count, -1)
    centroids, at = _centroids(raw, at + size)
    width = dim // codes.shape[1]
    parts = centroids.reshape(codes.shape[1], 256, width)
    rows = np.concatenate([parts[part][codes[:, part]] for part in range(codes.shape[1])], axis=1)
    if normed:
        norms = np.frombuffer(raw, np.uint8, count, at)
        lengths, at = _centroids(raw, at + count)
        rows = lengths[norms][:, None] * rows
    return np.ascontiguousarray(rows, np.float32), at


def _centroids(raw: bytes, at: int) -> tuple[Floats, int]:
    dim = struct.unpack_from("<i", raw, at)[0]
    return np.frombuffer(raw, "<f4", dim * 256, at + 16), at + 16 + dim * 1024


def _slots(words: Sequence[bytes]) -> Places:
    """An open table of the words by hash."""
    table = np.full(1 << (2 * len(words)).bit_length(), -1, np.int32)
    for number, word in enumerate(words):
        slot = _hash(word) & (len(table) - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = number
    return table


def _hash(word: bytes) -> int:
    value = int(_FNV)
    for byte in word:
        # fastText takes bytes for signed numbers
        value = ((value ^ (byte | (0xFFFFFF00 if byte > 127 else 0))) * int(_PRIME)) & 0xFFFFFFFF
    return value


def _tree(counts: Sequence[int]) -> Places:
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


def classify(
    data: Bytes, offsets: Offsets, model: Model, sample: int, *, again: int = 1, doubtful: tuple[float, float] = (1, 0)
) -> Found:
    """The label of n texts, from a sample of about `sample` bytes of each.

    Longer texts give SLICES slices of equal length at even distances, the first at the beginning and the last at the
    end; a slice begins and ends at a space where one is near, else (as in Chinese) at a character. Where the score is
    strictly inside `doubtful`, the text is looked at again, with `again` times the sample.
    """
    texts = len(offsets) - 1
    found = Found(np.full(texts, -1, np.int32), np.zeros(texts, np.float32))
    longest = min(int(np.diff(offsets).max(initial=0)), sample * again + SLICES)
    _classify(
        data, offsets, sample, again, doubtful[0], doubtful[1], model.rows, model.grams, model.slots, model.spelled,
        model.ends, model.nodes, model.children, model.sizes[0], model.sizes[1], np.empty(longest + 2, np.uint8),
        np.zeros(DIM, np.float32), np.empty(2 * len(model.nodes) + 4, np.int32),
        np.empty(2 * len(model.nodes) + 4, np.float64), found.label, found.score,
    )  # fmt: skip
    return found


@loop
def _classify(
    data: Bytes,
    offsets: Offsets,
    sample: int,
    again: int,
    low: float,
    high: float,
    rows: Floats,
    grams: npt.NDArray[np.uint16],
    slots: Places,
    spelled: Bytes,
    ends: Places,
    nodes: Floats,
    children: Places,
    least: int,
    most: int,
    word: Bytes,
    hidden: Floats,
    stack: Places,
    reached: Scores,
    label: Places,
    score: Floats,
) -> None:
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        look = sample
        while True:
            added = _sum(data, lo, hi, look, rows, grams, slots, spelled, ends, least, most, word, hidden)
            if added == 0:
                break
            for k in range(DIM):
                hidden[k] *= np.float32(1.0 / added)
            best, value = _best(nodes, children, hidden, stack, reached)
            # the smallest addend of each probability can give a hair above 1
            label[text], score[text] = best, min(value, 1.0)
            if look > sample or not low < score[text] < high or hi - lo <= sample:
                break
            look = sample * again


@loop
def _sum(
    data: Bytes,
    lo: int,
    hi: int,
    sample: int,
    rows: Floats,
    grams: npt.NDArray[np.uint16],
    slots: Places,
    spelled: Bytes,
    ends: Places,
    least: int,
    most: int,
    word: Bytes,
    hidden: Floats,
) -> int:
    """Sum up the vectors of the sampled words in `hidden`; how many there are: none for no word."""
    for k in range(DIM):
        hidden[k] = np.float32(0)
    added = np.int64(0)
    if hi - lo <= sample:
        return _add_words(data, lo, hi, added, rows, grams, slots, spelled, ends, least, most, word, hidden)
    length = sample // SLICES
    for part in range(SLICES):
        begin = lo + (hi - lo - length) * part // (SLICES - 1)
        end = begin + length
        # inwards by at most a quarter of the slice, to the next and the last space
        if part > 0:
            i = begin
            while i < begin + length // 4 and data[i] != 0x20:
                i += 1
            if i < begin + length // 4:
                begin = i + 1
        if end < hi:
            i = end - 1
            while i >= end - length // 4 and data[i] != 0x20:
                i -= 1
            if i >= end - length // 4:
                end = i
        while begin < end and data[begin] & 0xC0 == 0x80:
            begin += 1
        # a character that the cut leaves incomplete goes
        i = end
        while i < hi and i > begin and data[i] & 0xC0 == 0x80:
            i -= 1
        end = i
        added = _add_words(data, begin, end, added, rows, grams, slots, spelled, ends, least, most, word, hidden)
    return added


@loop
def _add_words(
    data: Bytes,
    lo: int,
    hi: int,
    added: int,
    rows: Floats,
    grams: npt.NDArray[np.uint16],
    slots: Places,
    spelled: Bytes,
    ends: Places,
    least: int,
    most: int,
    word: Bytes,
    hidden: Floats,
) -> int:
    i = lo
    while i < hi:
        byte = data[i]
        if byte <= 0x20 and _is_blank(byte):
            i += 1
            continue
        if added == 0:
            # the end of the line is a word of its own, which all texts have
            _add(rows, 0, hidden)
            added = 1
        size = 1
        value = _FNV
        while i < hi:
            byte = data[i]
            if byte <= 0x20 and _is_blank(byte):
                break
            value = _hashed(value, byte)
            word[size] = byte
            size += 1
            i += 1
        word[0], word[size] = 0x3C, 0x3E
        number = _find(word, size, value, slots, spelled, ends)
        if number >= 0:
            _add(rows, number, hidden)
            added += 1
        added += _add_grams(word, size + 1, len(ends) - 1, rows, grams, least, most, hidden)
    return added


@inlined
def _is_blank(byte: int) -> bool:
    return byte == 0x20 or (9 <= byte <= 13) or byte == 0


@inlined
def _hashed(value: np.uint32, byte: int) -> np.uint32:
    """The hash FNV-1a goes on by one byte, taken for a signed number."""
    return np.uint32((value ^ np.uint32(np.int32(np.int8(byte)))) * _PRIME)


@inlined
def _add(rows: Floats, row: int, hidden: Floats) -> None:
    at = np.uint64(row)
    for k in range(np.uint64(DIM)):
        hidden[k] += rows[at, k]


@loop
def _find(word: Bytes, size: int, value: np.uint32, slots: Places, spelled: Bytes, ends: Places) -> int:
    """The number of the word `word[1:size]`, or -1."""
    slot = np.int64(value) & (len(slots) - 1)
    while slots[slot] >= 0:
        number = np.int64(slots[slot])
        lo = np.int64(ends[number])
        if ends[number + 1] - lo == size - 1:
            k = 1
            while k < size and spelled[lo + k - 1] == word[k]:
                k += 1
            if k == size:
                return number
        slot = (slot + 1) & (len(slots) - 1)
    return -1


@loop
def _add_grams(
    word: Bytes,
    size: int,
    words: int,
    rows: Floats,
    grams: npt.NDArray[np.uint16],
    least: int,
    most: int,
    hidden: Floats,
) -> int:
    """Add the n-grams of `least` to `most` characters of `word[:size]`, its marks < and > among them; how many."""
    buckets = np.uint32(len(grams))
    added = 0
    for i in range(size):
        if word[i] & 0xC0 == 0x80:
            continue
        value, j, n = _FNV, i, 1
        while j < size and n <= most:
            value = _hashed(value, word[j])
            j += 1
            while j < size and word[j] & 0xC0 == 0x80:
                value = _hashed(value, word[j])
                j += 1
            if n >= least and not (n == 1 and (i == 0 or j == size)):
                gram = grams[value % buckets]
                if gram != NONE:
                    _add(rows, words + np.int64(gram), hidden)
                    added += 1
            n += 1
    return added


@loop
def _best(nodes: Floats, children: Places, hidden: Floats, stack: Places, reached: Scores) -> tuple[int, float]:
    """The most probable label and its probability: down the tree, the likelier side first, unlikely ones left out."""
    labels = len(nodes) + 1
    best, most = -1, -1.0
    stack[0], reached[0] = 2 * labels - 2, 1.0
    depth = 1
    while depth:
        depth -= 1
        node, value = np.int64(stack[depth]), reached[depth]
        if value <= most:
            continue
        if node < labels:
            best, most = node, value
            continue
        product = np.float32(0)
        for k in range(DIM):
            product += nodes[node - labels, k] * hidden[k]
        right = 1.0 / (1.0 + exponential(-np.float64(product)))
        likely = 1 if right > 0.5 else 0
        chance = (1.0 - right, right)
        for side in (1 - likely, likely):
            stack[depth] = children[node - labels, side]
            reached[depth] = value * (chance[side] + _LEAST)
            depth += 1
    return best, most


@loop
def exponential(x: float) -> float:
    """e**x by additions, products and quotients alone: the C library's differs by machine. Beyond +-60 it is at +-60."""
    x = min(max(x, -60.0), 60.0)
    twos = np.int64(np.floor(x * 1.4426950408889634 + 0.5))
    rest = x - twos * 0.6931471805599453
    total, term = 1.0, 1.0
    for k in range(1, 15):
        term *= rest / k
        total += term
    return total * np.float64(np.int64(1) << twos) if twos >= 0 else total / np.float64(np.int64(1) << -twos)
