"""In this process, one task after the other: for work that takes less than starting a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any


class Here:
    """See Executor. A function that ends the process ends the run."""

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See Executor.map."""
        for index, task in enumerate(tasks):
            try:
                result = function(task)
            except Exception as error:
                result = error
            yield index, result
