"""Numbers for n-grams, and the probability of lines of tokens under a back-off model of n-grams.

An n-gram has a dense number: that of its first n - 1 tokens and its last token are its key, so no two are ever mixed up.
In a model it is found by a 64-bit hash of its tokens, last token first: of 10^9 look-ups that should fail, one among
10^8 entries finds a wrong one with probability 10^-2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined
from curate.kernels.groups import GOLDEN

Ids = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Logs = npt.NDArray[np.float32]

UNKNOWN, BEGIN, END = 0, 1, 2
# The most tokens of an n-gram.
MOST_ORDER = 8
_0, _1 = np.uint64(0), np.uint64(1)


@inlined
def _slot(keys: Keys, key: np.uint64) -> np.uint64:
    """The slot of `key` (not 0) in an open table of 2^k slots, or the empty one where it belongs."""
    mask = np.uint64(len(keys) - 1)
    value = key * GOLDEN
    slot = (value ^ (value >> np.uint64(32))) * GOLDEN >> np.uint64(20) & mask
    while keys[slot] != _0 and keys[slot] != key:
        slot = (slot + _1) & mask
    return slot


class Numbers:
    """Numbers for uint64 keys (not 0), in order of first sight, from `count` on."""

    def __init__(self, count: int = 0, room: int = 1 << 16) -> None:
        self.count = count
        self._keys, self._ids = np.zeros(room, np.uint64), np.zeros(room, np.int32)

    def number(self, keys: Keys) -> tuple[Ids, Places]:
        """(the number of each key, for each new number the place of its first key)."""
        ids, fresh = np.empty(len(keys), np.int32), np.empty(len(keys), np.int64)
        done, before = 0, self.count
        while True:
            done, self.count = _number(self._keys, self._ids, keys, done, before, self.count, ids, fresh)
            if done == len(keys):
                return ids, fresh[: self.count - before].copy()
            self._grow()

    def look_up(self, keys: Keys) -> Ids:
        """The number of each key, 0 of those that have none."""
        ids = np.empty(len(keys), np.int32)
        _look_up(self._keys, self._ids, keys, ids)
        return ids

    def _grow(self) -> None:
        keys, ids = np.zeros(2 * len(self._keys), np.uint64), np.zeros(2 * len(self._keys), np.int32)
        _rehash(self._keys, self._ids, keys, ids)
        self._keys, self._ids = keys, ids


@entry
def _number(
    table: Keys, numbers: Ids, keys: Keys, start: int, before: int, count: int, ids: Ids, fresh: Places
) -> tuple[int, int]:
    """(how far it came before the table was two thirds full, the next free number)."""
    most = len(table) // 3 * 2
    for i in range(start, len(keys)):
        slot = _slot(table, keys[i])
        if table[slot] == _0:
            if count >= most:
                return i, count
            table[slot], numbers[slot] = keys[i], count
            fresh[count - before] = i
            count += 1
        ids[i] = numbers[slot]
    return len(keys), count


@entry
def _look_up(table: Keys, numbers: Ids, keys: Keys, ids: Ids) -> None:
    for i in range(len(keys)):
        slot = _slot(table, keys[i])
        ids[i] = 0 if table[slot] == _0 else numbers[slot]


@entry
def _rehash(old: Keys, old_ids: Ids, keys: Keys, ids: Ids) -> None:
    for i in range(len(old)):
        if old[i] != _0:
            slot = _slot(keys, old[i])
            keys[slot], ids[slot] = old[i], old_ids[i]


class Table(NamedTuple):
    """A back-off model: for each token its log10 probability and back-off, the longer n-grams in one open table."""

    order: int
    probability: Logs  # (tokens,)
    backoff: Logs  # (tokens,)
    grams: Keys  # (slots, 2): the key, 0 where empty; log10 probability and back-off as two float32


@inlined
def _extended(key: np.uint64, token: Any) -> np.uint64:
    """The key of an n-gram, given that of its last n - 1 tokens and its first."""
    value = (key ^ (np.uint64(token) + _1)) * np.uint64(0xFF51AFD7ED558CCD)
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    value ^= value >> np.uint64(33)
    return value if value != _0 else _1


@inlined
def _gram_slot(grams: Keys, key: np.uint64) -> np.uint64:
    """The slot of a well mixed `key` (not 0) in a table of fewer than 2^32 slots, or the empty one where it belongs."""
    slots = np.uint64(len(grams))
    slot = (key >> np.uint64(32)) * slots >> np.uint64(32)
    while grams[slot, 0] != _0 and grams[slot, 0] != key:
        slot += _1
        slot = slot if slot < slots else _0
    return slot


def empty_table(entries: int) -> Keys:
    """Room for so many n-grams, two thirds full then."""
    return np.zeros((entries * 3 // 2 + 8, 2), np.uint64)


def fill_table(grams: Keys, tokens: Ids, probability: Logs, backoff: Logs) -> int:
    """Put n-grams (m, n) into the table; how many were there already."""
    return _fill(grams, grams.view(np.float32), tokens, probability, backoff)


@entry
def _fill(grams: Keys, values: Logs, tokens: Ids, probability: Logs, backoff: Logs) -> int:
    twice = 0
    for i in range(len(tokens)):
        key = _0
        for j in range(tokens.shape[1] - 1, -1, -1):
            key = _extended(key, tokens[i, j])
        slot = _gram_slot(grams, key)
        twice += grams[slot, 0] != _0
        grams[slot, 0] = key
        values[slot, 2], values[slot, 3] = probability[i], backoff[i]
    return twice


def score_lines(
    table: Table, ids: Ids, first: Places, texts: Places
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(log10 probability of each text, its tokens and line ends): each line from its begin to its end by itself."""
    total, tokens = np.zeros(len(texts) - 1, np.float64), np.zeros(len(texts) - 1, np.int64)
    room = np.empty(MOST_ORDER + 1, np.int32), np.zeros((2, MOST_ORDER + 1))
    _score(*table, table.grams.view(np.float32), ids, first, texts, total, tokens, *room)
    return total, tokens


@entry
def _score(
    order: int,
    probability: Logs,
    backoff: Logs,
    grams: Keys,
    values: Logs,
    ids: Ids,
    first: Places,
    texts: Places,
    total: npt.NDArray[np.float64],
    tokens: npt.NDArray[np.int64],
    context: Ids,
    backoffs: npt.NDArray[np.float64],
) -> None:
    for text in range(len(texts) - 1):
        for line in range(texts[text], texts[text + 1]):
            # context[0] is the latest token; backoffs[now, j] that of the latest j; `held` the longest known context
            now, held = 0, min(order - 1, 1)
            context[0], backoffs[0, 1] = BEGIN, backoff[BEGIN]
            for place in range(first[line], first[line + 1] + 1):
                token = np.int64(ids[place]) if place < first[line + 1] else np.int64(END)
                log, length = np.float64(probability[token]), 1
                backoffs[1 - now, 1] = backoff[token]
                key = _extended(_0, token)
                for j in range(held):
                    key = _extended(key, context[j])
                    slot = _gram_slot(grams, key)
                    if grams[slot, 0] == _0:
                        break
                    log, length = np.float64(values[slot, 2]), j + 2
                    backoffs[1 - now, length] = values[slot, 3]
                for j in range(length, held + 1):
                    log += backoffs[now, j]
                total[text] += log
                now, held = 1 - now, min(length, order - 1)
                for j in range(held - 1, 0, -1):
                    context[j] = context[j - 1]
                context[0] = token
            tokens[text] += first[line + 1] - first[line] + 1
