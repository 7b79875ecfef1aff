"""Coordinate descent over a grid of settings: change one by one step while that lowers the loss.

As in "Pre-training under infinite compute" (Kim et al. 2025, arXiv 2509.14786): the end is a setting where no single step of a
single coordinate is better, which need not be the best of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from curate.errors import ConfigError, Problem

Setting = dict[str, Any]


def coordinate_descent(
    grid: Mapping[str, Sequence[Any]], start: Mapping[str, Any], loss_of: Callable[[Setting], float]
) -> tuple[Setting, dict[tuple[Any, ...], float]]:
    """(the setting where it ended, the loss of each that was tried, by its values in the grid's order).

    `loss_of` is asked once for each setting. Raises ConfigError where `start` is not of the grid.
    """
    problems = [
        Problem(f"start.{name}", f"{start.get(name)!r} is none of {list(values)}")
        for name, values in grid.items()
        if start.get(name) not in values
    ]
    if problems:
        raise ConfigError(problems)
    names = list(grid)
    place = {name: list(grid[name]).index(start[name]) for name in names}
    tried: dict[tuple[Any, ...], float] = {}

    def loss(at: Mapping[str, int]) -> float:
        values = tuple(grid[name][at[name]] for name in names)
        if values not in tried:
            tried[values] = loss_of(dict(zip(names, values, strict=True)))
        # a run that diverged is worse than any
        return math.inf if math.isnan(tried[values]) else tried[values]

    best, moved = loss(place), True
    while moved:
        moved = False
        for name in names:
            for step in (1, -1):
                # on the same way as long as it goes down
                while 0 <= place[name] + step < len(grid[name]):
                    other = {**place, name: place[name] + step}
                    if loss(other) >= best:
                        break
                    place, best, moved = other, loss(other), True
    return {name: grid[name][place[name]] for name in names}, tried
