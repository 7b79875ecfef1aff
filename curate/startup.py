"""Packages that libraries look for at their first use and this tool has no use for: not loaded, half a second a process.

pyarrow imports pandas, where it is installed, to tell whether a list is one of its objects; numba imports scipy's linear
algebra to know whether it is there. Both do without, and load what they need when it is asked of them (`to_pandas`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Hidden:
    """A finder of modules by which some are not there."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self.names:
            raise ModuleNotFoundError(f"{name} is hidden while a library starts", name=name)
        return None


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Inside, packages of these names that are not loaded yet cannot be imported."""
    finder = _Hidden(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def arrow_without_pandas() -> None:
    """Let pyarrow look for pandas now, and not find it; `to_pandas` looks again.

    Until then `pyarrow.array` takes a pandas object for any sequence (NaN stays NaN): steps make theirs of numpy and lists.
    """
    import pyarrow as pa

    with hidden("pandas"):
        pa.array([0])


def numba_without_scipy() -> None:
    """Let numba look for scipy's linear algebra now, and not find it; functions that need it import it themselves."""
    with hidden("scipy.linalg"):
        import numba.np.arraymath  # noqa: F401
