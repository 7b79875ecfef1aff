"""numba's hook for the place of compiled code: imported by numba, by name, when a kernel is decorated."""

from __future__ import annotations

from typing import Any

from numba.core.caching import UserProvidedCacheLocator

from curate.kernels.cache import folder_of


class BySource(UserProvidedCacheLocator):
    """The folder of the function's source file; what is in it needs no other stamp of freshness."""

    def __init__(self, function: Any, file: str) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._cache_path = str(folder_of(file))

    def get_source_stamp(self) -> str:
        """The folder's name says it."""
        return ""
