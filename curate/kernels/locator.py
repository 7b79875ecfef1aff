"""numba's hooks for compiled code: its place (imported by numba, by name, when a kernel is decorated), and who may write."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, UserProvidedCacheLocator

from curate.kernels.cache import folder_of


class BySource(UserProvidedCacheLocator):
    """The folder of the function's source file; what is in it needs no other stamp of freshness."""

    def __init__(self, function: Any, file: str) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._cache_path = str(folder_of(file))

    def get_source_stamp(self) -> str:
        """The folder's name says it."""
        return ""


class OneWriter(FunctionCache):
    """numba's cache of a function, written by one process at a time.

    A file of machine code is named by a number that its writer finds free in the index: two that save different signatures at once
    would take the same one, and the index that is left would lead from one signature to the code of the other.
    """

    def save_overload(self, sig: Any, data: Any) -> None:
        """See FunctionCache."""
        folder = Path(self.cache_path)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
