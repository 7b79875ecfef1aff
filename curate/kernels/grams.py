"""N-grams of the words of one text: from n to n + 1 in one pass over the positions that still repeat.

An n-gram can repeat only where the (n-1)-grams at its first and second word both do: each level looks only at the
positions that the one before left alive. The leader of a position is where its n-gram stands first; one word further
the pair (leader, next word) is looked up, or found the same as the leader's own.
"""

from __future__ import annotations

import numpy as np

from curate.kernels import inlined, loop
from curate.kernels.ascii import wide_byte
from curate.kernels.groups import GOLDEN, Counts, Hashes, Places, clear, find_slot, word_characters
from curate.text import Bytes

# Each is a uint64: with an int64, numba would compute in float64.
_0, _1, _32 = np.uint64(0), np.uint64(1), np.uint64(32)
# n-grams below this n part at most words
_SHORT = np.uint64(4)


@loop
def sum_characters(
    data: Bytes, start: Counts, stop: Counts, begin: np.uint64, size: np.uint64, ascii_only: bool, chars: Places
) -> None:
    """Of each of `size` words and of the end: the characters of all words before."""
    chars[size] = 0
    if size == _0:
        return
    total, end = 0, np.int64(stop[begin + size - _1])
    # the next byte that is not ASCII: words before it have as many characters as bytes
    wide = end if ascii_only else wide_byte(data, np.int64(start[begin]), end)
    for k in range(size):
        chars[k] = total
        lo, hi = np.int64(start[begin + k]), np.int64(stop[begin + k])
        if hi <= wide:
            total += hi - lo
        else:
            total += word_characters(data, lo, hi)
            wide = wide_byte(data, hi, end)
    chars[size] = total


@loop
def extend(
    n: np.uint64,
    word: Places,
    alive: Places,
    living: np.uint64,
    leader: Places,
    count: Places,
    next_count: Places,
    keys: Hashes,
    ids: Places,
) -> tuple[np.uint64, np.uint32]:
    """From n-grams to (n + 1)-grams, in place: `leader` and, by leader, `next_count` of those that stay alive.

    Returns how many positions stay, and the count of the most frequent (n + 1)-gram. `alive` ends with a position that
    is not; what `keys` and `ids` hold is lost.
    """
    left = _survivors(alive, living, leader, count)
    if n < _SHORT:
        return left, _look_up(n, word, alive, left, leader, next_count, keys, ids)
    return left, _follow(n, word, alive, left, leader, next_count, keys, ids)


@loop
def _survivors(alive: Places, living: np.uint64, leader: Places, count: Places) -> np.uint64:
    """Keep the positions that repeat and before one that does; how many. Without a branch, which no processor could guess."""
    left = _0
    i = np.uint64(alive[0])
    again = count[leader[i]] != 1
    for s in range(living):
        following = np.uint64(alive[s + _1])
        next_again = count[leader[following]] != 1
        alive[left] = i
        left += np.uint64(again & next_again & (following == i + _1))
        i, again = following, next_again
    return left


@loop
def _look_up(
    n: np.uint64,
    word: Places,
    alive: Places,
    left: np.uint64,
    leader: Places,
    next_count: Places,
    keys: Hashes,
    ids: Places,
) -> np.uint32:
    """Find the leader of each position in a table; the count of the most frequent (n + 1)-gram."""
    shift, most = clear(keys, np.int64(left)), np.uint32(1)
    for s in range(left):
        i = np.uint64(alive[s])
        key = ((np.uint64(leader[i]) << _32 | np.uint64(word[i + n])) + _1) * GOLDEN
        slot = find_slot(keys, shift, key)
        lead = i if keys[slot] == _0 else np.uint64(ids[slot])
        keys[slot] = key
        ids[slot] = lead
        leader[i] = lead
        next_count[i] = 0
        next_count[lead] += np.uint32(1)
        most = max(most, next_count[lead])
    return most


@loop
def _follow(
    n: np.uint64,
    word: Places,
    alive: Places,
    left: np.uint64,
    leader: Places,
    next_count: Places,
    keys: Hashes,
    ids: Places,
) -> np.uint32:
    """As `_look_up`, for long n-grams: most of those that are the same go on with the same word."""
    shift, most = clear(keys, np.int64(left)), np.uint32(1)
    for s in range(left):
        i = np.uint64(alive[s])
        lead, next_word = np.uint64(leader[i]), np.uint64(word[i + n])
        if lead == i:
            next_count[i] = 1
            continue
        if np.uint64(word[lead + n]) != next_word:
            key = ((lead << _32 | next_word) + _1) * GOLDEN
            slot = find_slot(keys, shift, key)
            lead = i if keys[slot] == _0 else np.uint64(ids[slot])
            keys[slot] = key
            ids[slot] = lead
            leader[i] = lead
            next_count[i] = 0
        next_count[lead] += np.uint32(1)
        most = max(most, next_count[lead])
    return most


@loop
def first_of(most: np.uint32, alive: Places, leader: Places, count: Places) -> np.uint64:
    """The first position whose n-gram occurs `most` times, which is more than once."""
    s = _0
    while count[leader[alive[s]]] != most:
        s += _1
    return np.uint64(alive[s])


@inlined
def start_grams(
    words: Places, word_count: Places, begin: np.uint64, size: np.uint64, alive: Places, leader: Places, count: Places
) -> np.uint64:
    """The state before `extend`: which positions of the text hold a word that occurs again; how many they are."""
    living = _0
    for i in range(size):
        leader[i] = words[begin + i]
        count[i] = word_count[begin + i]
    for i in range(size):
        alive[living] = i
        living += np.uint64(count[leader[i]] > 1)
    # behind the last word is one that occurs once
    leader[size], count[size] = size, 1
    return living
