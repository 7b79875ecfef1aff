"""The dictionaries of ICU as ICU keeps them: a trie in 16-bit units (ICU's `UCharsTrie`), read where the library holds it.

A place in the trie is a pair: an index, and how many more units of a linear match follow there (-1: none, a node does).
Format: icu4c/source/common/unicode/ucharstrie.h (Unicode licence).
"""

from __future__ import annotations

import ctypes
import functools
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined, loop

Trie = npt.NDArray[np.uint16]

# A node: below LINEAR a branch, below VALUE a linear match; else a value, the last of its string with FINAL, or a node behind it.
_LINEAR, _VALUE, _FINAL = 0x30, 0x40, 0x8000
_MOST_LINEAR_BRANCH = 5
# From here on a value takes one unit more, two units more: values that are final or jumps, values before a node, deltas.
_TWO, _THREE = 0x4000, 0x7FFF
_NODE_TWO, _NODE_THREE = 0x4040, 0x7FC0
_DELTA_TWO, _DELTA_THREE = 0xFC00, 0xFFFF
# What `load` understands of `DictionaryData`: offset of the trie and its end, in bytes; 1: of 16-bit units, 8: with values.
_OFFSET, _END, _TYPE, _KIND = 0, 3, 4, 9
_NOTHING: Trie = np.zeros(0, np.uint16)
_NOTHING.flags.writeable = False


@functools.cache
def load(name: str) -> Trie:
    """A dictionary of the ICU that `icu4py` brings, as 16-bit units, read-only; empty if this ICU keeps none that we can read."""
    import icu4py.breakers

    folder = Path(icu4py.__file__).parent.parent / "icu4py.libs"
    found = [(path, match[1]) for path in folder.glob("libicuuc*") if (match := re.search(r"\.so\.(\d+)", path.name))]
    return read(*found[0], name) if len(found) == 1 else _NOTHING


def read(library: Path, version: str, name: str) -> Trie:
    """A dictionary of this library, ICU of this version, in its own memory; empty as `load`."""
    try:
        held = ctypes.CDLL(str(library))
        open_data, memory_of = held[f"udata_open_{version}"], held[f"udata_getMemory_{version}"]
    except (OSError, AttributeError):
        # built for another machine, or with other names
        return _NOTHING
    open_data.restype = memory_of.restype = ctypes.c_void_p
    memory_of.argtypes = [ctypes.c_void_p]
    error = ctypes.c_int(0)
    # never closed: what we hand out lies there
    opened = open_data(f"icudt{version}l-brkitr".encode(), b"dict", name.encode(), ctypes.byref(error))
    if error.value > 0 or not opened:
        return _NOTHING
    address = memory_of(opened)
    head = np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_int32)), (8,))
    begin, end = int(head[_OFFSET]), int(head[_END])
    if head[_TYPE] != _KIND or not head.nbytes <= begin < end:
        return _NOTHING
    units = np.ctypeslib.as_array(ctypes.cast(address + begin, ctypes.POINTER(ctypes.c_uint16)), ((end - begin) // 2,))
    units.flags.writeable = False
    return units


@functools.cache
def first_steps(name: str) -> npt.NDArray[np.int32]:
    """Of each 16-bit unit: where a string that starts with it leads, (index or -1, matches left, value or -1)."""
    steps = np.empty((1 << 16, 3), np.int32)
    _first_steps(load(name), steps)
    steps.flags.writeable = False
    return steps


@entry
def _first_steps(trie: Trie, steps: npt.NDArray[np.int32]) -> None:
    for unit in range(len(steps)):
        steps[unit, 0], steps[unit, 1], steps[unit, 2] = step(trie, 0, -1, unit)


@inlined
def step(trie: Trie, at: int, left: int, unit: int) -> tuple[int, int, int]:
    """From a place by one unit: (index, -1 where no string goes on; matches left; the value of the string so far or -1)."""
    if left >= 0:
        if trie[at] != unit:
            return -1, -1, -1
        return at + 1, left - 1, _value(trie, at + 1) if left == 0 else -1
    return _step_node(trie, at, unit)


@loop
def _step_node(trie: Trie, at: int, unit: int) -> tuple[int, int, int]:
    node = np.int64(trie[at])
    if node >= _VALUE:
        if node & _FINAL:
            return -1, -1, -1
        at += (node >= _NODE_TWO) + (node >= _NODE_THREE)
        node &= _VALUE - 1
    at += 1
    if node < _LINEAR:
        at = _branch(trie, at, node, unit)
        return at, -1, _value(trie, at) if at >= 0 else -1
    if trie[at] != unit:
        return -1, -1, -1
    left = node - _LINEAR - 1
    return at + 1, left, _value(trie, at + 1) if left < 0 else -1


@loop
def _branch(trie: Trie, at: int, length: int, unit: int) -> int:
    """Where a branch of `length + 1` units leads, -1 for nowhere: a binary search, then a linear one."""
    if length == 0:
        length = np.int64(trie[at])
        at += 1
    length += 1
    while length > _MOST_LINEAR_BRANCH:
        lower = unit < trie[at]
        delta = np.int64(trie[at + 1])
        at += 2
        if delta >= _DELTA_THREE:
            delta = np.int64(trie[at]) << 16 | np.int64(trie[at + 1])
            at += 2
        elif delta >= _DELTA_TWO:
            delta = (delta - _DELTA_TWO) << 16 | np.int64(trie[at])
            at += 1
        at += delta if lower else 0
        length = length >> 1 if lower else length - (length >> 1)
    while length > 1:
        node = np.int64(trie[at + 1])
        lead = node & ~_FINAL
        more = (lead >= _TWO) + (lead >= _THREE)
        if trie[at] == unit:
            if node & _FINAL:
                return at + 1
            return at + 2 + more + _number(trie, at + 1, lead)
        at += 2 + more
        length -= 1
    return at + 1 if trie[at] == unit else -1


@inlined
def _number(trie: Trie, at: int, lead: int) -> int:
    """The number that the unit `lead` at `at` begins."""
    if lead < _TWO:
        return lead
    if lead < _THREE:
        return (lead - _TWO) << 16 | np.int64(trie[at + 1])
    return np.int64(trie[at + 1]) << 16 | np.int64(trie[at + 2])


@inlined
def _value(trie: Trie, at: int) -> int:
    """The value of the string that ends at a node, or -1."""
    node = np.int64(trie[at])
    if node < _VALUE:
        return -1
    if node & _FINAL:
        return _number(trie, at, node & ~_FINAL)
    if node < _NODE_TWO:
        return (node >> 6) - 1
    if node < _NODE_THREE:
        return ((node & _NODE_THREE) - _NODE_TWO) << 10 | np.int64(trie[at + 1])
    return np.int64(trie[at + 1]) << 16 | np.int64(trie[at + 2])
