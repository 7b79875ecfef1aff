"""Passages of test sets found in texts by n-grams of folded words.

A passage is a run of words of a test example. It is covered as far as n-grams that a text shares with it reach; a passage
of fewer words than n is found whole or not at all, through its first words. Keys are 64-bit: two different n-grams of 10^6
and of a corpus of 10^12 words share one by accident with probability 0.05, and one alone covers no passage.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.folded_words import Folding, Places, folding, words_in
from curate.kernels.groups import GOLDEN, Hashes
from curate.kernels.segments import word_edges
from curate.text import Bytes, Offsets

Integers = npt.NDArray[np.int64]

_ORDER = np.uint64(0xD6E8FEB86659FD93)
_0, _1, _63 = np.uint64(0), np.uint64(1), np.uint64(63)


class Grams(NamedTuple):
    """The n-grams to look for, and where they stand in the test sets. Gram g has the places `first[g]:first[g + 1]`.

    The grams before `longs` have n words, the others are whole short passages. `head` grams are the first words of
    these; gram h of the heads begins those of `head_first[h]:head_first[h + 1]`.
    """

    words: int  # n
    head_words: int
    longs: int
    bits: Hashes  # a bit a slot: a filter that fits a nearer cache than the keys
    keys: Hashes  # an open table of keys; 0 is empty
    ids: Places
    head_bits: Hashes
    head_keys: Hashes
    head_ids: Places
    head_first: Integers
    key: Hashes  # of each gram
    size: Places  # of each gram, in words
    first: Integers
    place: Integers  # the first word, counted through all passages
    owner: Places  # of each word of all passages: its passage
    passage: Places  # of each passage: how many of its words n-grams can cover


class Marks(NamedTuple):
    """What a search remembers of test sets from text to text; `stamp` numbers the text for which a mark was set."""

    stamp: Integers  # one entry: the number of the last text
    word: Integers  # of each word of all passages
    passage: Integers
    covered: Places  # of each passage: words covered by this text
    reach: Places  # (passages, 2): the words of this text where the first of its n-grams begins and the last one ends
    touched: Places
    gram: Integers
    use: npt.NDArray[np.int8]  # of each gram: UNKNOWN, or the bits below
    anywhere: npt.NDArray[np.bool_]  # of each word: whether any text so far covers it
    most: Places  # of each passage: the most words that one text so far covers


class Text(NamedTuple):
    """Room for what one text has: its words, and the grams that begin at them, in order."""

    hashes: Hashes
    start: Places
    stop: Places
    hit_word: Places
    hit_gram: Places


class Found(NamedTuple):
    """What texts share with passages. Text i has found the passages `first[i]:first[i + 1]`, in any order."""

    passage: Places
    covered: Places  # words
    reach: Places  # (pairs, 2): where the first n-gram of it begins in the text and the last one ends, in bytes
    first: Integers
    best: Places  # of each text: the passage with the greatest covered share, -1 for none
    best_covered: Places
    evidence: Places  # (n, 3): the longest stretch of the best passage: words; first and last byte
    words: Places  # of each text
    matched: Places  # of each text: words in n-grams of the passages found
    span_start: Places  # stretches in n-grams of the passages found, in bytes
    span_stop: Places
    span_first: Integers  # text i has the stretches `span_first[i]:span_first[i + 1]`


UNKNOWN, BY_FOUND, BY_BEST = -1, 1, 2


def gram_keys(words: Hashes, n: int) -> Hashes:
    """The keys of all n-grams of a run of words: max(0, len - n + 1)."""
    made = max(0, len(words) - n + 1)
    keys = np.zeros(made, np.uint64)
    with np.errstate(over="ignore"):
        for i in range(n):
            keys = keys * _ORDER + words[i : i + made]
    return np.where(keys == 0, _1, keys)


def open_table(keys: Hashes) -> tuple[Hashes, Hashes, Places]:
    """Different keys, none 0 -> the filter, an open table of keys, and for each slot which key it is."""
    slots = 1 << max(6, (2 * len(keys)).bit_length())
    table, ids = np.zeros(slots, np.uint64), np.zeros(slots, np.int32)
    bits = np.zeros(slots * 8 // 64, np.uint64)
    _insert(keys, bits, table, ids)
    return bits, table, ids


@entry
def _insert(keys: Hashes, bits: Hashes, table: Hashes, ids: Places) -> None:
    shift = _shift(len(bits) * 64)
    for k in range(len(keys)):
        slot = _slot(table, _shift(len(table)), keys[k])
        table[slot], ids[slot] = keys[k], k
        bit = keys[k] * GOLDEN >> shift
        bits[bit >> np.uint64(6)] |= _1 << (bit & _63)


@inlined
def _shift(slots: int) -> np.uint64:
    """By how much a 64-bit number is shifted right to be below a power of two."""
    shift, size = 64, 1
    while size < slots:
        size *= 2
        shift -= 1
    return np.uint64(shift)


@inlined
def _slot(table: Hashes, shift: np.uint64, key: np.uint64) -> np.uint64:
    """Where a key is in an open table, or would be."""
    mask = np.uint64(len(table) - 1)
    slot = key * GOLDEN >> shift
    while table[slot] != _0 and table[slot] != key:
        slot = (slot + _1) & mask
    return slot


def new_marks(grams: Grams) -> Marks:
    """The marks of a search that has seen no text."""
    words, passages, count = len(grams.owner), len(grams.passage), len(grams.key)
    return Marks(
        stamp=np.zeros(1, np.int64),
        word=np.zeros(words, np.int64),
        passage=np.zeros(passages, np.int64),
        covered=np.zeros(passages, np.int32),
        reach=np.zeros((passages, 2), np.int32),
        touched=np.zeros(passages, np.int32),
        gram=np.zeros(count, np.int64),
        use=np.zeros(count, np.int8),
        anywhere=np.zeros(words, np.bool_),
        most=np.zeros(passages, np.int32),
    )


def search(data: Bytes, offsets: Offsets, grams: Grams, marks: Marks, threshold: float) -> Found:
    """What n texts share with the passages: one is found where more than `threshold` of its words are covered."""
    texts = len(offsets) - 1
    room = int(np.diff(offsets).max(initial=0)) // 2 + 2
    # at each word an n-gram and short passages of each size below n may begin; pages that no hit reaches are not touched
    hits = room * (1 + max(0, grams.words - grams.head_words))
    text = Text(np.empty(room, np.uint64), *(np.empty(size, np.int32) for size in (room, room, hits, hits)))
    edges, done = word_edges(data, offsets, ideographs=False), 0
    found = Found(
        *_room(1024), np.zeros(texts + 1, np.int64), np.full(texts, -1, np.int32), np.full(texts, -1, np.int32),
        np.zeros((texts, 3), np.int32), np.zeros(texts, np.int32), np.zeros(texts, np.int32), *_room(1024)[:2],
        np.zeros(texts + 1, np.int64),
    )  # fmt: skip
    while done < texts:
        done = _search(data, offsets, done, threshold, folding(), edges, grams, marks, text, found)
        if done < texts:
            found = found._replace(**{name: _doubled(getattr(found, name)) for name in _GROWING})
    pairs, spans = int(found.first[-1]), int(found.span_first[-1])
    sizes = dict(zip(_GROWING, (pairs, pairs, pairs, spans, spans), strict=True))
    return found._replace(**{name: getattr(found, name)[:size] for name, size in sizes.items()})


_GROWING = ("passage", "covered", "reach", "span_start", "span_stop")


def _room(size: int) -> tuple[Places, Places, Places]:
    return np.empty(size, np.int32), np.empty(size, np.int32), np.empty((size, 2), np.int32)


def _doubled(held: Places) -> Places:
    return np.concatenate([held, np.empty_like(held)])


@entry
def _search(
    data: Bytes,
    offsets: Offsets,
    begin: int,
    threshold: float,
    folded: Folding,
    edges: Bytes,
    grams: Grams,
    marks: Marks,
    text: Text,
    found: Found,
) -> int:
    """Search the texts from `begin` on until the arrays of what is found are full; the first text not searched."""
    for row in range(begin, len(offsets) - 1):
        found.first[row + 1], found.span_first[row + 1] = found.first[row], found.span_first[row]
        lo, hi = np.int64(offsets[row]), np.int64(offsets[row + 1])
        count = words_in(data, lo, hi, folded, edges, text.hashes, text.start, text.stop)
        found.words[row] = count
        hits = _hits(count, grams, text)
        if hits == 0:
            continue
        marks.stamp[0] += 1
        met = _cover(hits, grams, marks, text)
        out = _above(row, met, threshold, grams, marks, text, found)
        spans = _stretches(row, hits, threshold, grams, marks, text, found) if out >= 0 else -1
        if spans < 0:
            return row
        found.first[row + 1], found.span_first[row + 1] = out, spans
    return len(offsets) - 1


@loop
def _above(row: int, met: int, threshold: float, grams: Grams, marks: Marks, text: Text, found: Found) -> int:
    """Write the passages met that are covered above the threshold, and the best; how many, -1 if there is no room."""
    out, chosen, share = found.first[row], -1, 0.0
    for k in range(met):
        passage = np.int64(marks.touched[k])
        covered = marks.covered[passage]
        marks.most[passage] = max(marks.most[passage], covered)
        ratio = covered / grams.passage[passage]
        # of equal shares the longer, then the first passage of the test sets
        if ratio > share or (
            ratio == share
            and (covered > marks.covered[chosen] or (covered == marks.covered[chosen] and passage < chosen))
        ):
            chosen, share = passage, ratio
        if ratio > threshold:
            if out == len(found.passage):
                return -1
            found.passage[out], found.covered[out] = passage, covered
            found.reach[out, 0] = text.start[marks.reach[passage, 0]]
            found.reach[out, 1] = text.stop[marks.reach[passage, 1] - 1]
            out += 1
    found.best[row], found.best_covered[row] = chosen, marks.covered[chosen]
    return out


@loop
def _hits(count: int, grams: Grams, text: Text) -> int:
    """The grams that begin at each word of a text, in order; how many."""
    # without long ones or room for one, the loop looks for short ones only
    starts = max(0, count - grams.words + 1) if grams.longs > 0 else 0
    head_starts = max(0, count - grams.head_words + 1) if len(grams.key) > grams.longs else 0
    bit_shift, shift = _shift(len(grams.bits) * 64), _shift(len(grams.keys))
    head_bit_shift, head_shift = _shift(len(grams.head_bits) * 64), _shift(len(grams.head_keys))
    key, leaving = _first_key(text.hashes, grams.words, starts)
    head, head_leaving = _first_key(text.hashes, grams.head_words, head_starts)
    hits = 0
    # with unsigned positions numba leaves out the check for negative ones
    for i in range(np.uint64(max(starts, head_starts))):
        if i < np.uint64(starts):
            gram = _gram_of(grams.bits, bit_shift, grams.keys, shift, grams.ids, key)
            if gram >= 0:
                text.hit_word[hits], text.hit_gram[hits] = np.int32(i), gram
                hits += 1
            key = _next_key(text.hashes, i, np.uint64(grams.words), key, leaving)
        if i < np.uint64(head_starts):
            found = _gram_of(grams.head_bits, head_bit_shift, grams.head_keys, head_shift, grams.head_ids, head)
            if found >= 0:
                hits = _whole(np.int64(i), found, count, grams, text, hits)
            head = _next_key(text.hashes, i, np.uint64(grams.head_words), head, head_leaving)
    return hits


@inlined
def _first_key(hashes: Hashes, n: int, starts: int) -> tuple[np.uint64, np.uint64]:
    """The key of the first n words, and what the hash of the word that leaves is multiplied with; 0 without a start."""
    if starts == 0:
        return _0, _0
    key, leaving = hashes[0], _1
    for k in range(1, n):
        key = key * _ORDER + hashes[k]
        leaving *= _ORDER
    return key, leaving


@inlined
def _next_key(hashes: Hashes, i: np.uint64, width: np.uint64, key: np.uint64, leaving: np.uint64) -> np.uint64:
    """The key of the words that begin one behind word i; behind the last words of a text it is the key of none."""
    return (key - hashes[i] * leaving) * _ORDER + hashes[i + width]


@inlined
def _gram_of(bits: Hashes, bit_shift: np.uint64, keys: Hashes, shift: np.uint64, ids: Places, key: np.uint64) -> int:
    """Which gram of an open table has the key, -1 if none; most are told by the filter."""
    known = key if key != _0 else _1
    bit = known * GOLDEN >> bit_shift
    if bits[bit >> np.uint64(6)] >> (bit & _63) & _1 == _0:
        return -1
    slot = _slot(keys, shift, known)
    return np.int64(ids[slot]) if keys[slot] != _0 else -1


@loop
def _whole(i: int, head: int, count: int, grams: Grams, text: Text, hits: int) -> int:
    """Write the short passages with this head that stand whole at word i; how many hits there are now."""
    for place in range(grams.head_first[head], grams.head_first[head + 1]):
        gram = grams.longs + place
        size = np.int64(grams.size[gram])
        if i + size > count:
            continue
        key = _0
        for k in range(i, i + size):
            key = key * _ORDER + text.hashes[k]
        if (key if key != _0 else _1) == grams.key[gram]:
            text.hit_word[hits], text.hit_gram[hits] = np.int32(i), np.int32(gram)
            hits += 1
    return hits


@loop
def _cover(hits: int, grams: Grams, marks: Marks, text: Text) -> int:
    """Count for each passage the words that a text's hits cover; how many passages are met, listed in `touched`."""
    met, now = 0, marks.stamp[0]
    for hit in range(hits):
        gram, at = np.int64(text.hit_gram[hit]), text.hit_word[hit]
        if marks.gram[gram] == now:
            continue
        marks.gram[gram], marks.use[gram] = now, UNKNOWN
        size = grams.size[gram]
        for k in range(grams.first[gram], grams.first[gram + 1]):
            first = grams.place[k]
            passage = np.int64(grams.owner[first])
            if marks.passage[passage] != now:
                marks.passage[passage], marks.covered[passage] = now, 0
                marks.reach[passage, 0] = at
                marks.touched[met] = passage
                met += 1
            marks.reach[passage, 1] = at + size
            for word in range(first, first + size):
                if marks.word[word] != now:
                    marks.word[word] = now
                    marks.anywhere[word] = True
                    marks.covered[passage] += 1
    return met


@loop
def _use_of(gram: int, threshold: float, chosen: int, grams: Grams, marks: Marks) -> int:
    """Whether a gram is one of a passage that is found, and of the best one."""
    use = 0
    for k in range(grams.first[gram], grams.first[gram + 1]):
        passage = np.int64(grams.owner[grams.place[k]])
        if marks.covered[passage] / grams.passage[passage] > threshold:
            use |= BY_FOUND
        if passage == chosen:
            use |= BY_BEST
    return use


@loop
def _stretches(row: int, hits: int, threshold: float, grams: Grams, marks: Marks, text: Text, found: Found) -> int:
    """Write the stretches of a text in hits of passages found, and the longest one of the best passage.

    Returns how many stretches there are now, or -1 if there is no room.
    """
    spans, evidence = found.span_first[row], found.evidence[row]
    found.matched[row] = 0
    lo, hi, best_lo, best_hi = 0, 0, 0, 0
    for hit in range(hits + 1):
        use, word, end = 0, np.int64(1) << 40, np.int64(1) << 40
        if hit < hits:
            gram = np.int64(text.hit_gram[hit])
            if marks.use[gram] == UNKNOWN:
                marks.use[gram] = _use_of(gram, threshold, found.best[row], grams, marks)
            use = marks.use[gram]
            word = np.int64(text.hit_word[hit])
            end = word + grams.size[gram]
        if use & BY_BEST:
            if not best_lo <= word <= best_hi:
                best_lo, best_hi = word, end
            best_hi = max(best_hi, end)
            if best_hi - best_lo > evidence[0]:
                evidence[0] = best_hi - best_lo
                evidence[1], evidence[2] = text.start[best_lo], text.stop[best_hi - 1]
        if use & BY_FOUND or hit == hits:
            if lo <= word <= hi and hit < hits:
                hi = max(hi, end)
                continue
            if hi > lo:
                if spans == len(found.span_start):
                    return -1
                found.span_start[spans], found.span_stop[spans] = text.start[lo], text.stop[hi - 1]
                found.matched[row] += hi - lo
                spans += 1
            lo, hi = word, end
    return spans
