"""Compiled loops over Arrow's own buffers (UTF-8 bytes and offsets): numba, GIL released, no fast math.

Use `from curate.kernels import kernel` and decorate with `@kernel`. Where machine code is kept: `curate.kernels.cache`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from curate.kernels.cache import cache_root

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile `function` on its first call, without the GIL, and keep the machine code."""
    return _compiled(function)


def loop(function: Function) -> Function:
    """As `kernel`, for a function that makes no array: all it writes to are its arguments, and so are its callees.

    numba then counts no references to the arrays, which costs 10 to 20 ns for each call from one kernel to another.
    """
    return _compiled(function, _nrt=False)


def inlined(function: Function) -> Function:
    """As `loop`, for a small function called for every word: its code goes into its callers, arrays cost no call."""
    return _compiled(function, _nrt=False, forceinline=True)


def _compiled(function: Function, **options: bool) -> Function:
    import numba

    config: Any = numba.config  # type: ignore[attr-defined]
    compile_with: dict[str, Any] = {"cache": True, "nogil": True, "boundscheck": False, **options}
    before = config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES
    # the locator alone decides; a folder must be named for it to be asked
    config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = str(cache_root()), "curate.kernels.locator.BySource"
    try:
        return cast(Function, numba.njit(**compile_with)(function))
    finally:
        config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before
