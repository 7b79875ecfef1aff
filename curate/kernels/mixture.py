"""Drawing documents from weighted sources, one after the other, as a pure function of a small position.

Which source is next: worst-case fair weighted fair queueing (Bennett and Zhang, WF2Q, 1996), with tokens as the packets'
bits. A source may be drawn from when it is not ahead of its share, and of those the one that would be done first is. Its
theorem: at every moment a source has given at most one of its documents more than weight x tokens, and at most the longest
document less. A multinomial draw has an error that grows with the square root of the tokens instead.

Which document is next: the source's cursor through a keyed permutation of its documents, a new one in each epoch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, kernel, loop
from curate.kernels.addresses import int32_at, int64_at
from curate.kernels.permutation import epoch_key, permuted

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# What becomes of a document longer than the context.
SPLIT, CROP, DROP = 0, 1, 2
# Columns of Position.counts, a row a source.
DOCUMENTS, TOKENS, CROPPED, DROPPED, DROPPED_TOKENS, PIECES, PLACED, COLUMNS = 0, 1, 2, 3, 4, 5, 6, 7
NOTHING = -1


class Corpus(NamedTuple):
    """K sources in B blocks, those of source s at `first_block[s]` to `first_block[s + 1]`.

    Of a block: `start`, the number in its source of its first document; the addresses of its n + 1 token offsets (int64), of
    its tokens, of its masks (uint8; 0: none) and of the place of each document's first trained token (int32; 0: none).
    """

    first_block: Integers
    start: Integers
    offsets: Integers
    tokens: Integers
    masks: Integers
    trained: Integers
    documents: Integers
    keys: npt.NDArray[np.uint64]


class Position(NamedTuple):
    """Where drawing stands; all that changes.

    Of each source: `epoch`, `cursor` (how many documents of the epoch are gone), `served` (tokens since the weights were
    set, less what it was owed then), and the next document: `head`, `length`. `total[0]`: tokens of all sources since the
    weights were set. `counts`: see COLUMNS. `open`: a document in use as (source, document, next token, end), or NOTHING.
    """

    epoch: Integers
    cursor: Integers
    served: Floats
    total: Floats
    head: Integers
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


@loop
def find_head(corpus: Corpus, position: Position, source: int, context: int, long: int) -> bool:
    """Set the next document of a source, past those that are dropped; false if the whole source would be dropped."""
    count = corpus.documents[source]
    # the rest of this epoch and a whole one
    for _ in range(2 * count):
        if position.cursor[source] >= count:
            position.cursor[source] = 0
            position.epoch[source] += 1
        key = epoch_key(corpus.keys[source], position.epoch[source])
        document = permuted(position.cursor[source], count, key)
        whole = length_of(corpus, source, document)
        length = whole if long == SPLIT else min(whole, context)
        unusable = long == DROP and whole > context
        # a conversation cut off before the first answer has nothing to learn
        unusable = unusable or (long != SPLIT and first_trained(corpus, source, document) >= length)
        if not unusable:
            position.head[source] = document
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
        if lead <= 0.0:
            finish = (position.served[source] + position.length[source]) / weight
            if finish < best_finish:
                best, best_finish = source, finish
    # rounding alone can leave all ahead by a hair
    return best if best >= 0 else behind


@loop
def draw(corpus: Corpus, position: Position, weights: Floats, context: int, long: int) -> int:
    """Take the next document: into `position.open`. The source, or -1 - source where that has nothing left to draw."""
    source = next_source(position, weights)
    document, length = position.head[source], position.length[source]
    position.open[0] = source
    position.open[1] = document
    position.open[2] = 0
    position.open[3] = length
    position.served[source] += length
    position.total[0] += length
    position.counts[source, DOCUMENTS] += 1
    position.counts[source, TOKENS] += length
    if long == CROP:
        position.counts[source, CROPPED] += length_of(corpus, source, document) - length
    position.cursor[source] += 1
    return source if find_head(corpus, position, source, context, long) else -1 - source


@kernel
def find_heads(corpus: Corpus, position: Position, weights: Floats, context: int, long: int) -> int:
    """The next document of every source that has a weight; -1, or the source that would be dropped whole."""
    for source in range(len(weights)):
        if weights[source] > 0.0 and not find_head(corpus, position, source, context, long):
            return source
    return -1


@kernel
def draw_many(
    corpus: Corpus, position: Position, weights: Floats, context: int, long: int, out: npt.NDArray[Any]
) -> None:
    """The next len(out) documents: source, document, length."""
    for i in range(len(out)):
        draw(corpus, position, weights, context, long)
        out[i, 0] = position.open[0]
        out[i, 1] = position.open[1]
        out[i, 2] = position.open[3]
    position.open[0] = NOTHING
