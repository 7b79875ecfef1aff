"""What is hidden while a library starts is not loaded, and is there when it is wanted."""

from __future__ import annotations

import subprocess
import sys

import pytest


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout or done.stderr


def test_arrow_makes_arrays_without_pandas_and_hands_over_to_it_when_asked() -> None:
    pytest.importorskip("pandas")
    code = """
import sys, pyarrow as pa
from curate.startup import arrow_without_pandas
arrow_without_pandas()
table = pa.table({"a": [1, None]})
print("pandas" in sys.modules, table.to_pandas()["a"].isna().tolist())
"""
    assert printed(code) == "False [False, True]\n"


def test_kernels_run_without_the_linear_algebra_of_scipy_and_it_can_be_imported_behind_them() -> None:
    pytest.importorskip("scipy")
    code = """
import sys, pyarrow as pa
from curate.startup import numba_without_scipy
numba_without_scipy()
from curate.dedup.exact import ExactDedup
columns = dict(ExactDedup().collect(pa.record_batch({"text": ["a  b", "a b"]})))
print(columns["hash_lo"][0] == columns["hash_lo"][1], "scipy.linalg" in sys.modules)
import scipy.linalg.cython_blas
"""
    assert printed(code) == "True False\n"
