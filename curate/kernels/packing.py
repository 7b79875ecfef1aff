"""Packing documents into the rows of a batch, and copying their tokens there.

A segment is a run of one document's tokens in one row: (row, place in the row, source, document, first token, length).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import kernel, loop
from curate.kernels.addresses import int64_at, uint8_at, uint16_at, uint32_at
from curate.kernels.mixture import NOTHING, PIECES, PLACED, Corpus, Floats, Integers, Position, block_of, draw

ROW, AT, SOURCE, DOCUMENT, START, LENGTH, FIELDS = 0, 1, 2, 3, 4, 5, 6
# what a planner answers instead of a number of segments; a dropped source s is told as DROPPED_SOURCE - s
FULL, DROPPED_SOURCE = -1, -2
IGNORE = -100
Tokens = npt.NDArray[np.int32]


@loop
def _place(
    position: Position, out: Integers, n: int, row: int, at: int, source: int, document: int, start: int, length: int
) -> None:
    out[n, 0] = row
    out[n, 1] = at
    out[n, 2] = source
    out[n, 3] = document
    out[n, 4] = start
    out[n, 5] = length
    position.counts[source, PIECES] += 1
    position.counts[source, PLACED] += length


@kernel
def concatenate(
    corpus: Corpus, position: Position, weights: Floats, rows: int, context: int, long: int, out: Integers
) -> int:
    """The next `rows` rows of the pieces one after the other, cut where a row ends; how many segments, or FULL.

    A piece that fills a row takes one from the end, uncut; the segments are not in the order of rows.
    """
    n, row, at, end = 0, 0, np.int64(0), rows
    while row < end:
        if position.open[0] == NOTHING:
            drawn = draw(corpus, position, weights, context, long)
            if drawn < 0:
                return DROPPED_SOURCE + 1 + drawn
        if n == len(out):
            return FULL
        source, document, start = position.open[0], position.open[1], position.open[2]
        left = position.open[3] - start
        whole = left == context and at > 0 and row + 1 < end
        if whole:
            end -= 1
            _place(position, out, n, end, 0, source, document, start, context)
        else:
            left = min(context - at, left)
            _place(position, out, n, row, at, source, document, start, left)
            at += left
            if at == context:
                row, at = row + 1, np.int64(0)
        n += 1
        position.open[2] += left
        if position.open[2] == position.open[3]:
            position.open[0] = NOTHING
    return n


@kernel
def fill_pool(
    corpus: Corpus, position: Position, weights: Floats, context: int, long: int, wanted: int, pool: Integers, held: int
) -> int:
    """Draw until the pool's pieces hold `wanted` tokens; how many pieces, or FULL.

    A piece is (source, document, first token, end). `held` of them are there already.
    """
    tokens = np.int64(0)
    for i in range(held):
        tokens += pool[i, 3] - pool[i, 2]
    while tokens < wanted:
        if position.open[0] == NOTHING:
            drawn = draw(corpus, position, weights, context, long)
            if drawn < 0:
                return DROPPED_SOURCE + 1 + drawn
        if held == len(pool):
            return FULL
        pool[held] = position.open
        held += 1
        tokens += position.open[3] - position.open[2]
        position.open[0] = NOTHING
    return held


@kernel
def by_length(pool: Integers, start: int, stop: int, context: int) -> Integers:
    """The pieces [start, stop) of the pool, the longest first, equals in their order."""
    first = np.zeros(context + 2, np.int64)
    for i in range(start, stop):
        first[context - (pool[i, 3] - pool[i, 2]) + 1] += 1
    for i in range(context + 1):
        first[i + 1] += first[i]
    order = np.empty(stop - start, np.int64)
    for i in range(start, stop):
        key = context - (pool[i, 3] - pool[i, 2])
        order[first[key]] = i
        first[key] += 1
    return order


@kernel
def best_fit(
    position: Position, rows: int, context: int, pool: Integers, carried: int, held: int, out: Integers
) -> tuple[int, int]:
    """Best-fit decreasing of the pool into `rows` rows: (how many segments, how many pieces are left in the pool).

    The `carried` pieces of earlier batches come first, so that none waits for long; then the longest first, each into
    the fullest row that has room. What is left keeps its order.
    """
    # rows by the room that they have: a stack for each, and a bit for each stack that is not empty
    head = np.full(context + 1, -1, np.int64)
    after = np.full(rows, -1, np.int64)
    words = np.zeros(context // 64 + 1, np.uint64)
    fill = np.zeros(rows, np.int64)
    for row in range(rows - 1, -1, -1):
        _push(head, after, words, context, row)
    n = 0
    for part in range(2):
        order = by_length(pool, 0, carried, context) if part == 0 else by_length(pool, carried, held, context)
        for i in order:
            length = pool[i, 3] - pool[i, 2]
            room = _least(words, length, context)
            if room < 0:
                continue
            row = _pop(head, after, words, room)
            _place(position, out, n, row, fill[row], pool[i, 0], pool[i, 1], pool[i, 2], length)
            n += 1
            fill[row] += length
            pool[i, 0] = NOTHING
            if room > length:
                _push(head, after, words, room - length, row)
    left = 0
    for i in range(held):
        if pool[i, 0] != NOTHING:
            for field in range(4):
                pool[left, field] = pool[i, field]
            left += 1
    return n, left


@loop
def _push(head: Integers, after: Integers, words: npt.NDArray[np.uint64], room: int, row: int) -> None:
    after[row] = head[room]
    head[room] = row
    words[room >> 6] |= np.uint64(1) << np.uint64(room & 63)


@loop
def _pop(head: Integers, after: Integers, words: npt.NDArray[np.uint64], room: int) -> int:
    row = head[room]
    head[room] = after[row]
    if head[room] < 0:
        words[room >> 6] &= ~(np.uint64(1) << np.uint64(room & 63))
    return row


@loop
def _least(words: npt.NDArray[np.uint64], room: int, context: int) -> int:
    """The least room of at least `room` that some row has, or -1."""
    word = room >> 6
    bits = words[word] & ~((np.uint64(1) << np.uint64(room & 63)) - np.uint64(1))
    while bits == 0:
        word += 1
        if word >= len(words):
            return -1
        bits = words[word]
    at = word << 6
    while bits & np.uint64(1) == 0:
        bits >>= np.uint64(1)
        at += 1
    return at


@kernel
def copy_tokens(corpus: Corpus, segments: Integers, wide: bool, out: Tokens) -> None:
    """The tokens of the segments into `out`, (rows, context); `wide` if they are uint32 on disk, else uint16."""
    for n in range(len(segments)):
        row, at, length = segments[n, 0], segments[n, 1], segments[n, 5]
        source, document = segments[n, 2], segments[n, 3]
        block = block_of(corpus, source, document)
        start = int64_at(corpus.offsets[block])[document - corpus.start[block]] + segments[n, 4]
        target = out[row, at : at + length]
        if wide:
            words = uint32_at(corpus.tokens[block] + 4 * start)
            for i in range(length):
                target[i] = np.int32(words[i])
        else:
            halves = uint16_at(corpus.tokens[block] + 2 * start)
            for i in range(length):
                target[i] = np.int32(halves[i])


@kernel
def copy_labels(corpus: Corpus, segments: Integers, tokens: Tokens, out: npt.NDArray[np.int64]) -> None:
    """Each token as its own label, IGNORE where it is the first of its segment or masked; padding is left as it is."""
    for n in range(len(segments)):
        row, at, length = segments[n, 0], segments[n, 1], segments[n, 5]
        source, document = segments[n, 2], segments[n, 3]
        block = block_of(corpus, source, document)
        address = corpus.masks[block]
        # slices of a known beginning: loops that the compiler turns into vector instructions
        given, target = tokens[row, at : at + length], out[row, at : at + length]
        if address == 0:
            for i in range(length):
                target[i] = given[i]
        else:
            start = int64_at(corpus.offsets[block])[document - corpus.start[block]] + segments[n, 4]
            mask = uint8_at(address + start)
            for i in range(length):
                target[i] = given[i] if mask[i] else IGNORE
        target[0] = IGNORE


@kernel
def copy_positions(segments: Integers, positions: npt.NDArray[np.int64], documents: npt.NDArray[np.int64]) -> None:
    """Of each token its place in its segment, and the number of its segment in the row; padding is left as it is."""
    last_row, number = np.int64(-1), np.int64(0)
    for n in range(len(segments)):
        row, at, length = segments[n, 0], segments[n, 1], segments[n, 5]
        number = number + 1 if row == last_row else np.int64(0)
        last_row = row
        places, numbers = positions[row, at : at + length], documents[row, at : at + length]
        for i in range(length):
            places[i] = i
        for i in range(length):
            numbers[i] = number


@kernel
def place_padding(positions: npt.NDArray[np.int64], documents: npt.NDArray[np.int64]) -> None:
    """Padding, where `documents` holds -1, becomes one more document of each row, with places from 0."""
    for row in range(positions.shape[0]):
        place = np.int64(0)
        for i in range(positions.shape[1]):
            if documents[row, i] < 0:
                positions[row, i] = place
                place += 1
