"""Passages of test sets found in texts by n-grams of folded words.

A passage is a run of words of a test example. It is covered as far as n-grams that a text shares with it reach; a passage
of fewer words than n is found whole or not at all, through its first words. Keys are 64-bit: two different n-grams of 10^6
and of a corpus of 10^12 words share one by accident with probability 0.05, and one alone covers no passage.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.folded_words import Places, Table, folding, words_in
from curate.kernels.groups import GOLDEN, Hashes
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


class Found(NamedTuple):
    """What texts share with passages. Text i has found the passages `first[i]:first[i + 1]`, in any order."""

    passage: Places
    covered: Places  # words
    reach: Places  # (pairs, 2): where the first n-gram of it begins in the text and the last one ends, in bytes
    first: Integers
    best: Places  # of each text: the passage with the greatest covered share, -1 for none
    best_covered: Places
    evidence: npt.NDArray[np.int32]  # (n, 3): the longest stretch of the best passage: words; first and last byte
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


@loop
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
    hashes, start, stop = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.int32)
    # at each word an n-gram and short passages of each size below n may begin; pages that no hit reaches are not touched
    hits = room * (1 + max(0, grams.words - grams.head_words))
    hit_word, hit_gram = np.empty(hits, np.int32), np.empty(hits, np.int32)
    best, evidence = np.full((2, texts), -1, np.int32), np.zeros((texts, 3), np.int32)
    counts = np.zeros((2, texts), np.int32)
    first, span_first = np.zeros(texts + 1, np.int64), np.zeros(texts + 1, np.int64)
    capacity, done = 1024, 0
    passage, covered, reach = (
        np.empty(capacity, np.int32),
        np.empty(capacity, np.int32),
        np.empty((capacity, 2), np.int32),
    )
    span_start, span_stop = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    while done < texts:
        done = _search(
            data, offsets, done, threshold, *folding(), *grams, *marks, hashes, start, stop, hit_word, hit_gram,
            passage, covered, reach, first, best[0], best[1], evidence, counts[0], counts[1], span_start, span_stop, span_first,
        )  # fmt: skip
        if done < texts:
            passage, covered, reach, span_start, span_stop = (
                np.concatenate([held, np.empty_like(held)]) for held in (passage, covered, reach, span_start, span_stop)
            )
    pairs, spans = int(first[-1]), int(span_first[-1])
    return Found(
        passage[:pairs], covered[:pairs], reach[:pairs], first, best[0], best[1], evidence, counts[0], counts[1],
        span_start[:spans], span_stop[:spans], span_first,
    )  # fmt: skip


@loop
def _search(
    data: Bytes,
    offsets: Offsets,
    begin: int,
    threshold: float,
    ascii: npt.NDArray[np.uint8],
    folded: Table,
    forms: Table,
    alone: npt.NDArray[np.bool_],
    n: int,
    head_n: int,
    longs: int,
    bits: Hashes,
    keys: Hashes,
    ids: Places,
    head_bits: Hashes,
    head_keys: Hashes,
    head_ids: Places,
    head_first: Integers,
    gram_key: Hashes,
    gram_size: Places,
    gram_first: Integers,
    place: Integers,
    owner: Places,
    passage_size: Places,
    stamp: Integers,
    word_mark: Integers,
    passage_mark: Integers,
    passage_covered: Places,
    passage_reach: npt.NDArray[np.int32],
    touched: Places,
    gram_mark: Integers,
    gram_use: npt.NDArray[np.int8],
    anywhere: npt.NDArray[np.bool_],
    most: Places,
    hashes: Hashes,
    start: Places,
    stop: Places,
    hit_word: Places,
    hit_gram: Places,
    out_passage: Places,
    out_covered: Places,
    out_reach: npt.NDArray[np.int32],
    out_first: Integers,
    best: Places,
    best_covered: Places,
    evidence: npt.NDArray[np.int32],
    word_count: Places,
    matched: Places,
    span_start: Places,
    span_stop: Places,
    span_first: Integers,
) -> int:
    """Search the texts from `begin` on until the arrays of what is found are full; the first text not searched."""
    for text in range(begin, len(offsets) - 1):
        out, spans = out_first[text], span_first[text]
        out_first[text + 1], span_first[text + 1] = out, spans
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        count = words_in(data, lo, hi, ascii, folded, forms, alone, hashes, start, stop)
        word_count[text] = count
        hits = _hits(
            hashes, count, n, head_n, longs, bits, keys, ids, head_bits, head_keys, head_ids, head_first, gram_key,
            gram_size, hit_word, hit_gram,
        )  # fmt: skip
        if hits == 0:
            continue
        stamp[0] += 1
        now = stamp[0]
        met = _cover(
            now, hits, hit_word, hit_gram, gram_size, gram_first, place, owner, word_mark, passage_mark, passage_covered,
            passage_reach, touched, gram_mark, gram_use, anywhere,
        )  # fmt: skip
        chosen, share = -1, 0.0
        for k in range(met):
            passage = np.int64(touched[k])
            covered = passage_covered[passage]
            most[passage] = max(most[passage], covered)
            ratio = covered / passage_size[passage]
            # of equal shares the longer, then the first passage of the test sets
            if ratio > share or (
                ratio == share
                and (covered > passage_covered[chosen] or (covered == passage_covered[chosen] and passage < chosen))
            ):
                chosen, share = passage, ratio
            if ratio > threshold:
                if out == len(out_passage):
                    return text
                out_passage[out], out_covered[out] = passage, covered
                out_reach[out, 0] = start[passage_reach[passage, 0]]
                out_reach[out, 1] = stop[passage_reach[passage, 1] - 1]
                out += 1
        best[text], best_covered[text] = chosen, passage_covered[chosen]
        spans = _stretches(
            hits, hit_word, hit_gram, gram_size, gram_first, place, owner, passage_size, passage_covered, threshold,
            chosen, gram_use, start, stop, text, evidence, matched, span_start, span_stop, spans,
        )  # fmt: skip
        if spans < 0:
            return text
        out_first[text + 1], span_first[text + 1] = out, spans
    return len(offsets) - 1


@loop
def _hits(
    hashes: Hashes,
    count: int,
    n: int,
    head_n: int,
    longs: int,
    bits: Hashes,
    keys: Hashes,
    ids: Places,
    head_bits: Hashes,
    head_keys: Hashes,
    head_ids: Places,
    head_first: Integers,
    gram_key: Hashes,
    gram_size: Places,
    hit_word: Places,
    hit_gram: Places,
) -> int:
    """The grams that begin at each word of a text, in order; how many."""
    bit_shift, shift = _shift(len(bits) * 64), _shift(len(keys))
    head_bit_shift, head_shift = _shift(len(head_bits) * 64), _shift(len(head_keys))
    shorts = len(gram_key) > longs
    # without long ones or room for one, the loop looks for short ones only
    starts = np.uint64(max(0, count - n + 1)) if longs > 0 else _0
    head_starts = np.uint64(max(0, count - head_n + 1)) if shorts else _0
    key, leaving = _first_key(hashes, n) if starts > _0 else (_0, _0)
    head, head_leaving = _first_key(hashes, head_n) if head_starts > _0 else (_0, _0)
    hits, width, head_width = 0, np.uint64(n), np.uint64(head_n)
    for i in range(max(starts, head_starts)):
        if i < starts:
            known = key if key != _0 else _1
            if _has(bits, bit_shift, known):
                slot = _slot(keys, shift, known)
                if keys[slot] != _0:
                    hit_word[hits], hit_gram[hits] = np.int32(i), ids[slot]
                    hits += 1
            if i + _1 < starts:
                key = (key - hashes[i] * leaving) * _ORDER + hashes[i + width]
        if i < head_starts:
            known = head if head != _0 else _1
            if _has(head_bits, head_bit_shift, known):
                slot = _slot(head_keys, head_shift, known)
                if head_keys[slot] != _0:
                    for place in range(head_first[head_ids[slot]], head_first[head_ids[slot] + 1]):
                        gram = longs + place
                        if _is_at(hashes, count, np.int64(i), gram_key[gram], np.int64(gram_size[gram])):
                            hit_word[hits], hit_gram[hits] = np.int32(i), np.int32(gram)
                            hits += 1
            if i + _1 < head_starts:
                head = (head - hashes[i] * head_leaving) * _ORDER + hashes[i + head_width]
    return hits


@inlined
def _has(bits: Hashes, shift: np.uint64, key: np.uint64) -> bool:
    """Whether the filter has the bit of a key."""
    bit = key * GOLDEN >> shift
    return bits[bit >> np.uint64(6)] >> (bit & _63) & _1 != _0


@inlined
def _first_key(hashes: Hashes, n: int) -> tuple[np.uint64, np.uint64]:
    """The key of the first n words, 0 for 0, and what the hash of the word that leaves is multiplied with."""
    key, leaving = hashes[0], _1
    for k in range(1, n):
        key = key * _ORDER + hashes[k]
        leaving *= _ORDER
    return key, leaving


@inlined
def _is_at(hashes: Hashes, count: int, i: int, key: np.uint64, size: int) -> bool:
    """Whether the gram of `size` words with this key stands at word i."""
    if i + size > count:
        return False
    found = _0
    for k in range(i, i + size):
        found = found * _ORDER + hashes[k]
    return (found if found != _0 else _1) == key


@loop
def _cover(
    now: int,
    hits: int,
    hit_word: Places,
    hit_gram: Places,
    gram_size: Places,
    gram_first: Integers,
    place: Integers,
    owner: Places,
    word_mark: Integers,
    passage_mark: Integers,
    passage_covered: Places,
    passage_reach: npt.NDArray[np.int32],
    touched: Places,
    gram_mark: Integers,
    gram_use: npt.NDArray[np.int8],
    anywhere: npt.NDArray[np.bool_],
) -> int:
    """Count for each passage the words that a text's hits cover; how many passages are met, listed in `touched`."""
    met = 0
    for hit in range(hits):
        gram = np.int64(hit_gram[hit])
        if gram_mark[gram] == now:
            continue
        gram_mark[gram], gram_use[gram] = now, UNKNOWN
        for k in range(gram_first[gram], gram_first[gram + 1]):
            passage = np.int64(owner[place[k]])
            if passage_mark[passage] != now:
                passage_mark[passage], passage_covered[passage] = now, 0
                passage_reach[passage, 0] = hit_word[hit]
                touched[met] = passage
                met += 1
            passage_reach[passage, 1] = hit_word[hit] + gram_size[gram]
            for word in range(place[k], place[k] + gram_size[gram]):
                if word_mark[word] != now:
                    word_mark[word] = now
                    anywhere[word] = True
                    passage_covered[passage] += 1
    return met


@loop
def _use_of(
    gram: int,
    gram_first: Integers,
    place: Integers,
    owner: Places,
    passage_size: Places,
    passage_covered: Places,
    threshold: float,
    chosen: int,
) -> int:
    """Whether a gram is one of a passage that is found, and of the best one."""
    use = 0
    for k in range(gram_first[gram], gram_first[gram + 1]):
        passage = np.int64(owner[place[k]])
        if passage_covered[passage] / passage_size[passage] > threshold:
            use |= BY_FOUND
        if passage == chosen:
            use |= BY_BEST
    return use


@loop
def _stretches(
    hits: int,
    hit_word: Places,
    hit_gram: Places,
    gram_size: Places,
    gram_first: Integers,
    place: Integers,
    owner: Places,
    passage_size: Places,
    passage_covered: Places,
    threshold: float,
    chosen: int,
    gram_use: npt.NDArray[np.int8],
    start: Places,
    stop: Places,
    text: int,
    evidence: npt.NDArray[np.int32],
    matched: Places,
    span_start: Places,
    span_stop: Places,
    spans: int,
) -> int:
    """Write the stretches of a text in hits of passages found, and the longest one of the best passage.

    Returns how many stretches there are now, or -1 if there is no room.
    """
    matched[text] = 0
    lo, hi, best_lo, best_hi = 0, 0, 0, 0
    for hit in range(hits + 1):
        use, word, end = 0, np.int64(1) << 40, np.int64(1) << 40
        if hit < hits:
            gram = np.int64(hit_gram[hit])
            if gram_use[gram] == UNKNOWN:
                gram_use[gram] = _use_of(
                    gram, gram_first, place, owner, passage_size, passage_covered, threshold, chosen
                )
            use = gram_use[gram]
            word = np.int64(hit_word[hit])
            end = word + gram_size[gram]
        if use & BY_BEST:
            if not best_lo <= word <= best_hi:
                best_lo, best_hi = word, end
            best_hi = max(best_hi, end)
            if best_hi - best_lo > evidence[text, 0]:
                evidence[text, 0] = best_hi - best_lo
                evidence[text, 1], evidence[text, 2] = start[best_lo], stop[best_hi - 1]
        if use & BY_FOUND or hit == hits:
            if lo <= word <= hi and hit < hits:
                hi = max(hi, end)
                continue
            if hi > lo:
                if spans == len(span_start):
                    return -1
                span_start[spans], span_stop[spans] = start[lo], stop[hi - 1]
                matched[text] += hi - lo
                spans += 1
            lo, hi = word, end
    return spans
