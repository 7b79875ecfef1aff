"""Language identification with a quantised fastText classifier, over UTF-8 bytes: no Python object for a document.

The arithmetic is fastText's (Joulin et al. 2016, arXiv 1607.01759 and 1612.03651): the mean of the vectors of words and
of character n-grams, then the hierarchical softmax over labels. Texts that spell out fastText's own marks (`</s>`,
`__label__`) are text like any other here.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.fasttext_file import FNV, HIERARCHICAL_SOFTMAX, Ends, find_word, hashed, read, tree_of
from curate.text import Bytes, Offsets

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.uint16]
Scores = npt.NDArray[np.float64]

SLICES = 16
DIM = 16
NONE = 0xFFFF
_1 = np.uint64(1)
# fastText adds this to each probability before it takes the logarithm
_LEAST = 1e-5


class Model(NamedTuple):
    """A quantised supervised model as flat arrays; all read-only."""

    rows: Floats  # vectors of words, then of kept n-grams: n x DIM
    grams: Numbers  # bucket -> its n-gram's number, or NONE
    slots: Places  # open table of words: hash -> word, or -1
    spelled: Bytes  # the words, one after the other
    ends: Ends  # words + 1 offsets into `spelled`
    nodes: Floats  # vectors of the inner nodes of the tree of labels
    children: Places  # inner node -> its two children; a child below the number of labels is a label
    sizes: tuple[int, int]  # shortest and longest n-gram


class Found(NamedTuple):
    """The most probable label of each text (-1 for a text without words), and its probability."""

    label: Places
    score: Floats


def load(path: Path) -> tuple[Model, list[str]]:
    """(the model in a .ftz file, its labels). Raises ValueError for any other kind of fastText model."""
    made = read(path)
    if (made.loss, made.word_ngrams, made.dim) != (HIERARCHICAL_SOFTMAX, 1, DIM):
        raise ValueError(f"{path}: not a fastText classifier of {DIM} dimensions with hierarchical softmax")
    if made.kept is None or not 0 < len(made.kept) < NONE:
        raise ValueError(f"{path}: not a quantised model with pruned n-grams")
    grams = np.full(made.buckets, NONE, np.uint16)
    grams[made.kept[:, 0]] = made.kept[:, 1]
    children = tree_of(made.counts)
    for array in (grams, children):
        array.flags.writeable = False
    nodes = made.output[: len(made.labels) - 1]
    return Model(made.rows, grams, *made.words, nodes, children, (made.least, made.most)), list(made.labels)


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
        np.empty((longest + 2) * model.sizes[1], np.uint16),
        np.zeros(DIM, np.float32), np.empty(2 * len(model.nodes) + 4, np.int32),
        np.empty(2 * len(model.nodes) + 4, np.float64), found.label, found.score,
    )  # fmt: skip
    return found


@entry
def _classify(
    data: Bytes,
    offsets: Offsets,
    sample: int,
    again: int,
    low: float,
    high: float,
    rows: Floats,
    grams: Numbers,
    slots: Places,
    spelled: Bytes,
    ends: Ends,
    nodes: Floats,
    children: Places,
    least: int,
    most: int,
    word: Bytes,
    found: Numbers,
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
            added = _sum(data, lo, hi, look, rows, grams, slots, spelled, ends, least, most, word, found, hidden)
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
    grams: Numbers,
    slots: Places,
    spelled: Bytes,
    ends: Ends,
    least: int,
    most: int,
    word: Bytes,
    found: Numbers,
    hidden: Floats,
) -> int:
    """Sum up the vectors of the sampled words in `hidden`; how many there are: none for no word."""
    for k in range(DIM):
        hidden[k] = np.float32(0)
    added = np.int64(0)
    if hi - lo <= sample:
        return _add_words(data, lo, hi, added, rows, grams, slots, spelled, ends, least, most, word, found, hidden)
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
        added = _add_words(data, begin, end, added, rows, grams, slots, spelled, ends, least, most, word, found, hidden)
    return added


@loop
def _add_words(
    data: Bytes,
    lo: int,
    hi: int,
    added: int,
    rows: Floats,
    grams: Numbers,
    slots: Places,
    spelled: Bytes,
    ends: Ends,
    least: int,
    most: int,
    word: Bytes,
    found: Numbers,
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
        value = FNV
        while i < hi:
            byte = data[i]
            if byte <= 0x20 and _is_blank(byte):
                break
            value = hashed(value, byte)
            word[size] = byte
            size += 1
            i += 1
        word[0], word[size] = 0x3C, 0x3E
        number = find_word(word, 1, size, value, slots, spelled, ends)
        if number >= 0:
            _add(rows, number, hidden)
            added += 1
        added += _add_grams(word, size + 1, len(ends) - 1, rows, grams, least, most, found, hidden)
    return added


@inlined
def _is_blank(byte: int) -> bool:
    return byte == 0x20 or (9 <= byte <= 13) or byte == 0


@inlined
def _add(rows: Floats, row: int, hidden: Floats) -> None:
    at = np.uint64(row)
    for k in range(np.uint64(DIM)):
        hidden[k] += rows[at, k]


@loop
def _add_grams(
    word: Bytes,
    size: int,
    words: int,
    rows: Floats,
    grams: Numbers,
    least: int,
    most: int,
    found: Numbers,
    hidden: Floats,
) -> int:
    """Add the n-grams of `least` to `most` characters of `word[:size]`, its marks < and > among them; how many."""
    buckets = np.uint32(len(grams))
    count = np.uint64(0)
    # all are looked up before one is added: the processor waits for many places of the large table at a time
    for i in range(np.uint64(size)):
        if word[i] & 0xC0 == 0x80:
            continue
        value, j, n = FNV, i, 1
        while j < size and n <= most:
            value = hashed(value, word[j])
            j += _1
            while j < size and word[j] & 0xC0 == 0x80:
                value = hashed(value, word[j])
                j += _1
            if n >= least and not (n == 1 and (i == 0 or j == size)):
                found[count] = grams[value % buckets]
                count += _1
            n += 1
    added = 0
    for k in range(count):
        if found[k] != NONE:
            _add(rows, words + np.int64(found[k]), hidden)
            added += 1
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
