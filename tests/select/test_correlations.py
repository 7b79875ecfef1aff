"""Perplexity correlations: estimators and projection by hand, the choice of domains, bad tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import pipeline, run_ok, write_jsonl
from scipy.stats import spearmanr

from curate.errors import ConfigError, CurateError
from curate.select.correlations import PerplexityCorrelations, bits_per_byte, project, sign_cdf, spearman
from curate.select.pool import scored

ERRORS = np.array([0.2, 0.5, 0.3, 0.8])
LOSSES = np.array([[0.9, 1.2], [1.1, 1.0], [1.0, 1.25], [1.3, 0.8]])


def test_estimates_by_hand() -> None:
    assert spearman(ERRORS, LOSSES) == pytest.approx([1, -0.8])
    assert sign_cdf(ERRORS, LOSSES) == pytest.approx([0.416667, -0.333333], abs=1e-6)
    assert bits_per_byte(3.0, 250, 1000) == pytest.approx(1.082021, abs=1e-6)


def test_estimates_of_many_models() -> None:
    rng = np.random.default_rng(1)
    errors, losses = rng.random(30), rng.random((30, 5))
    assert spearman(errors, losses) == pytest.approx([spearmanr(errors, losses[:, j]).statistic for j in range(5)])
    ranks = losses.argsort(axis=0).argsort(axis=0) + 1
    pairs = [(i, m) for i in range(30) for m in range(i + 1, 30)]
    slow = sum(np.sign(errors[m] - errors[i]) * (ranks[m] - ranks[i]) / 30 for i, m in pairs) / len(pairs)
    assert sign_cdf(errors, losses) == pytest.approx(slow)


@pytest.mark.parametrize(
    ("estimates", "most", "shares"),
    [
        ([0.9, 0.5, 0.1], [0.4, 0.4, 0.6], [0.4, 0.4, 0.2]),
        ([0.1, 0.9], [1.0, 1.0], [0.0, 1.0]),
        ([0.1, 0.9], [0.3, 0.2], [0.3, 0.2]),
    ],
)
def test_the_best_domains_are_filled_first(estimates: list[float], most: list[float], shares: list[float]) -> None:
    assert project(np.array(estimates), np.array(most)) == pytest.approx(shares)


def tables(folder: Path) -> dict[str, list[str]]:
    models, domains = ["a", "b", "c", "d"], ["good.org", "bad.org"]
    rows = [(model, domain, LOSSES[i, j]) for i, model in enumerate(models) for j, domain in enumerate(domains)]
    pl.DataFrame(rows, ["model", "domain", "bits_per_byte"], orient="row").write_csv(folder / "losses.csv")
    pl.DataFrame({"model": models, "error": ERRORS}).write_parquet(folder / "errors.parquet")
    return {"losses": [str(folder / "losses.csv")], "errors": [str(folder / "errors.parquet")]}


def test_documents_of_the_best_domain_come_first(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tables(tmp_path)
    hosts = ["good.org", "bad.org", "other.org"]
    rows = [{"id": f"{i}", "url": f"https://{hosts[i % 3]}/{i}", "text": "ten bytes!"} for i in range(30)]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    budget = "budget: {documents: 15}"
    step = f"{{perplexity_correlations: {{losses: losses.csv, errors: errors.parquet, {budget}}}}}"
    inputs = '[{name: web, path: "in/*", id: id, url: url}]'
    run_ok(pipeline(tmp_path, f"[{step}]", inputs=inputs), "--workers", 1)
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").unnest("perplexity_correlations")
    kept = [int(i) % 3 for i in ledger.filter(pl.col("fate") == "kept").sort("rank")["id"]]
    assert kept == [0] * 10 + [1] * 5  # the border domain in part
    assert ledger.filter(pl.col("score").is_null()).height == 10
    in_order = ledger.filter(pl.col("score") > 0).sort("rank")["id"].cast(int).to_list()
    assert in_order != sorted(in_order)  # at random within the domain


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ("model,domain,bits_per_byte\na,x,1\nb,x,1\n", "models c, d are not in both"),
        ("model,domain,bits_per_byte\na,x,1\nb,x,1\nc,x,1\nd,x,1\nd,y,2\n", "not exactly one row for each model"),
        ("model,place\na,1\n", "cannot be read as a table of model, domain, bits_per_byte"),
    ],
)
def test_bad_tables_are_told(tmp_path: Path, losses: str, words: str) -> None:
    paths = tables(tmp_path)
    Path(paths["losses"][0]).write_text(losses)
    with pytest.raises(ConfigError, match=words):
        PerplexityCorrelations.model_validate(paths).assets()
    with pytest.raises(ConfigError, match="`losses` is one file"):
        PerplexityCorrelations().assets()


def test_a_document_without_a_domain_has_no_score(tmp_path: Path) -> None:
    selector = PerplexityCorrelations.model_validate(tables(tmp_path))
    found = scored(selector, pa.array(["a", "b"]), columns={"url": pa.array(["https://good.org/x", None])})
    assert found["rank"].to_pylist() == [1, None]
    with pytest.raises(CurateError, match="none of 2 documents has a score") as error:
        scored(selector, pa.array(["a", "b"]))
    assert "no document's host is a domain of `losses`" in str(error.value)
