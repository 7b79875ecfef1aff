"""`perplexity_correlations`: choose the domains on which better models have lower losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curate.dedup.step import Contributions
from curate.errors import ConfigError, Problem
from curate.select.order import Ranks, Scores, gumbel_noise
from curate.select.selector import Selector

Losses = npt.NDArray[np.float64]  # (models, domains), bits a byte
READERS = {".csv": "read_csv", ".parquet": "read_parquet", ".jsonl": "read_ndjson"}


def bits_per_byte(nats_per_token: float, tokens: int, size: int) -> float:
    """The loss of `tokens` tokens of a text of `size` bytes, comparable between tokenizers."""
    return nats_per_token * tokens / (size * float(np.log(2)))


def sign_cdf(errors: Losses, losses: Losses) -> Losses:
    """(N,) errors and (N, D) losses of N models -> (D,): 2 / (N (N - 1)) sum over pairs of sign(y) (CDF(l) - CDF(i)).

    CDF is the rank of a model's loss on the domain over N, ranks of equals averaged.
    """
    count = len(errors)
    signs = np.sign(errors[:, None] - errors[None]).sum(axis=1)
    result: Losses = 2 / (count * (count - 1)) * (signs @ (_ranks(losses) / count))
    return result


def spearman(errors: Losses, losses: Losses) -> Losses:
    """(N,) errors and (N, D) losses -> (D,): 1 - 6 sum d^2 / (N (N^2 - 1)) of ranks."""
    count = len(errors)
    apart = _ranks(losses) - _ranks(errors[:, None])
    result: Losses = 1 - 6 * (apart**2).sum(axis=0) / (count * (count**2 - 1))
    return result


def project(estimates: Losses, most: Losses) -> Losses:
    """(D,) estimates and the greatest share of each domain -> (D,) shares, the best domains first until they sum to 1.

    The domain at the border gets what is left. Where all of them together do not reach 1, so do not the shares.
    """
    order = np.argsort(-estimates, kind="stable")
    before = np.cumsum(most[order]) - most[order]
    shares = np.zeros(len(estimates))
    shares[order] = np.clip(1 - before, 0, most[order])
    return shares


ESTIMATORS = {"sign_cdf": sign_cdf, "spearman": spearman}


class PerplexityCorrelations(Selector):
    """Documents of the domains whose losses tell good models from bad: rank correlation over many public models.

    You bring two tables (CSV, Parquet, JSON Lines): `losses` with model, domain and bits_per_byte, and `errors` with
    model and error of a benchmark, so that smaller is better in both. A domain's score is how its losses correlate with the
    errors; all its documents have it, and come in a random order that ids and `seed` decide. With a budget in tokens
    this is the published projection: the best domains as a whole, the one at the border in part. A document of a domain
    without losses has no score. Little is gained on pools that were filtered for quality before.
    """

    kind: ClassVar[str] = "perplexity_correlations"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Thrush, Potts & Hashimoto 2024 (arXiv 2409.05816)"
    FILE_FIELDS: ClassVar[frozenset[str]] = frozenset({"losses", "errors"})
    RULE_FIELDS: ClassVar[frozenset[str]] = Selector.RULE_FIELDS | {"losses", "errors", "estimator"}

    losses: list[str] = Field([], description="a table of model, domain, bits_per_byte")
    errors: list[str] = Field([], description="a table of model, error")
    domain: Literal["host", "source", "lang"] = Field("host", description="what the domain of a document is")
    estimator: Literal["sign_cdf", "spearman"] = Field("sign_cdf", description="of the correlation")

    def why_none(self) -> str:
        """See Selector."""
        return f"no document's {self.domain} is a domain of `losses`; `domain` may be host, source or lang"

    def assets(self) -> dict[str, str]:
        """The tables by their content. Raises ConfigError with all that is wrong with them."""
        from curate.files import file_sha256

        self.estimates()
        return {name: file_sha256(Path(getattr(self, name)[0])) for name in ("losses", "errors")}

    def fingerprint(self) -> dict[str, Any]:
        """As of any step, less the tables: what is collected knows nothing of them."""
        return super().fingerprint() | {"assets": {}}

    def resolve_fingerprint(self) -> dict[str, Any]:
        """The tables by their content, wherever they are."""
        return super().resolve_fingerprint() | self.assets()

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`key` and `size` of any selector, and `domain`."""
        from curate.urls import addresses

        domain = addresses(batch["url"]).host if self.domain == "host" else batch[self.domain]
        return [*super().collect(batch), ("domain", domain.cast(pa.string()))]

    def fit(self, pool: Contributions) -> dict[str, float]:
        """Domain -> estimate."""
        return self.estimates()

    def score(self, state: dict[str, float], pool: Contributions) -> Iterator[Scores]:
        """The estimate of the document's domain."""
        for table in pool.tables():
            yield np.array([state.get(domain, np.nan) for domain in table["domain"].to_pylist()], np.float64)

    def order(self, scores: Scores, keys: Any, pool: Contributions) -> Ranks:
        """As of any selector; with `top_k` the documents of a domain come in random order."""
        if self.how == "top_k":
            scores = _spread(scores, gumbel_noise(keys, self.seed))
        return super().order(scores, keys, pool)

    def estimates(self) -> dict[str, float]:
        """Domain -> estimate, from the two tables. Raises ConfigError."""
        losses = _table(self.losses, "losses", ["model", "domain", "bits_per_byte"])
        errors = dict(_table(self.errors, "errors", ["model", "error"]).iter_rows())
        models = sorted(errors)
        losses = losses.sort("domain", "model")
        domains = losses["domain"].unique(maintain_order=True)
        problems = []
        if strange := set(losses["model"]) ^ set(models):
            what = f"models {', '.join(sorted(map(str, strange))[:5])} are not in both `losses` and `errors`"
            problems.append(Problem("", what, "give every model its losses and its error"))
        elif len(models) < 2:
            problems.append(Problem("", f"a correlation needs 2 models at least, got {len(models)}"))
        elif losses["bits_per_byte"].null_count() or losses["model"].to_list() != models * len(domains):
            problems.append(Problem("", "`losses` has not exactly one row for each model and domain"))
        if problems:
            raise ConfigError(problems)
        values = losses["bits_per_byte"].to_numpy().reshape(len(domains), len(models)).T
        found = ESTIMATORS[self.estimator](np.array([errors[model] for model in models], float), values)
        return dict(zip(domains.to_list(), found.tolist(), strict=True))


def _spread(scores: Scores, noise: Scores) -> Scores:
    """(n,) scores of which none are equal, in the order of the scores, equals in that of the noise; NaN stays NaN."""
    order = np.lexsort((noise, scores))
    places = np.empty(len(scores))
    places[order] = np.arange(len(scores))
    return np.where(np.isnan(scores), np.nan, places)


def _table(paths: Sequence[str], setting: str, columns: Sequence[str]) -> Any:
    import polars as pl

    if len(paths) != 1:
        raise ConfigError([Problem("", f"`{setting}` is one file, a table of {', '.join(columns)}")])
    path = Path(paths[0])
    if path.suffix not in READERS:
        raise ConfigError([Problem(str(path), "is no .csv, .parquet or .jsonl file")])
    try:
        table = getattr(pl, READERS[path.suffix])(path)
        return table.select(
            pl.col(name).cast(pl.String if name in ("model", "domain") else pl.Float64) for name in columns
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        what = f"cannot be read as a table of {', '.join(columns)}: {str(error).splitlines()[0]}"
        raise ConfigError([Problem(str(path), what)]) from error


def _ranks(values: Losses) -> Losses:
    """(N, D) -> (N, D): the rank of each value in its column, from 1, of equals the mean."""
    smaller = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    ranks: Losses = smaller + (equal + 1) / 2
    return ranks
