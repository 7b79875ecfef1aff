"""Compiled loops over Arrow's own buffers (UTF-8 bytes and offsets): numba, GIL released, no fast math.

Use `from curate.kernels import kernel` and decorate with `@kernel`. numba's own cache does not see a change in an
imported helper, so the cache folder is named after a hash of every kernel source, numba, Python and the CPU.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., object])


def cache_root() -> Path:
    """`$CURATE_CACHE`, else `$XDG_CACHE_HOME/curate`, else `~/.cache/curate`."""
    if chosen := os.environ.get("CURATE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curate"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].split("\n")
        return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features")))
    except OSError:
        return platform.processor() + platform.machine()


@functools.cache
def cache_folder() -> Path:
    """Where compiled kernels of exactly these sources, on this CPU and these versions, are kept."""
    digest = hashlib.sha256(f"{version('numba')} {version('llvmlite')} {sys.version} {_cpu()}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return cache_root() / digest.hexdigest()[:24]


def kernel(function: Function) -> Function:
    """Compile `function` on its first call, without the GIL, and keep the machine code in `cache_folder()`."""
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

    numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]
    compile_with: dict[str, Any] = {"cache": True, "nogil": True, "boundscheck": False, **options}
    return cast(Function, numba.njit(**compile_with)(function))
