"""The cache of compiled kernels: an edited helper is seen, an unchanged one is not compiled again."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROBE = """
import numpy as np
from curate.kernels.probe import doubled
print(doubled(np.arange(4)), sum(doubled.stats.cache_hits.values()))
"""
TYPED = """
import sys
import numpy as np
from curate.kernels.probe import doubled
for dtype in sys.argv[1:]:
    assert doubled(np.arange(4).astype(dtype)) == 12, dtype
print(sum(doubled.stats.cache_hits.values()))
"""
HELPER = """
from curate.kernels import kernel

@kernel
def helper(value):
    return value * {factor}
"""
KERNEL = """
from curate.kernels import kernel
from curate.kernels.probe_helper import helper

@kernel
def doubled(values):
    total = 0
    for value in values:
        total += helper(value)
    return total
"""


def _package(folder: Path) -> tuple[Path, dict[str, str]]:
    """A copy of what kernels need with a kernel and its helper, and the environment to import it."""
    package = folder / "curate"
    (package / "kernels").mkdir(parents=True)
    shutil.copy(ROOT / "curate" / "__init__.py", package)
    for name in ("__init__.py", "cache.py", "locator.py"):
        shutil.copy(ROOT / "curate" / "kernels" / name, package / "kernels")
    (package / "kernels" / "probe.py").write_text(KERNEL)
    (package / "kernels" / "probe_helper.py").write_text(HELPER.format(factor=2))
    # Python's own byte code cannot tell an edit within a second either
    of_copy = {"PYTHONPATH": str(folder), "CURATE_CACHE": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    return package, {**os.environ, **of_copy}


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    _, environment = _package(tmp_path)
    command = [sys.executable, "-c", TYPED, "float64"]
    place = [sys.executable, "-c", "from curate.kernels.probe import doubled; print(doubled._cache.cache_path)"]
    folder = Path(subprocess.check_output(place, text=True, env=environment, cwd=tmp_path).strip())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = subprocess.Popen(command, env=environment, cwd=tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(4)
        assert not list(folder.glob("*.nbi")), "it waits for whoever writes"
    assert running.wait(120) == 0 and list(folder.glob("*.nbi"))


def test_an_edited_helper_is_seen_and_an_unchanged_one_is_cached(tmp_path: Path) -> None:
    package, environment = _package(tmp_path)

    def run(factor: int) -> str:
        (package / "kernels" / "probe_helper.py").write_text(HELPER.format(factor=factor))
        # of the same second and size: numba's own check could not tell
        os.utime(package / "kernels" / "probe_helper.py", (1_700_000_000, 1_700_000_000))
        done = subprocess.run(
            [sys.executable, "-c", PROBE], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert not done.returncode, done.stderr
        return done.stdout.strip()

    assert [run(2), run(2), run(3)] == ["12 0", "12 1", "18 0"]
    # equal sources elsewhere: another checkout takes what the first compiled
    shutil.copytree(package, tmp_path / "copy" / "curate")
    environment["PYTHONPATH"] = str(tmp_path / "copy")
    package = tmp_path / "copy" / "curate"
    assert run(3) == "18 1"
