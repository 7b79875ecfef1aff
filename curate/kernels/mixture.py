"""Drawing pieces of documents from weighted sources, one after the other, as a pure function of a small position.

Which source is next: worst-case fair weighted fair queueing (Bennett and Zhang, WF2Q, 1996), with tokens as the packets'
bits. A source may be drawn from when it is not ahead of its share, and of those the one that would be done first is. Its
theorem: at every moment a source has given at most one of its documents more than weight x tokens, and at most the longest
document less. A multinomial draw has an error that grows with the square root of the tokens instead.

What of the source is next: its cursor through a keyed permutation, a new one in each epoch, of its documents, or, where long ones
are split, of their pieces of at most `context` tokens: those of one book are as far from each other as any others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, kernel, loop
from curate.kernels.addresses import int32_at, int64_at
from curate.kernels.permutation import epoch_key, permuted

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Of so many documents it is remembered how many pieces are before them; those of others are counted when they are looked for.
GROUP = 32
# What becomes of a document longer than the context.
SPLIT, CROP, DROP = 0, 1, 2
# Columns of Position.counts, a row a source.
DOCUMENTS, TOKENS, CROPPED, DROPPED, DROPPED_TOKENS, PIECES, PLACED, COLUMNS = 0, 1, 2, 3, 4, 5, 6, 7
NOTHING = -1
# So little ahead of its share, of all tokens, is not ahead: shares are no exact numbers.
_ROUNDING = 1e-12


class Corpus(NamedTuple):
    """K sources in B blocks, those of source s at `first_block[s]` to `first_block[s + 1]`.

    Of a block: `start`, the number in its source of its first document; the addresses of its n + 1 token offsets (int64), of
    its tokens, of its masks (uint8; 0: none) and of the place of each document's first trained token (int32; 0: none).
    Of a source: its documents, and the pieces that are drawn of them. Where these are parts of documents (`in_pieces`),
    `before` holds from `first_group[s]` on how many are before each GROUP of its documents.
    """

    first_block: Integers
    start: Integers
    offsets: Integers
    tokens: Integers
    masks: Integers
    trained: Integers
    documents: Integers
    keys: npt.NDArray[np.uint64]
    pieces: Integers
    first_group: Integers
    before: Integers


class Position(NamedTuple):
    """Where drawing stands; all that changes.

    Of each source: `epoch`, `cursor` (how many pieces of the epoch are gone), `served` (tokens since the weights were
    set, less what it was owed then), and the next piece: `head` (its document), `begin`, `length`. `total[0]`: tokens of all
    sources since the weights were set. `counts`: see COLUMNS. `open`: a piece in use as (source, document, next token,
    end), or NOTHING.
    """

    epoch: Integers
    cursor: Integers
    served: Floats
    total: Floats
    head: Integers
    begin: Integers
    length: Integers
    counts: Integers
    open: Integers


@entry
def block_of(corpus: Corpus, source: int, document: int) -> int:
    """The block that holds a document of a source."""
    low, high = corpus.first_block[source], corpus.first_block[source + 1] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if corpus.start[middle] <= document:
            low = middle
        else:
            high = middle - 1
    return low


@loop
def length_of(corpus: Corpus, source: int, document: int) -> int:
    """How many tokens a document has."""
    block = block_of(corpus, source, document)
    offsets = int64_at(corpus.offsets[block])
    at = document - corpus.start[block]
    return offsets[at + 1] - offsets[at]


@loop
def first_trained(corpus: Corpus, source: int, document: int) -> int:
    """The place of the document's first token that the loss is of."""
    block = block_of(corpus, source, document)
    address = corpus.trained[block]
    return np.int64(int32_at(address)[document - corpus.start[block]]) if address else np.int64(0)


def in_pieces(corpus: Corpus, context: int) -> Corpus:
    """The corpus with pieces of `context` tokens, the last of a document shorter; eight bytes are held for GROUP documents."""
    first = np.concatenate([[0], np.cumsum(-(-corpus.documents // GROUP))])
    before, pieces = np.empty(first[-1], np.int64), np.empty(len(corpus.documents), np.int64)
    _count_pieces(corpus, context, first, before, pieces)
    return corpus._replace(pieces=pieces, first_group=first, before=before)


@kernel
def _count_pieces(corpus: Corpus, context: int, first: Integers, before: Integers, pieces: Integers) -> None:
    for source in range(len(corpus.documents)):
        count = np.int64(0)
        for document in range(corpus.documents[source]):
            if document % GROUP == 0:
                before[first[source] + document // GROUP] = count
            count += _pieces_of(corpus, source, document, context)
        pieces[source] = count


@loop
def _pieces_of(corpus: Corpus, source: int, document: int, context: int) -> int:
    return max(np.int64(1), (length_of(corpus, source, document) + context - 1) // context)


@entry
def find_piece(corpus: Corpus, source: int, piece: int, context: int) -> tuple[int, int]:
    """The document of a piece, and the piece's first token."""
    low, high = corpus.first_group[source], corpus.first_group[source + 1] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if corpus.before[middle] <= piece:
            low = middle
        else:
            high = middle - 1
    document, left = (low - corpus.first_group[source]) * GROUP, piece - corpus.before[low]
    while True:
        held = _pieces_of(corpus, source, document, context)
        if left < held:
            return document, left * context
        left -= held
        document += 1


@loop
def find_head(corpus: Corpus, position: Position, source: int, context: int, long: int) -> bool:
    """Set the next piece of a source, past what is dropped; false if the whole source would be dropped."""
    count = corpus.pieces[source]
    # the rest of this epoch and a whole one
    for _ in range(2 * count):
        if position.cursor[source] >= count:
            position.cursor[source] = 0
            position.epoch[source] += 1
        key = epoch_key(corpus.keys[source], position.epoch[source])
        document, begin = permuted(position.cursor[source], count, key), np.int64(0)
        if long == SPLIT:
            document, begin = find_piece(corpus, source, document, context)
        whole = length_of(corpus, source, document)
        length: int = min(whole - begin, context)
        unusable = long == DROP and whole > context
        # a conversation cut off before the first answer has nothing to learn
        unusable = unusable or (long != SPLIT and first_trained(corpus, source, document) >= length)
        if not unusable:
            position.head[source] = document
            position.begin[source] = begin
            position.length[source] = length
            return True
        position.counts[source, DROPPED] += 1
        position.counts[source, DROPPED_TOKENS] += whole
        position.cursor[source] += 1
    return False


@entry
def next_source(position: Position, weights: Floats) -> int:
    """The source to draw from: WF2Q."""
    best, behind = -1, -1
    best_finish = most_behind = np.inf
    for source in range(len(weights)):
        weight = weights[source]
        if weight <= 0.0:
            continue
        lead = position.served[source] - weight * position.total[0]
        if lead < most_behind:
            behind, most_behind = source, lead
        if lead <= _ROUNDING * position.total[0]:
            finish = (position.served[source] + position.length[source]) / weight
            if finish < best_finish:
                best, best_finish = source, finish
    # rounding alone can leave all ahead by a hair
    return best if best >= 0 else behind


@loop
def draw(corpus: Corpus, position: Position, weights: Floats, context: int, long: int) -> int:
    """Take the next piece: into `position.open`. The source, or -1 - source where that has nothing left to draw."""
    source = next_source(position, weights)
    document, begin, length = position.head[source], position.begin[source], position.length[source]
    position.open[0] = source
    position.open[1] = document
    position.open[2] = begin
    position.open[3] = begin + length
    position.served[source] += length
    position.total[0] += length
    position.counts[source, DOCUMENTS] += begin == 0
    position.counts[source, TOKENS] += length
    if long == CROP:
        position.counts[source, CROPPED] += length_of(corpus, source, document) - length
    position.cursor[source] += 1
    return source if find_head(corpus, position, source, context, long) else -1 - source


@kernel
def find_heads(corpus: Corpus, position: Position, weights: Floats, context: int, long: int) -> int:
    """The next piece of every source that has a weight; -1, or the source that would be dropped whole."""
    for source in range(len(weights)):
        if weights[source] > 0.0 and not find_head(corpus, position, source, context, long):
            return source
    return -1
