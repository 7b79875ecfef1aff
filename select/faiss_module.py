"""FAISS, loaded where it is used, on a stated number of threads."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from typing import Any

from curate.errors import MissingAsset


def require_faiss(where: str) -> None:
    """Raises MissingAsset, without loading anything, where FAISS is not installed."""
    if importlib.util.find_spec("faiss") is None:
        raise MissingAsset(where, "needs the package faiss-cpu (or faiss-gpu)", "pip install 'curate[select]'")


def faiss_module(where: str = "index") -> Any:
    """The module `faiss`. Raises MissingAsset."""
    if "faiss" not in sys.modules:
        require_faiss(where)
    return importlib.import_module("faiss")


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """FAISS computes on so many threads inside; sums of floats come out the same only on the same number."""
    faiss = faiss_module()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(number)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
