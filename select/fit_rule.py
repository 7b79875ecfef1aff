"""InstructMining's rule for a model of your own: least squares of the log loss on the indicators' averages over sets.

`curate instruct-mine fit RUNS`: a row for each run, of a model trained on a set of instructions: `loss` on a fixed
evaluation set, and averages over its set of the indicators that `instruct_mining` knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curate.errors import ConfigError, Problem
from curate.select.correlations import READERS
from curate.select.instruct_mining import INTERCEPT, MADE_HERE, NAMED

Values = npt.NDArray[np.float64]

LOSS = "loss"
# Columns of averages depend on each other if so little of one is left, as a share of the greatest.
NO_RANK = 1e-10


@dataclass(frozen=True)
class Term:
    """An indicator's coefficient in log loss, its standard error, and the two-sided p of Student's t."""

    coefficient: float
    error: float
    p: float


@dataclass(frozen=True)
class Fit:
    """`terms` by indicator and `intercept`; `dropped`: indicator -> p when it was dropped; `spread`: of the residuals."""

    terms: Mapping[str, Term]
    dropped: Mapping[str, float]
    runs: int
    r2: float
    adjusted: float
    spread: float


def fit_rule(averages: Mapping[str, Values], losses: Values, *, most_p: float = 0.05) -> Fit:
    """Least squares of log `losses` (m,) on `averages` (m,) by indicator; the term with the greatest p above `most_p` is
    dropped, again and again. Raises ConfigError where there is nothing to be learned."""
    if problems := list(_problems(averages, losses)):
        raise ConfigError(problems)
    left, dropped = dict(averages), dict[str, float]()
    while True:
        found = _least_squares(left, np.log(losses), dropped)
        worst = max(left, key=lambda name: found.terms[name].p, default=None)
        if worst is None or found.terms[worst].p <= most_p:
            return found
        dropped[worst] = found.terms[worst].p
        del left[worst]


def _problems(averages: Mapping[str, Values], losses: Values) -> Iterator[Problem]:
    known = ", ".join((*MADE_HERE, *NAMED))
    if not averages:
        yield Problem("", "there is no indicator", f"name columns {known}")
        return
    for name, values in {**averages, LOSS: losses}.items():
        if not np.isfinite(values).all():
            yield Problem(name, f"has no number in row {int(np.flatnonzero(~np.isfinite(values))[0]) + 1}")
    if (losses <= 0).any():
        yield Problem(LOSS, f"is {losses.min():.4g} somewhere", "a loss is above 0: its logarithm is explained")
    if len(losses) < len(averages) + 3:
        yield Problem("", f"{len(losses)} runs for {len(averages)} indicators", f"{len(averages) + 3} are the least")
    elif all(np.isfinite(values).all() for values in averages.values()):
        columns = np.column_stack([values - values.mean() for values in averages.values()])
        columns /= np.maximum(np.linalg.norm(columns, axis=0), np.finfo(float).tiny)
        sizes = np.linalg.svd(columns, compute_uv=False)
        if sizes[-1] <= NO_RANK * sizes[0]:
            yield Problem("", f"{', '.join(averages)} depend on each other, or one never changes", "leave one out")


def _least_squares(averages: Mapping[str, Values], logs: Values, dropped: Mapping[str, float]) -> Fit:
    means = np.array([values.mean() for values in averages.values()])
    scales = np.array([values.std() for values in averages.values()])
    centred = np.column_stack([np.ones(len(logs)), *((values - values.mean()) for values in averages.values())])
    centred[:, 1:] /= scales
    inverse = np.linalg.inv(centred.T @ centred)
    fitted = inverse @ centred.T @ logs
    residuals, free = logs - centred @ fitted, len(logs) - centred.shape[1]
    variance = float(residuals @ residuals) / free
    # from scaled, centred columns back to the indicators' own units
    back = np.eye(centred.shape[1])
    back[1:, 1:] = np.diag(1 / scales)
    back[0, 1:] = -means / scales
    coefficients, errors = back @ fitted, np.sqrt(np.diag(back @ inverse @ back.T) * variance)
    terms = {
        name: Term(float(c), float(e), student_p(float(c / e) if e else math.inf, free))
        for name, c, e in zip((INTERCEPT, *averages), coefficients, errors, strict=True)
    }
    total = float(((logs - logs.mean()) ** 2).sum())
    r2 = 1 - float(residuals @ residuals) / total if total else 0.0
    adjusted = 1 - (1 - r2) * (len(logs) - 1) / free
    return Fit(terms, dict(dropped), len(logs), r2, adjusted, math.sqrt(variance))


def student_p(t: float, free: int) -> float:
    """The two-sided p of Student's t with `free` degrees of freedom, by its finite series (Abramowitz & Stegun 26.7.3-4)."""
    angle = math.atan2(abs(t), math.sqrt(free))
    square = math.cos(angle) ** 2
    term = total = 1.0
    for k in range(2 + free % 2, free - 1, 2):
        term *= square * (k - 1) / k
        total += term
    if free % 2 == 0:
        return max(1 - math.sin(angle) * total, 0.0)
    inside = math.sin(angle) * math.cos(angle) * total if free > 1 else 0.0
    return max(1 - 2 / math.pi * (angle + inside), 0.0)


def read_runs(path: str) -> tuple[dict[str, Values], Values, list[str]]:
    """(averages by indicator, losses, columns that are neither) of a table. Raises ConfigError."""
    import polars as pl

    file = Path(path)
    if file.suffix not in READERS:
        raise ConfigError([Problem(path, "is no .csv, .parquet or .jsonl file")])
    try:
        table = getattr(pl, READERS[file.suffix])(file)
        names = [name for name in (*MADE_HERE, *NAMED) if name in table.columns]
        numbers = table.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in (*names, LOSS))
    except (OSError, pl.exceptions.PolarsError) as error:
        what = f"cannot be read as a table of {LOSS} and indicators: {str(error).splitlines()[0]}"
        raise ConfigError([Problem(path, what)]) from error
    others = [name for name in table.columns if name not in (*names, LOSS)]
    return {name: numbers[name].to_numpy() for name in names}, numbers[LOSS].to_numpy(), others


def report(fit: Fit, others: list[str]) -> Iterator[str]:
    """The fit in lines, the last one of which goes into a pipeline file."""
    yield f"{'term':<20} {'coefficient':>12} {'error':>12} {'p':>9}"
    for name, term in fit.terms.items():
        yield f"{name:<20} {term.coefficient:>12.5g} {term.error:>12.3g} {term.p:>9.2g}"
    for name, p in fit.dropped.items():
        yield f"{name:<20} dropped, p {p:.2g}"
    yield f"{fit.runs} runs, R^2 {fit.r2:.3f} (adjusted {fit.adjusted:.3f}), residuals {fit.spread:.3g} in log loss"
    if others:
        yield f"not used: {', '.join(others)}"
    named = [name for name in fit.terms if name in NAMED]
    signals = f", indicators: {{{', '.join(f'{name}: STEP.SIGNAL' for name in named)}}}" if named else ""
    rule = ", ".join(f"{name}: {term.coefficient:.6g}" for name, term in fit.terms.items())
    yield ""
    yield f"- instruct_mining: {{coefficients: {{{rule}}}{signals}}}"
