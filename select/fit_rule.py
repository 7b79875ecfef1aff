"""InstructMining's rule for a model of your own: least squares of the log loss on the indicators' averages over sets.

`curate instruct-mine fit RUNS`: a row for each run, of a model trained on a set of instructions: `loss` on a fixed
evaluation set, and averages over its set of the indicators that `instruct_mining` knows. Where sets have several sizes
(`documents`), the logarithm of the size is explained beside them: more data is no better data. `curate.train.mining` makes such runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curate.errors import ConfigError, Problem
from curate.select.correlations import READERS
from curate.select.instruct_mining import INTERCEPT, MADE_HERE, NAMED

Values = npt.NDArray[np.float64]

LOSS, SIZE, LOG_SIZE = "loss", "documents", "log_size"
# Columns of averages depend on each other if so little of one is left, as a share of the greatest.
NO_RANK = 1e-10


@dataclass(frozen=True)
class Term:
    """An indicator's coefficient in log loss, its standard error, and the two-sided p of Student's t.

    `inflation`: of the variance, by what the other terms say of it (VIF); above 10 the coefficient alone means little.
    """

    coefficient: float
    error: float
    p: float
    inflation: float = 1.0


@dataclass(frozen=True)
class Fit:
    """`terms` by indicator and `intercept`; `dropped`: indicator -> p when it was dropped; `spread`: of the residuals.

    `left_out`: R^2 of each run predicted by a fit to all the others. `log_size`: the mean, where sizes are a term.
    """

    terms: Mapping[str, Term]
    dropped: Mapping[str, float]
    runs: int
    r2: float
    adjusted: float
    spread: float
    left_out: float
    log_size: float = 0.0

    @property
    def rule(self) -> dict[str, float]:
        """Indicator -> coefficient, and the intercept for sets of the mean size: what `instruct_mining` takes."""
        found = {name: term.coefficient for name, term in self.terms.items() if name != LOG_SIZE}
        if LOG_SIZE in self.terms:
            found[INTERCEPT] += self.terms[LOG_SIZE].coefficient * self.log_size
        return found


def fit_rule(
    averages: Mapping[str, Values], losses: Values, *, sizes: Values | None = None, most_p: float = 0.05
) -> Fit:
    """Least squares of log `losses` (m,) on `averages` (m,) by indicator, and on the logarithm of `sizes` (m,) where they
    differ; the indicator with the greatest p above `most_p` is dropped, again and again.

    Raises ConfigError where there is nothing to be learned.
    """
    check_runs(averages, losses, sizes)
    beside = _beside(sizes)
    left, dropped = dict(averages), dict[str, float]()
    while True:
        found = _least_squares({**left, **beside}, np.log(losses), dropped)
        worst = max(left, key=lambda name: found.terms[name].p, default=None)
        if worst is None or found.terms[worst].p <= most_p:
            return found
        dropped[worst] = found.terms[worst].p
        del left[worst]


def check_runs(averages: Mapping[str, Values], losses: Values, sizes: Values | None = None) -> None:
    """Raises ConfigError where no rule can be fitted to such runs."""
    if problems := list(_problems({**averages, **_beside(sizes)}, losses)):
        raise ConfigError(problems)


def _beside(sizes: Values | None) -> dict[str, Values]:
    """What is explained beside the indicators: the logarithm of sizes that differ."""
    return {LOG_SIZE: np.log(sizes)} if sizes is not None and np.ptp(sizes) else {}


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
    inflation = np.diag(inverse) * len(logs)
    terms = {
        name: Term(float(c), float(e), student_p(float(c / e) if e else math.inf, free), float(v))
        for name, c, e, v in zip((INTERCEPT, *averages), coefficients, errors, inflation, strict=True)
    }
    total = float(((logs - logs.mean()) ** 2).sum())
    r2 = 1 - float(residuals @ residuals) / total if total else 0.0
    adjusted = 1 - (1 - r2) * (len(logs) - 1) / free
    # each run's residual of a fit without it, by the diagonal of the hat matrix
    leverage = np.einsum("ij,jk,ik->i", centred, inverse, centred)
    alone = residuals / np.maximum(1 - leverage, np.finfo(float).tiny)
    left_out = 1 - float(alone @ alone) / total if total else 0.0
    log_size = float(averages[LOG_SIZE].mean()) if LOG_SIZE in averages else 0.0
    return Fit(terms, dict(dropped), len(logs), r2, adjusted, math.sqrt(variance), left_out, log_size)


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


def read_runs(path: str) -> tuple[dict[str, Values], Values, Values | None, list[str]]:
    """(averages by indicator, losses, sizes if there are, columns that are none of these) of a table. Raises ConfigError."""
    import polars as pl

    file = Path(path)
    if file.suffix not in READERS:
        raise ConfigError([Problem(path, "is no .csv, .parquet or .jsonl file")])
    try:
        table = getattr(pl, READERS[file.suffix])(file)
        names = [name for name in (*MADE_HERE, *NAMED) if name in table.columns]
        read = [*names, LOSS, *([SIZE] if SIZE in table.columns else [])]
        numbers = table.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in read)
    except (OSError, pl.exceptions.PolarsError) as error:
        what = f"cannot be read as a table of {LOSS} and indicators: {str(error).splitlines()[0]}"
        raise ConfigError([Problem(path, what)]) from error
    sizes = numbers[SIZE].to_numpy() if SIZE in read else None
    others = [name for name in table.columns if name not in read]
    return {name: numbers[name].to_numpy() for name in names}, numbers[LOSS].to_numpy(), sizes, others


def report(fit: Fit, others: Sequence[str] = (), signals: Mapping[str, str] | None = None) -> Iterator[str]:
    """The fit in lines, the last one of which goes into a pipeline file. `signals`: of indicators that a user named."""
    yield f"{'term':<20} {'coefficient':>12} {'error':>12} {'p':>9} {'inflation':>10}"
    for name, term in fit.terms.items():
        inflation = f"{term.inflation:>10.1f}" if name != INTERCEPT else ""
        yield f"{name:<20} {term.coefficient:>12.5g} {term.error:>12.3g} {term.p:>9.2g} {inflation}".rstrip()
    for name, p in fit.dropped.items():
        yield f"{name:<20} dropped, p {p:.2g}"
    yield (
        f"{fit.runs} runs, R^2 {fit.r2:.3f} (adjusted {fit.adjusted:.3f}, of runs left out {fit.left_out:.3f}), "
        f"residuals {fit.spread:.3g} in log loss"
    )
    if set(fit.terms) <= {INTERCEPT, LOG_SIZE}:
        yield "no indicator explains the losses: the rule cannot choose; more runs, or runs that differ more, may show one"
    if others:
        yield f"not used: {', '.join(others)}"
    yield ""
    yield f"- instruct_mining: {step_settings(fit, signals)}"


def step_settings(fit: Fit, signals: Mapping[str, str] | None = None) -> str:
    """The settings of the step `instruct_mining` with this rule, as YAML has them on a line."""
    named = {
        name: (signals or {}).get(name, "STEP.SIGNAL") for name in fit.rule if name in NAMED or name in (signals or {})
    }
    shown = f", indicators: {{{', '.join(f'{name}: {signal}' for name, signal in named.items())}}}" if named else ""
    rule = ", ".join(f"{name}: {coefficient:.6g}" for name, coefficient in fit.rule.items())
    return f"{{coefficients: {{{rule}}}{shown}}}"


def fit_table(path: str, *, most_p: float, as_json: bool) -> None:
    """`curate instruct-mine fit RUNS`: fit a table and print. Raises ConfigError."""
    averages, losses, sizes, others = read_runs(path)
    found = fit_rule(averages, losses, sizes=sizes, most_p=most_p)
    print(json.dumps(asdict(found)) if as_json else "\n".join(report(found, others)))
