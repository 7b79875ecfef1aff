"""`curate merge`: what was typed, and what is said of the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from curate.errors import ConfigError, MissingAsset, Problem

DTYPES = ("float32", "bfloat16", "float16")


def merge_models(
    kind: str, models: Sequence[str], output: Path, *, base: str | None, scale: Sequence[float], alpha: float | None,
    density: float | None, evaluate: str | None, dtype: str | None,
) -> None:  # fmt: skip
    """Merge, and say what went in. Raises ConfigError."""
    if dtype is not None and dtype not in DTYPES:
        raise ConfigError([Problem("--dtype", f"unknown dtype `{dtype}`", f"allowed: {', '.join(DTYPES)}")])
    try:
        from transformers.utils import logging

        from curate.train.merge.merging import MergeSettings, merge
    except ImportError as error:
        raise MissingAsset("merge", f"needs the package {error.name}", "pip install 'curate[train]'") from error
    # its bars stand between the lines of what was tried
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    settings = MergeSettings(kind, tuple(models), base, tuple(scale), alpha, density, evaluate, dtype)
    made = merge(settings, output, note=lambda line: print(line, file=sys.stderr))
    factors = "".join(f", {key} {value}" for key, value in made.factors.items())
    print(
        f"{kind} of {', '.join(made.chosen)}{factors}\n{output}: loads with transformers; README.md says what it is of"
    )
