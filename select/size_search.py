"""How much to choose: the size with the least loss, by a grid of powers or by BlendSearch.

    found = search_sizes(512, 10_000, trials=10, kind="grid", loss=trained_on)     # {size: loss}, in the order of trial

BlendSearch (Wang et al. 2021, ICLR) blends a local search that begins at the cheapest size with a global one of Optuna.
Its costs are sizes, not seconds, and its random numbers have a seed: the same losses, the same sizes.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from curate.errors import MissingAsset

Kind = Literal["grid", "blendsearch"]
# Proposals for each trial that is wanted: the local and the global search may propose a size again, or none.
PATIENCE = 4


def search_sizes(
    least: int, most: int, *, trials: int, loss: Callable[[int], float], kind: Kind = "grid", seed: int = 0
) -> dict[int, float]:
    """Size -> loss of at most `trials` sizes from `least` to `most`, in the order in which they were tried."""
    found: dict[int, float] = {}
    if kind == "grid":
        for size in np.unique(np.round(np.geomspace(least, most, trials)).astype(int)).tolist():
            found[size] = loss(size)
        return found
    searcher = _blendsearch(least, most, trials, seed)
    for number in range(PATIENCE * trials):
        with _quiet():
            proposed = searcher.suggest(str(number))
        if proposed is None:
            continue
        size = int(proposed["size"])
        if size not in found:
            found[size] = loss(size)
        result = {"loss": found[size], "size": size, "config/size": size, "config": proposed}
        with _quiet():
            searcher.on_trial_complete(str(number), result)
        if len(found) == trials:
            break
    return found


def require_blendsearch(where: str) -> None:
    """Raises MissingAsset where FLAML or Optuna is not installed."""
    for package in ("flaml", "optuna"):
        if importlib.util.find_spec(package) is None:
            hint = "pip install 'curate[mining]', or write `search: grid`"
            raise MissingAsset(where, f"BlendSearch needs the package {package}", hint)


def _blendsearch(least: int, most: int, trials: int, seed: int) -> Any:
    require_blendsearch("size.search")
    with _quiet():
        flaml: Any = importlib.import_module("flaml")
        space = {"size": flaml.tune.lograndint(least, most + 1)}
        return flaml.BlendSearch(
            metric="loss", mode="min", space=space, low_cost_partial_config={"size": least}, cost_attr="size",
            num_samples=PATIENCE * trials, seed=seed,
        )  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Any:
    """FLAML warns of parts that are not installed, Optuna announces its studies."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
