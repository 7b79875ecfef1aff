"""The mark of a worker outlives it, and a call that burns too much processor time ends the worker."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from curate import watch


@pytest.fixture(autouse=True)
def detached() -> object:
    yield
    watch.detach()


def test_without_a_file_marks_do_nothing() -> None:
    watch.mark(3, 0.001)
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    watch.clear()


def test_mark_and_clear(tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    assert watch.read(slot) is None
    watch.attach(slot)
    assert watch.read(slot) is None
    watch.mark(0, 60)
    assert watch.read(slot) == 0
    watch.mark(41)
    assert watch.read(slot) == 41
    watch.clear()
    assert watch.read(slot) is None


def test_a_torn_file_names_no_row(tmp_path: Path) -> None:
    (tmp_path / "slot").write_bytes(b"\0\0")
    assert watch.read(tmp_path / "slot") is None


# a catastrophic regular expression holds the interpreter inside one C call, as an extractor that hangs does
HANG = "import re, sys; from curate import watch; watch.attach(sys.argv[1]); watch.mark(1, 30); watch.mark(7, 0.2); "
HANG += "re.match('(a+)+$', 'a' * 60 + 'b')"


def test_a_hanging_call_ends_the_worker_and_leaves_its_row(tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    done = subprocess.run([sys.executable, "-c", HANG, str(slot)], check=False, timeout=60)
    assert done.returncode == -watch.SIGNAL
    assert watch.read(slot) == 7


def test_a_cleared_timer_ends_nothing(tmp_path: Path) -> None:
    code = "import sys, time; from curate import watch; watch.attach(sys.argv[1]); watch.mark(1, 0.05); watch.clear()\n"
    code += "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "slot")], check=False, timeout=60).returncode == 0
