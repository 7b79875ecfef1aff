"""Hosts: the registered domain by the rules of the Public Suffix List, and the domains above a host."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.keys import START, Hashes, KeyTable, Values, key_of, look_up, step
from curate.text import Bytes

Integers = npt.NDArray[np.int32]

# What the list says of a suffix: it is public, all one label longer are, it is none in spite of that.
PUBLIC, WILDCARD, EXCEPTION = 1, 2, 4


def registered_domains(data: Bytes, start: Integers, stop: Integers, suffixes: KeyTable) -> Integers:
    """Where in `data` the registered domain of each of n hosts begins: one label more than its public suffix has.

    A host that is an IP address, or a public suffix itself, is its own domain.
    """
    found = np.empty(len(start), np.int32)
    _registered_domains(data, start, stop, *suffixes, found)
    return found


@entry
def _registered_domains(
    data: Bytes,
    start: Integers,
    stop: Integers,
    keys: Hashes,
    values: Values,
    found: Integers,
) -> None:
    for i in range(len(start)):
        found[i] = registered_domain(data, np.int64(start[i]), np.int64(stop[i]), keys, values)


@loop
def registered_domain(data: Bytes, lo: int, hi: int, keys: Hashes, values: Values) -> int:
    """Where the registered domain of the host `data[lo:hi]` begins."""
    if is_address(data, lo, hi):
        return lo
    # labels of the public suffix: one, where the list knows none
    state, labels, public, i = START, 0, 1, hi
    while i >= lo:
        if i == lo or data[i - 1] == ord("."):
            labels += 1
            known = look_up(keys, values, key_of(state))
            if known & EXCEPTION:
                public = labels - 1
                break
            if known & PUBLIC:
                public = max(public, labels)
            if known & WILDCARD:
                public = max(public, labels + 1)
        if i > lo:
            state = step(state, data[i - 1])
        i -= 1
    dots = 0
    for i in range(hi - 1, lo - 1, -1):
        if data[i] == ord("."):
            dots += 1
            if dots == public + 1:
                return i + 1
    return lo


@loop
def is_address(data: Bytes, lo: int, hi: int) -> bool:
    """Whether a host is an IP address: in brackets, or four numbers and nothing else."""
    if lo == hi or data[lo] == ord("["):
        return True
    dots = 0
    for i in range(lo, hi):
        if data[i] == ord("."):
            dots += 1
        elif not ord("0") <= data[i] <= ord("9"):
            return False
    return dots == 3
