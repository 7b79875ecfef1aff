"""The cache of compiled kernels: an edited helper is seen, an unchanged one is not compiled again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROBE = """
import numpy as np
from curate.kernels.probe import doubled
print(doubled(np.arange(4)), sum(doubled.stats.cache_hits.values()))
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


def test_an_edited_helper_is_seen_and_an_unchanged_one_is_cached(tmp_path: Path) -> None:
    package = tmp_path / "curate"
    (package / "kernels").mkdir(parents=True)
    shutil.copy(ROOT / "curate" / "__init__.py", package)
    for name in ("__init__.py", "cache.py", "locator.py"):
        shutil.copy(ROOT / "curate" / "kernels" / name, package / "kernels")
    (package / "kernels" / "probe.py").write_text(KERNEL)
    # Python's own byte code cannot tell the edit below either
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "CURATE_CACHE": str(tmp_path / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

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
