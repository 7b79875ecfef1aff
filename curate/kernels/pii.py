"""Personal data and secrets found in texts: one pass over the bytes for anchors, exact rules where one stands.

An anchor is a byte that the kind must have and prose has seldom: `@` of an e-mail, the first digit of a number, `:` of
an address or of credentials, the mark in the prefix of a token. What stands around it is then checked by the rules of
`contacts`, `telephone`, `identifiers` and `secrets`. Within a kind, of two that overlap the leftmost counts; between
kinds, the one that comes first in `KINDS`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop
from curate.kernels.contacts import credentials_at, email_at, ipv4_at, ipv6_at
from curate.kernels.digit_groups import groups_at
from curate.kernels.identifiers import card_at, identifier_at
from curate.kernels.nearby import Words, nearby_words
from curate.kernels.pii_kinds import ASSIGNED, CARD, CREDENTIALS, EMAIL, IPV4, IPV6, KINDS, PHONE, PRIVATE_KEY
from curate.kernels.secrets import Entropy, assigned_at, entropy_table, key_block_at, token_at
from curate.kernels.telephone import phone_at
from curate.text import Bytes, Offsets

Integers = npt.NDArray[np.int32]
Switches = npt.NDArray[np.bool_]

_DIGIT, _AT, _COLON, _EQUALS, _HYPHEN, _TOKEN = 1, 2, 3, 4, 5, 6


class Found(NamedTuple):
    """What n texts hold: text i has the spans `first[i]` to `first[i + 1]`, ascending and apart, of `NAMES[kind]`."""

    start: Integers  # bytes
    stop: Integers
    kind: Integers
    first: npt.NDArray[np.int64]  # n + 1


@functools.cache
def _anchors() -> Bytes:
    table = np.zeros(256, np.uint8)
    table[48:58] = _DIGIT
    table[ord("@")], table[ord(":")], table[ord("=")], table[ord("-")] = _AT, _COLON, _EQUALS, _HYPHEN
    # AKIA.., AIza.., eyJ.., ghp_.., sk_live_..
    table[[ord("A"), ord("J"), ord("_")]] = _TOKEN
    return table


def find_pii(data: Bytes, offsets: Offsets, wanted: Switches) -> Found:
    """What n texts (UTF-8 bytes, n + 1 offsets) hold of the kinds k with `wanted[k]`."""
    # the candidates of a kind stand apart and have a least length, so all kinds together have fewer than two a byte;
    # pages of memory that none reaches are never touched
    out = np.empty((2 * int(offsets[-1] - offsets[0]) + 64, 4), np.int32)
    last = np.zeros(len(KINDS), np.int64)
    count = _scan(data, offsets, wanted, _anchors(), nearby_words(), entropy_table(), last, out)
    start, stop, kind, text = out[:count].T
    kept = np.zeros(count, np.bool_)
    _settle(np.lexsort((start, kind)), start, stop, np.zeros(len(data), np.bool_), kept)
    chosen = np.flatnonzero(kept)
    chosen = chosen[np.argsort(start[chosen], kind="stable")]
    first = np.searchsorted(text[chosen], np.arange(len(offsets)))
    return Found(start[chosen], stop[chosen], kind[chosen], first)


@entry
def _settle(order: npt.NDArray[np.int64], start: Integers, stop: Integers, taken: Switches, kept: Switches) -> None:
    """Keep each candidate, in this order, that lies on no byte of one kept before."""
    for place in order:
        free = True
        for i in range(start[place], stop[place]):
            if taken[i]:
                free = False
                break
        if free:
            kept[place] = True
            for i in range(start[place], stop[place]):
                taken[i] = True


@entry
def _scan(
    data: Bytes,
    offsets: Offsets,
    wanted: Switches,
    anchors: Bytes,
    near: Words,
    entropy: Entropy,
    last: npt.NDArray[np.int64],
    out: npt.NDArray[np.int32],
) -> int:
    """Write the candidates (start, stop, kind, text); how many. `last` is where the last one of each kind ends."""
    count = 0
    for text in range(len(offsets) - 1):
        lo, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        i = lo
        while i < hi:
            anchor = anchors[data[i]]
            if anchor == 0:
                i += 1
                continue
            if anchor == _DIGIT:
                if i == lo or anchors[data[i - 1]] != _DIGIT:
                    count = _number(data, lo, i, hi, wanted, near, last, out, count, text)
            elif anchor == _AT:
                at, end = email_at(data, lo, i, hi)
                count = _add(EMAIL, at, end, wanted, last, out, count, text)
            elif anchor in (_COLON, _EQUALS):
                if anchor == _COLON:
                    at, end = credentials_at(data, lo, i, hi)
                    count = _add(CREDENTIALS, at, end, wanted, last, out, count, text)
                    at, end = ipv6_at(data, lo, i, hi)
                    count = _add(IPV6, at, end, wanted, last, out, count, text)
                at, end = assigned_at(data, lo, i, hi, near, entropy)
                count = _add(ASSIGNED, at, end, wanted, last, out, count, text)
            else:
                if anchor == _HYPHEN:
                    end = key_block_at(data, lo, i, hi)
                    count = _add(PRIVATE_KEY, i, end, wanted, last, out, count, text)
                found, at, end = token_at(data, lo, i, hi, entropy)
                if found >= 0:
                    count = _add(found, at, end, wanted, last, out, count, text)
            i += 1
    return count


@loop
def _number(
    data: Bytes,
    lo: int,
    i: int,
    hi: int,
    wanted: Switches,
    near: Words,
    last: npt.NDArray[np.int64],
    out: npt.NDArray[np.int32],
    count: int,
    text: int,
) -> int:
    """Add what the digit at `i` begins; the new count."""
    groups = groups_at(data, lo, i, hi)
    found, at, end = identifier_at(data, lo, i, hi, groups, near)
    if found >= 0:
        count = _add(found, at, end, wanted, last, out, count, text)
    count = _add(CARD, i, card_at(data, lo, i, hi, groups, near), wanted, last, out, count, text)
    at, end = ipv4_at(data, lo, i, hi, near)
    count = _add(IPV4, at, end, wanted, last, out, count, text)
    at, end = phone_at(data, lo, i, hi, groups, near)
    return _add(PHONE, at, end, wanted, last, out, count, text)


@inlined
def _add(
    kind: int,
    at: int,
    end: int,
    wanted: Switches,
    last: npt.NDArray[np.int64],
    out: npt.NDArray[np.int32],
    count: int,
    text: int,
) -> int:
    """Add a candidate, unless there is none, its kind is not wanted or its last one reaches into it; the new count."""
    if end == 0 or not wanted[kind] or at < last[kind]:
        return count
    last[kind] = end
    out[count, 0], out[count, 1], out[count, 2], out[count, 3] = at, end, kind, text
    return count + 1
