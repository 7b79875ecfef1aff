"""Addresses against block lists: domains with all below them, pages with all below them, words between other characters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined
from curate.kernels.keys import START, Hashes, KeyTable, Values, key_of, key_table, look_up, step
from curate.text import Bytes, Offsets

Integers = npt.NDArray[np.int32]
Bits = npt.NDArray[np.int64]

# What is known of a word; a word may be both.
HARD, SOFT = 1, 2


class BlockList(NamedTuple):
    """Keys, and of each the number of a set of lists; each set has a bit for each of its lists."""

    keys: Hashes
    values: Values
    sets: Bits


def block_list(keys: Hashes, lists: Bits) -> BlockList:
    """n keys, and of each the bit of the list that it stands in; a key may stand in several."""
    order = np.argsort(keys, kind="stable")
    keys, lists = keys[order], lists[order]
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.int64)
    joined = np.bitwise_or.reduceat(lists, first) if len(keys) else lists
    sets, number = np.unique(joined, return_inverse=True)
    return BlockList(*key_table(keys[first], number + 1), np.append(np.int64(0), sets))


def domain_keys(data: Bytes, offsets: Offsets) -> Hashes:
    """The keys of n lines of a list of domains, read from their ends; 0 for a line without one, 1 for one not in ASCII.

    Blanks around a domain, `*.` or a dot before it, a dot behind it and what follows `#` are no part of it.
    """
    found = np.zeros(len(offsets) - 1, np.uint64)
    _domain_keys(data, offsets, found)
    return found


@entry
def _domain_keys(data: Bytes, offsets: Offsets, found: Hashes) -> None:
    for i in range(len(found)):
        lo, end = np.int64(offsets[i]), np.int64(offsets[i + 1])
        hi, ascii = lo, True
        while hi < end and data[hi] != ord("#"):
            ascii &= data[hi] < 0x80
            hi += 1
        while hi > lo and (data[hi - 1] <= 32 or data[hi - 1] == ord(".")):
            hi -= 1
        while lo < hi and (data[lo] <= 32 or data[lo] == ord(".") or data[lo] == ord("*")):
            lo += 1
        if lo == hi:
            continue
        state = START
        for k in range(hi - 1, lo - 1, -1):
            state = step(state, _lower(data[k]))
        found[i] = key_of(state) if ascii else np.uint64(1)


def lists_of(
    data: Bytes, offsets: Offsets, start: Integers, stop: Integers, domains: BlockList, pages: BlockList
) -> Bits:
    """The lists that n canonical addresses with hosts at `start` to `stop` are in.

    `domains` holds keys read from the end, of hosts and domains above them; `pages` keys read from the host on, without
    `www.`, of addresses and of their beginnings before a slash or question mark.
    """
    found = np.zeros(len(start), np.int64)
    _lists_of(data, offsets, start, stop, *domains, *pages, found)
    return found


@entry
def _lists_of(
    data: Bytes,
    offsets: Offsets,
    start: Integers,
    stop: Integers,
    domain_keys: Hashes,
    domain_values: Values,
    domain_sets: Bits,
    page_keys: Hashes,
    page_values: Values,
    page_sets: Bits,
    found: Bits,
) -> None:
    for i in range(len(found)):
        lo, hi, end = np.int64(start[i]), np.int64(stop[i]), np.int64(offsets[i + 1])
        if lo == hi:
            continue
        state = START
        for k in range(hi - 1, lo - 1, -1):
            state = step(state, data[k])
            if k == lo or data[k - 1] == ord("."):
                found[i] |= domain_sets[look_up(domain_keys, domain_values, key_of(state))]
        if len(page_sets) > 1:
            state = START
            lo += 4 * (
                hi - lo > 4 and data[lo] == data[lo + 1] == data[lo + 2] == ord("w") and data[lo + 3] == ord(".")
            )
            for k in range(lo, end):
                state = step(state, data[k])
                if k + 1 == end or (k >= hi and (data[k + 1] == ord("/") or data[k + 1] == ord("?"))):
                    found[i] |= page_sets[look_up(page_keys, page_values, key_of(state))]


def page_keys(data: Bytes, offsets: Offsets, start: Integers) -> Hashes:
    """The keys of n canonical addresses, from the host on."""
    found = np.empty(len(start), np.uint64)
    _page_keys(data, offsets, start, found)
    return found


@entry
def _page_keys(data: Bytes, offsets: Offsets, start: Integers, found: Hashes) -> None:
    for i in range(len(found)):
        state = START
        for k in range(np.int64(start[i]), np.int64(offsets[i + 1])):
            state = step(state, data[k])
        found[i] = key_of(state)


def count_words(data: Bytes, offsets: Offsets, words: KeyTable) -> npt.NDArray[np.int32]:
    """How many words (runs of ASCII letters and digits, in either case) of each of n texts are HARD and SOFT: (n, 2)."""
    found = np.zeros((len(offsets) - 1, 2), np.int32)
    _count_words(data, offsets, words.keys, words.values, found)
    return found


@entry
def _count_words(data: Bytes, offsets: Offsets, keys: Hashes, values: Values, found: npt.NDArray[np.int32]) -> None:
    for i in range(len(found)):
        state, inside = START, False
        for k in range(np.int64(offsets[i]), np.int64(offsets[i + 1]) + 1):
            byte = _lower(data[k]) if k < offsets[i + 1] else 0
            if ord("a") <= byte <= ord("z") or ord("0") <= byte <= ord("9"):
                state, inside = step(state, byte), True
            elif inside:
                known = look_up(keys, values, key_of(state))
                found[i, 0] += known & HARD
                found[i, 1] += (known & SOFT) >> 1
                state, inside = START, False


@inlined
def _lower(byte: int) -> int:
    return byte + 32 if ord("A") <= byte <= ord("Z") else byte
