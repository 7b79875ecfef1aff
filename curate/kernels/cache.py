"""Where compiled kernels are kept: a folder for each source file with all that it imports, numba, Python and the CPU.

numba's own cache does not see a change in an imported helper, and keeps a copy for each checkout. A folder named after
the content of a file and of every file of `curate` that it reaches by imports is right in both: an edited helper is
another folder for the files above it and for no other, and equal sources share their machine code wherever they lie.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
IMPORT = re.compile(
    r"^\s*(?:from\s+(curate[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+(curate[\w.]*))", re.MULTILINE
)


def cache_root() -> Path:
    """`$CURATE_CACHE`, else `$XDG_CACHE_HOME/curate`, else `~/.cache/curate`."""
    if chosen := os.environ.get("CURATE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curate"


@functools.cache
def folder_of(source: str) -> Path:
    """The folder for what is made of the file `source`, with everything that it imports, on this machine."""
    digest = hashlib.sha256(_machine().encode())
    for path in sorted(_reached(Path(source).resolve())):
        digest.update(path.name.encode() + b"\0" + _hash(path))
    return cache_root() / digest.hexdigest()[:24]


@functools.cache
def _machine() -> str:
    return f"{version('numba')} {version('llvmlite')} {sys.version} {_cpu()}"


@functools.cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].split("\n")
        return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features")))
    except OSError:
        return platform.processor() + platform.machine()


@functools.cache
def _hash(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _reached(start: Path) -> set[Path]:
    """The file, and all files of the package that it imports, directly or not."""
    reached, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += _imports(path)
    return reached


@functools.cache
def _imports(path: Path) -> tuple[Path, ...]:
    found: list[Path] = []
    for module, names, plain in IMPORT.findall(path.read_text("utf8")):
        room, _, name = "/".join((module or plain).split(".")[1:]).rpartition("/")
        found += _files(room, name)
        found += [file for word in re.findall(r"\w+", names) for file in _files(f"{room}/{name}".strip("/"), word)]
    return tuple(found)


@functools.cache
def _files(room: str, name: str) -> tuple[Path, ...]:
    """The file of a module or package in a folder of this package, whose own name is empty; none for a function."""
    if name and name not in _modules(room):
        return ()
    place = PACKAGE / room / name
    return tuple(file.resolve() for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file())


@functools.cache
def _modules(room: str) -> frozenset[str]:
    """The names, less their suffixes, of what a folder of this package holds: listed once, a name costs no look at the disk."""
    folder = PACKAGE / room
    return frozenset(name.removesuffix(".py") for name in os.listdir(folder)) if folder.is_dir() else frozenset()
