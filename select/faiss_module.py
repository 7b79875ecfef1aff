"""FAISS, loaded where it is used, on a stated number of threads, and on GPUs where it sees any."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from curate.errors import MissingAsset

# Files of the drivers of NVIDIA and AMD, without which there is no GPU to be seen.
DRIVERS = ("/dev/nvidiactl", "/dev/kfd")


def require_faiss(where: str) -> None:
    """Raises MissingAsset, without loading anything, where FAISS is not installed."""
    if importlib.util.find_spec("faiss") is None:
        raise MissingAsset(where, "needs the package faiss-cpu (or faiss-gpu)", "pip install 'curate[select]'")


def faiss_module(where: str = "index") -> Any:
    """The module `faiss`. Raises MissingAsset."""
    if "faiss" not in sys.modules:
        require_faiss(where)
    return _loaded()


@cache
def _loaded() -> Any:
    return importlib.import_module("faiss")


def gpus() -> int:
    """How many GPUs FAISS sees: none of a build for CPUs."""
    return int(getattr(faiss_module(), "get_num_gpus", int)())


def gpu_assets() -> dict[str, str]:
    """What of this machine decides last digits of distances, for fingerprints: nothing on CPUs. Loads FAISS beside a GPU alone."""
    if not any(Path(driver).exists() for driver in DRIVERS):
        return {}
    seen = gpus()
    return {"faiss_gpus": str(seen)} if seen else {}


def on_gpus(index: Any) -> Any:
    """A copy of a FAISS index on all GPUs, split between them, in float16; itself where FAISS sees none."""
    faiss = faiss_module()
    if not gpus():
        return index
    options = faiss.GpuMultipleClonerOptions()
    options.useFloat16 = options.shard = True
    return faiss.index_cpu_to_all_gpus(index, co=options)


class threads:
    """FAISS computes on so many threads inside; sums of floats come out the same only on the same number."""

    def __init__(self, number: int) -> None:
        self._faiss, self._number = faiss_module(), number

    def __enter__(self) -> None:
        self._before = self._faiss.omp_get_max_threads()
        if self._before != self._number:
            self._faiss.omp_set_num_threads(self._number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before != self._number:
            self._faiss.omp_set_num_threads(self._before)
