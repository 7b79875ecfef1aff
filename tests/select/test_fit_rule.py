"""The fit of InstructMining's rule: the published rule found again in planted runs, p by scipy's, and what is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from corpora import curate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from curate.errors import ConfigError
from curate.select.fit_rule import fit_rule, student_p
from curate.select.instruct_mining import RULES, InstructMining, predicted_loss

Columns = dict[str, np.ndarray]


def runs(count: int, noise: float, seed: int = 0) -> tuple[Columns, np.ndarray]:
    """Sets whose losses follow v1 but for the noise, and a column that has no part in it."""
    rng = np.random.default_rng(seed)
    columns = {
        "length_out": rng.uniform(50, 800, count),
        "knn": rng.uniform(0.2, 1, count),
        "reward": rng.normal(size=count),
    }
    columns["mtld"] = rng.uniform(40, 90, count)
    return columns, np.exp(predicted_loss(RULES["v1"], columns) + noise * rng.normal(size=count))


def test_the_published_rule_is_found_again() -> None:
    found = fit_rule(*runs(78, 0.01))
    assert set(found.terms) == set(RULES["v1"]) and set(found.dropped) == {"mtld"} and found.dropped["mtld"] > 0.05
    for name, term in found.terms.items():
        assert abs(term.coefficient - RULES["v1"][name]) < 4 * term.error and term.p < 0.01
    assert found.r2 > 0.99 and found.spread == pytest.approx(0.01, rel=0.3) and found.runs == 78


def test_errors_and_p_of_one_column_are_scipys() -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 9, 12)
    losses = np.exp(0.3 * values + rng.normal(size=12))
    found, wanted = fit_rule({"mtld": values}, losses, most_p=1), stats.linregress(values, np.log(losses))
    term = found.terms["mtld"]
    assert [term.coefficient, term.error, term.p] == pytest.approx([wanted.slope, wanted.stderr, wanted.pvalue])
    start = found.terms["intercept"]
    assert [start.coefficient, start.error] == pytest.approx([wanted.intercept, wanted.intercept_stderr])
    assert found.r2 == pytest.approx(wanted.rvalue**2)
    assert found.adjusted == pytest.approx(1 - (1 - wanted.rvalue**2) * 11 / 10)


@settings(deadline=None)
@given(st.floats(-20, 20), st.integers(1, 200))
def test_p_is_scipys(t: float, free: int) -> None:
    assert student_p(t, free) == pytest.approx(2 * stats.t.sf(abs(t), free), abs=1e-12)


def test_a_term_that_explains_nothing_leaves_an_intercept() -> None:
    rng = np.random.default_rng(2)
    found = fit_rule({"mtld": rng.normal(size=40)}, np.exp(rng.normal(size=40)), most_p=1e-6)
    assert list(found.terms) == ["intercept"] and list(found.dropped) == ["mtld"] and found.r2 == pytest.approx(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": [0.0] * 20}, "a loss is above 0"),
        ({"knn": [float("nan")] * 20}, "has no number in row 1"),
        ({"knn": [2.0] * 20}, "depend on each other, or one never changes"),
    ],
)
def test_runs_that_teach_nothing_are_told(change: dict[str, list[float]], message: str) -> None:
    columns, losses = runs(20, 0.1)
    changed = {name: np.array(values) for name, values in change.items()}
    with pytest.raises(ConfigError, match=message):
        fit_rule({**columns, **{k: v for k, v in changed.items() if k != "loss"}}, changed.get("loss", losses))
    with pytest.raises(ConfigError, match="6 runs for 4 indicators"):
        fit_rule({name: values[:6] for name, values in columns.items()}, losses[:6])


def test_the_command_prints_a_step_for_a_pipeline(tmp_path: Path) -> None:
    columns, losses = runs(40, 0.01)
    file = tmp_path / "runs.csv"
    pl.DataFrame({"run": np.arange(40), **columns, "loss": losses}).write_csv(file)
    done = curate("instruct-mine", "fit", file)
    assert done.returncode == 0 and "40 runs" in done.stdout and "not used: run" in done.stdout
    import yaml

    (step,) = yaml.safe_load(done.stdout.splitlines()[-1])
    made = InstructMining.model_validate(step["instruct_mining"])
    assert made.coefficients["knn"] == pytest.approx(-0.9350, abs=0.03) and made.indicators == {"reward": "STEP.SIGNAL"}
    file.write_text("loss,reward\n1,x\n")
    done = curate("instruct-mine", "fit", file)
    assert done.returncode == 2 and "cannot be read as a table" in done.stderr


def test_the_diagnostics_are_those_of_fits_without_a_run() -> None:
    columns, losses = runs(24, 0.05)
    found = fit_rule(columns, losses, most_p=1)
    misses = []
    for i in range(24):
        others = {name: np.delete(values, i) for name, values in columns.items()}
        rule = fit_rule(others, np.delete(losses, i), most_p=1).rule
        misses.append(np.log(losses[i]) - predicted_loss(rule, {name: values[i] for name, values in columns.items()}))
    logs = np.log(losses)
    assert found.left_out == pytest.approx(1 - np.square(misses).sum() / np.square(logs - logs.mean()).sum())
    rest = [np.ones(24), *(values for name, values in columns.items() if name != "knn")]
    left = columns["knn"] - (matrix := np.column_stack(rest)) @ np.linalg.lstsq(matrix, columns["knn"])[0]
    assert found.terms["knn"].inflation == pytest.approx(columns["knn"].var() * 24 / (left @ left))


def test_sizes_of_sets_are_explained_beside_and_are_no_part_of_the_rule() -> None:
    columns, losses = runs(60, 0.01)
    sizes = np.where(np.arange(60) % 2, 500.0, 2000.0)
    found = fit_rule(columns, losses * sizes**-0.3, sizes=sizes)
    assert found.terms["log_size"].coefficient == pytest.approx(-0.3, abs=0.02) and "log_size" not in found.rule
    assert found.rule["knn"] == pytest.approx(-0.935, abs=0.03)
    assert found.rule["intercept"] == pytest.approx(1.0694 - 0.3 * np.log(sizes).mean(), abs=0.05)
