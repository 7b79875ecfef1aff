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


def entry(function: Function) -> Function:
    """As `kernel`, for a function that makes no array: all it writes to are its arguments, and so are its callees.

    numba then counts no references to the arrays, which costs 10 to 20 ns for each call from one kernel to another.
    """
    return _compiled(function, _nrt=False)


def loop(function: Function) -> Function:
    """As `entry`, for a function that only kernels call: a sixth of the time of compiling goes into calls from Python."""
    return _closed(_compiled(function, _nrt=False, no_cpython_wrapper=True))


def inlined(function: Function) -> Function:
    """As `loop`, for a small function called for every word: its code goes into its callers, arrays cost no call."""
    return _closed(_compiled(function, _nrt=False, no_cpython_wrapper=True, forceinline=True))


def inlined_entry(function: Function) -> Function:
    """As `inlined`, for a function that Python calls, too."""
    return _compiled(function, _nrt=False, forceinline=True)


def _closed(function: Function) -> Function:
    """The compiled function, which Python cannot call: numba would jump to an address that is not there."""

    def refuse(*arguments: object, **named: object) -> None:
        name = getattr(function, "__name__", "")
        raise TypeError(f"{name} can be called by kernels alone: it is no `kernel` and no `entry`")

    dispatcher: Any = function
    dispatcher._compile_for_args = refuse
    # numba's table of what Python may call
    dispatcher._insert = lambda *entry: None
    return function


def _compiled(function: Function, **options: bool) -> Function:
    import numba

    config: Any = numba.config  # type: ignore[attr-defined]
    compile_with: dict[str, Any] = {"nogil": True, "boundscheck": False, "no_cfunc_wrapper": True, **options}
    before = config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES
    # the locator alone decides; a folder must be named for it to be asked
    config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = str(cache_root()), "curate.kernels.locator.BySource"
    try:
        from curate.kernels.locator import OneWriter

        dispatcher = numba.njit(**compile_with)(function)
        # as `cache=True` does, with a cache of our own
        dispatcher._cache = OneWriter(dispatcher.py_func)  # type: ignore[no-untyped-call]
    finally:
        config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before
    _widen(dispatcher)
    return cast(Function, dispatcher)


def _widen(dispatcher: Any) -> None:
    """Take a constant that a kernel passes for any number of its type: else numba compiles anew for each constant."""
    from numba.core import types

    unliteral: Callable[[Any], Any] = types.unliteral
    template = dispatcher.get_call_template

    def widened(arguments: Any, named: Any) -> Any:
        return template([unliteral(kind) for kind in arguments], {name: unliteral(named[name]) for name in named})

    dispatcher.get_call_template = widened
