"""The entropy of counts, the same to the last bit on every machine."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, loop
from curate.kernels.groups import Places

Logarithms = npt.NDArray[np.float64]


@loop
def entropy(count: Places, groups: int, total: int, logarithms: Logarithms) -> float:
    """-sum p ln p over the first `groups` counts, which sum to `total`; in order, so that every machine agrees."""
    weighted = 0.0
    for g in range(groups):
        n = np.int64(count[g])
        if n > 1:
            weighted += n * (logarithms[n] if n < len(logarithms) else natural_logarithm(n))
    return natural_logarithm(np.int64(total)) - weighted / total


@functools.cache
def logarithms() -> Logarithms:
    """ln n of the counts that are common, by n."""
    table = np.array([0.0, *(natural_logarithm(n) for n in range(1, 512))])
    table.flags.writeable = False
    return table


@entry
def natural_logarithm(n: int) -> float:
    """ln n of an integer n >= 1 by additions, products and quotients alone: the C library's differs by machine."""
    twos = 0
    while n >> (twos + 1):
        twos += 1
    # n = mantissa * 2**twos, mantissa in [1, 2): its half exponent would be no more exact
    mantissa = n / (1 << twos)
    z = (mantissa - 1.0) / (mantissa + 1.0)
    square, power, total = z * z, z, 0.0
    for odd in range(1, 40, 2):
        total += power / odd
        power *= square
    return 2.0 * total + twos * 0.6931471805599453
