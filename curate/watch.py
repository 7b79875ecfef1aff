"""Which document a worker is busy with, so that one that hangs or crashes a native library can be named afterwards.

The worker attaches a small file once, marks each row before it hands it to native code, and clears the mark when the
batch is done. A mark also arms a timer: a call that burns more processor time than allowed is ended by the default
action of `SIGNAL`, which needs no Python code to run and so works inside a C call. The parent reads the mark of the
dead worker, and quarantines that row alone. Without `attach` all of it does nothing.

The timer counts processor time of the process (user and system), not the clock: a busy or suspended machine ends no
document that would have passed on an idle one.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
from pathlib import Path

#: what ends a worker whose document ran out of time; the exit code of the process is its negative
SIGNAL = signal.SIGPROF

_SLOT = struct.Struct("<q")
_IDLE = -1
_slot: mmap.mmap | None = None


def attach(path: str | os.PathLike[str]) -> None:
    """Keep the marks of this process in the file `path` from now on; it is made or emptied. Raises OSError."""
    global _slot
    detach()
    with open(path, "wb+") as file:
        file.write(_SLOT.pack(_IDLE))
        file.flush()
        _slot = mmap.mmap(file.fileno(), _SLOT.size)
    signal.signal(SIGNAL, signal.SIG_DFL)


def detach() -> None:
    """Forget the file: marks do nothing again."""
    global _slot
    if _slot is not None:
        clear()
        _slot.close()
        _slot = None


def mark(row: int, seconds: float = 0.0) -> None:
    """Row `row` is about to be handed to native code, which may burn `seconds` of processor time (0: no limit).

    Costs about a microsecond; the next mark replaces this one.
    """
    if _slot is not None:
        _SLOT.pack_into(_slot, 0, row)
        signal.setitimer(signal.ITIMER_PROF, seconds)


def clear() -> None:
    """No document is in native code any more; the timer stops."""
    if _slot is not None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _SLOT.pack_into(_slot, 0, _IDLE)


def read(path: str | os.PathLike[str]) -> int | None:
    """The row that the worker which attached `path` was busy with when it died; None if with none, or no such file."""
    try:
        slot = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    if len(slot) < _SLOT.size:
        return None
    row: int = _SLOT.unpack_from(slot)[0]
    return None if row == _IDLE else row
