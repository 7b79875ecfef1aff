"""The probability of each label of a fastText classifier, over UTF-8 bytes: no Python object for a document.

The arithmetic is fastText's (Joulin et al. 2016, arXiv 1607.01759): the mean of the vectors of words, of n-grams of their
characters and of n-grams of words, then the loss that the model was trained with. A text is one line, as in training: its line
breaks are blanks, and where it spells out what fastText reads as a label or as the end of a line, the word is cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.fasttext import exponential
from curate.kernels.fasttext_file import (
    FNV,
    HIERARCHICAL_SOFTMAX,
    SOFTMAX,
    Ends,
    Floats,
    Places,
    Vocabulary,
    find_word,
    hashed,
    read,
    tree_of,
)
from curate.text import Bytes, Offsets

# fastText adds this to each probability before it takes the logarithm
_LEAST = 1e-5
# so many rows are noted before they are added up: their vectors then come from memory side by side
_ROWS = 1024
_STEP = np.uint64(116049371)
_LESS, _GREATER, _LOW_LINE, _LAST_OF_LABEL = ord("<"), ord(">"), ord("_"), ord("l")
_LABEL, _REST_OF_END = np.frombuffer(b"__label", np.uint8), (ord("/"), ord("s"), ord(">"))
_END = np.frombuffer(b"</s>", np.uint8)
# of the table from which fastText reads the sigmoid, for losses without a softmax
_FAR, _STEPS = 8, 512


Scores = npt.NDArray[np.float64]


class Sizes(NamedTuple):
    """The settings of a model that its features follow from."""

    buckets: int
    word_ngrams: int
    least: int  # characters of the shortest and longest n-gram of a word; 0 for none
    most: int
    end: int  # the number of the word at the end of every line, or -1
    end_hash: int  # and its hash, as a signed number
    loss: int


class Classifier(NamedTuple):
    """A model; all arrays are read-only."""

    words: Vocabulary
    rows: Floats
    kept: Places  # of a pruned model: bucket -> its row behind those of words, or -1; else empty
    output: Floats
    children: Places  # of a tree of labels: inner node -> its two children; else empty
    sizes: Sizes


def load(path: Path) -> tuple[Classifier, tuple[str, ...]]:
    """(the classifier in a model file, its labels). Raises ValueError for other files."""
    made = read(path)
    kept = np.zeros(0, np.int32)
    if made.kept is not None:
        kept = np.full(made.buckets, -1, np.int32)
        kept[made.kept[:, 0]] = made.kept[:, 1]
    children = tree_of(made.counts) if made.loss == HIERARCHICAL_SOFTMAX else np.zeros((0, 2), np.int32)
    for array in (kept, children):
        array.flags.writeable = False
    sizes = Sizes(made.buckets, made.word_ngrams, made.least, made.most, *_end(_END, *made.words), made.loss)
    return Classifier(made.words, made.rows, kept, made.output, children, sizes), made.labels


@entry
def _end(word: Bytes, slots: Places, spelled: Bytes, ends: Ends) -> tuple[int, int]:
    """The number of a word, or -1, and its hash as a signed number."""
    value = FNV
    for byte in word:
        value = hashed(value, byte)
    return find_word(word, 0, len(word), value, slots, spelled, ends), np.int64(np.int32(value))


def probabilities(data: Bytes, offsets: Offsets, model: Classifier, labels: int) -> Floats:
    """n texts -> (n, labels) float32; all 0 for a text without words. No text changes another's row."""
    texts = len(offsets) - 1
    scores = np.zeros((texts, labels), np.float32)
    longest = int(np.diff(offsets).max(initial=0))
    _score(
        data, offsets, *model, np.empty(_ROWS, np.int32), np.empty(longest // 2 + 4, np.int32),
        np.empty(longest + 2, np.uint8), np.zeros(model.rows.shape[1], np.float32), np.zeros(labels), scores,
    )  # fmt: skip
    return scores


@entry
def _score(
    data: Bytes,
    offsets: Offsets,
    words: Vocabulary,
    rows: Floats,
    kept: Places,
    output: Floats,
    children: Places,
    sizes: Sizes,
    noted: Places,
    hashes: Places,
    word: Bytes,
    hidden: Floats,
    reached: Scores,
    scores: Floats,
) -> None:
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        hidden[:] = 0
        tokens, count, added = 0, 0, 0
        i = lo
        while i < hi:
            if data[i] <= 0x20 and _is_blank(data[i]):
                i += 1
                continue
            begin = i
            i, value = _word_end(data, i, hi)
            hashes[tokens] = np.int32(value)
            tokens += 1
            number = find_word(data, begin, i, value, words.slots, words.spelled, words.ends)
            if number >= 0:
                count, added = _note(number, rows, noted, hidden, count, added)
            if sizes.most > 0:
                size = _marked(data, begin, i, word)
                count, added = _note_letters(
                    word, size, len(words.ends) - 1, rows, kept, sizes, noted, hidden, count, added
                )
        if tokens == 0:
            continue
        hashes[tokens] = sizes.end_hash
        if sizes.end >= 0:
            count, added = _note(sizes.end, rows, noted, hidden, count, added)
        count, added = _note_pairs(
            hashes, tokens + 1, len(words.ends) - 1, rows, kept, sizes, noted, hidden, count, added
        )
        added = _add_up(rows, noted, hidden, count, added)
        if added:
            for k in range(len(hidden)):
                hidden[k] *= np.float32(1.0 / added)
            _judge(output, children, hidden, sizes.loss, reached, scores[text])


@inlined
def _is_blank(byte: int) -> bool:
    return byte == 0x20 or (9 <= byte <= 13) or byte == 0


@inlined
def _word_end(data: Bytes, i: int, hi: int) -> tuple[int, np.uint32]:
    """Where the word from `i` ends, and its hash: at a blank, before `__` behind `__label`, before `/s>` behind `<`."""
    begin, value = i, FNV
    while i < hi:
        byte = np.int64(data[i])
        if byte <= 0x20 and _is_blank(byte):
            break
        value = hashed(value, byte)
        i += 1
        if byte == _LAST_OF_LABEL and i + 1 < hi and data[i] == _LOW_LINE and data[i + 1] == _LOW_LINE:
            if i - begin >= 7 and _is_label(data, i - 7):
                break
        elif byte == _LESS and i + 2 < hi and (data[i], data[i + 1], data[i + 2]) == _REST_OF_END:
            break
    return i, value


@loop
def _is_label(data: Bytes, at: int) -> bool:
    """Whether `__label` stands there."""
    same = True
    for k in range(7):
        same = same and data[at + k] == _LABEL[k]
    return same


@inlined
def _note(row: int, rows: Floats, noted: Places, hidden: Floats, count: int, added: int) -> tuple[int, int]:
    """Note a row to be added: (how many are noted, how many have been added up)."""
    if count == _ROWS:
        added = _add_up(rows, noted, hidden, count, added)
        count = 0
    noted[count] = row
    return count + 1, added


@loop
def _add_up(rows: Floats, noted: Places, hidden: Floats, count: int, added: int) -> int:
    """Add the noted rows to `hidden`, in their order; how many have been added."""
    for place in range(count):
        row = np.uint64(noted[place])
        for k in range(np.uint64(len(hidden))):
            hidden[k] += rows[row, k]
    return added + count


@inlined
def _note_bucket(
    bucket: int, words: int, rows: Floats, kept: Places, noted: Places, hidden: Floats, count: int, added: int
) -> tuple[int, int]:
    """Note the row of a hashed n-gram, if the model has it."""
    row = np.int64(bucket)
    if len(kept):
        row = np.int64(kept[row])
    if row >= 0:
        count, added = _note(words + row, rows, noted, hidden, count, added)
    return count, added


@loop
def _marked(data: Bytes, lo: int, hi: int, word: Bytes) -> int:
    """Write the word with the marks < and > around it; its bytes."""
    word[0] = _LESS
    for i in range(lo, hi):
        word[1 + i - lo] = data[i]
    word[1 + hi - lo] = _GREATER
    return hi - lo + 2


@loop
def _note_letters(
    word: Bytes,
    size: int,
    words: int,
    rows: Floats,
    kept: Places,
    sizes: Sizes,
    noted: Places,
    hidden: Floats,
    count: int,
    added: int,
) -> tuple[int, int]:
    """Note the n-grams of characters of `word[:size]`."""
    buckets = np.uint32(sizes.buckets)
    for i in range(size):
        if word[i] & 0xC0 == 0x80:
            continue
        value, j, n = FNV, i, 1
        while j < size and n <= sizes.most:
            value = hashed(value, word[j])
            j += 1
            while j < size and word[j] & 0xC0 == 0x80:
                value = hashed(value, word[j])
                j += 1
            if n >= sizes.least and not (n == 1 and (i == 0 or j == size)):
                count, added = _note_bucket(value % buckets, words, rows, kept, noted, hidden, count, added)
            n += 1
    return count, added


@loop
def _note_pairs(
    hashes: Places,
    tokens: int,
    words: int,
    rows: Floats,
    kept: Places,
    sizes: Sizes,
    noted: Places,
    hidden: Floats,
    count: int,
    added: int,
) -> tuple[int, int]:
    """Note the n-grams of two words and more."""
    buckets = np.uint64(sizes.buckets)
    for first in range(tokens):
        # a hash of 32 bits is taken for a signed number, and that for one of 64 bits
        value = np.uint64(np.int64(hashes[first]))
        for last in range(first + 1, min(tokens, first + sizes.word_ngrams)):
            value = value * _STEP + np.uint64(np.int64(hashes[last]))
            count, added = _note_bucket(value % buckets, words, rows, kept, noted, hidden, count, added)
    return count, added


@loop
def _judge(output: Floats, children: Places, hidden: Floats, loss: int, reached: Scores, scores: Floats) -> None:
    """Write the probability of each label, a hair above what it is, as fastText has it."""
    if loss == HIERARCHICAL_SOFTMAX:
        _descend(output, children, hidden, reached, scores)
        return
    most = np.float32(-np.inf)
    for label in range(len(scores)):
        scores[label] = _product(output, label, hidden)
        most = max(most, scores[label])
    total = 0.0
    for label in range(len(scores)):
        total += exponential(np.float64(scores[label] - most))
    for label in range(len(scores)):
        share = exponential(np.float64(scores[label] - most)) / total if loss == SOFTMAX else _sigmoid(scores[label])
        scores[label] = min(share + _LEAST, 1.0)


@loop
def _product(output: Floats, row: int, hidden: Floats) -> np.float32:
    product = np.float32(0)
    for k in range(len(hidden)):
        product += output[row, k] * hidden[k]
    return product


@loop
def _sigmoid(value: float) -> float:
    """The sigmoid as fastText's table has it."""
    if value < -_FAR or value > _FAR:
        return 0.0 if value < 0 else 1.0
    step = np.int64((value + _FAR) * np.float32(_STEPS / _FAR / 2))
    return 1.0 / (1.0 + exponential(-(step * 2.0 * _FAR / _STEPS - _FAR)))


@loop
def _descend(output: Floats, children: Places, hidden: Floats, reached: Scores, scores: Floats) -> None:
    """The probabilities of the labels of a tree; fastText leaves out what is below 1e-5."""
    labels = len(scores)
    scores[0], reached[labels - 1] = 1.0, 1.0
    # a child's number is below its parent's; node k is `labels + k`, the root the last one
    for node in range(labels - 2, -1, -1):
        above = reached[node + 1]
        right = 1.0 / (1.0 + exponential(-np.float64(_product(output, node, hidden))))
        for side in range(2):
            chance = above * ((right if side else 1.0 - right) + _LEAST)
            chance = chance if chance >= _LEAST else 0.0
            child = np.int64(children[node, side])
            if child < labels:
                scores[child] = min(chance, 1.0)
            else:
                reached[child - labels + 1] = chance
