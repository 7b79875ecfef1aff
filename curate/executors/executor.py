"""What an executor is: one method that runs a pure function over tasks. It knows nothing of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class WorkerDied:
    """A task whose process ended before it answered: by which signal or exit code, and the row it was at, if known."""

    why: str
    row: int | None


class Executor(Protocol):
    """A place to run tasks."""

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (index of the task, its result) as tasks complete.

        A result is what `function` returned, the exception that it raised, or WorkerDied. Closing the iterator stops
        what still runs.
        """
        ...
