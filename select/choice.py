"""What a selector chose of its pool, from the ledger of a version: totals, groups, lengths, other budgets, baselines, leaks.

The choice is the documents that the selector's budget keeps, whatever a later step did with them; the pool is all that
came to it. A smaller budget of the same step takes the first of the same order, so that its choice is a subset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.report.query import CHANCE, Records, quoted
from curate.report.texts import Where

# Shares of the pool's tokens for which the report says what they would choose.
BUDGETS = (0.01, 0.05, 0.1, 0.25, 0.5)
# Seeds of the random baseline: two, so that their difference shows what is chance.
SEEDS = (1, 2)
# Of so many, the first of the choice, the vectors are compared for near-duplicates.
FIRST = 3000


@dataclass(frozen=True)
class Total:
    """Documents, their tokens, and the mean, median and 90 % quantile of their bytes of text."""

    documents: int
    tokens: int
    mean: float
    median: float
    most: float


@dataclass(frozen=True)
class Group:
    """A source or a language: documents and tokens of the pool, and of the choice."""

    name: str
    documents: int
    tokens: int
    chosen: int
    chosen_tokens: int


@dataclass(frozen=True)
class Baseline:
    """What another order takes of the same tokens, and how many of its documents are in the choice."""

    name: str
    documents: int
    tokens: int
    mean: float
    both: int


@dataclass(frozen=True)
class Smaller:
    """What a budget of a share of the pool's tokens would choose; `least` is the score of the last."""

    share: float
    documents: int
    tokens: int
    mean: float
    least: float | None


@dataclass(frozen=True)
class Choice:
    """The report of one selector. `leaks` is (documents of the choice that hold test examples, the step that looked)."""

    step: str
    kind: str
    budget: str
    settings: Mapping[str, Any]
    pool: Total
    chosen: Total
    scored: int
    sources: tuple[Group, ...]
    languages: tuple[Group, ...]
    baselines: tuple[Baseline, ...]
    smaller: tuple[Smaller, ...]
    leaks: tuple[int, str] | None
    #: (unit, row) of documents by chance: of the choice, and of the rest of the pool
    examples: tuple[tuple[Where, ...], tuple[Where, ...]]
    #: (unit, row) of the first of the choice, in its order
    first: tuple[Where, ...]


def selectors(manifest: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(kind, settings) of the steps that choose under a budget, in order of the pipeline."""
    from curate.select.selector import Selector
    from curate.steps import STEPS, step_class

    listed = [next(iter(entry.items())) for entry in manifest["pipeline"]["steps"]]
    known = [(kind, settings or {}) for kind, settings in listed if kind in STEPS]
    return [(kind, own) for kind, own in known if issubclass(step_class(kind), Selector) and own.get("budget")]


def choices(records: Records | None, manifest: Mapping[str, Any], *, examples: int = 600) -> list[Choice]:
    """A report for each selector with a budget. `examples`: how many documents of choice and rest are named."""
    if records is None:
        return []
    return [
        _choice(records, manifest, kind, settings, examples)
        for kind, settings in selectors(manifest)
        if any(field.step == (settings.get("as") or kind) and field.name == "rank" for field in records.fields)
    ]


def _choice(
    records: Records, manifest: Mapping[str, Any], kind: str, settings: Mapping[str, Any], examples: int
) -> Choice:
    name = settings.get("as") or kind
    budget = next(rule["sql"] for rule in manifest["rules"] if rule["step"] == name and rule["rule"] == "budget")
    _pool(records, name, budget, settings.get("count", ""))
    pool, chosen = _total(records, "true"), _total(records, "chosen")
    scored = records.query("SELECT count(score) AS n FROM pool")[0]["n"]
    return Choice(
        step=name, kind=kind, budget=budget, settings=settings, pool=pool, chosen=chosen, scored=scored,
        sources=_groups(records, "source"), languages=_groups(records, "lang"),
        baselines=_baselines(records, chosen.tokens), smaller=_smaller(records, pool.tokens),
        leaks=_leaks(records, manifest), examples=(_some(records, "chosen", CHANCE, examples), _some(records, "NOT chosen", CHANCE, examples)),
        first=_some(records, "chosen", "place", FIRST),
    )  # fmt: skip


def _pool(records: Records, name: str, budget: str, count: str) -> None:
    """The table `pool`: a row for each document that came to the selector, in no order."""
    struct = quoted(name)
    size = "coalesce(text_bytes, 0)"
    step, _, field = count.partition(".")
    counted = f"coalesce({quoted(step)}.{quoted(field)}, 0)::BIGINT" if count else f"ceil({size} / 4)::BIGINT"
    # what comes before a document in the order, less its own, is what the order's running sum says
    running = (
        f"{struct}.tokens - lag({struct}.tokens, 1, 0) OVER (PARTITION BY {struct}.rank IS NULL ORDER BY {struct}.rank)"
    )
    records.connection.execute(
        f'CREATE OR REPLACE TEMP TABLE pool AS SELECT unit, "row", id, path, "offset", source, lang, {size} AS bytes, '
        f"{struct}.score AS score, {struct}.rank AS place, coalesce(({budget}), false) AS chosen, "
        f"CASE WHEN {struct}.rank IS NULL THEN {counted} ELSE {running} END AS tokens FROM ledger "
        f"WHERE {struct} IS NOT NULL"
    )


def _total(records: Records, where: str) -> Total:
    row = records.query(
        "SELECT count(*) AS documents, coalesce(sum(tokens), 0)::BIGINT AS tokens, coalesce(avg(bytes), 0) AS mean, "
        "coalesce(median(bytes), 0) AS median, coalesce(quantile_cont(bytes, 0.9), 0) AS most FROM pool WHERE " + where
    )[0]
    return Total(**row)


def _groups(records: Records, column: str) -> tuple[Group, ...]:
    rows = records.query(
        f"SELECT coalesce({column}, 'unknown') AS name, count(*) AS documents, sum(tokens)::BIGINT AS tokens, "
        "count(*) FILTER (chosen) AS chosen, coalesce(sum(tokens) FILTER (chosen), 0)::BIGINT AS chosen_tokens "
        "FROM pool GROUP BY ALL ORDER BY tokens DESC, name"
    )
    return tuple(Group(**row) for row in rows)


def _baselines(records: Records, tokens: int) -> tuple[Baseline, ...]:
    # by what a document is, not where its file lies: the same draw in another folder
    orders = {"longest_k": 'bytes DESC, path, "offset"'}
    orders |= {f"random_k, seed {seed}": f"md5_number_lower('{seed}:' || id), path, \"offset\"" for seed in SEEDS}
    found = []
    for name, order in orders.items():
        row = records.query(
            "SELECT count(*) AS documents, coalesce(sum(tokens), 0)::BIGINT AS tokens, coalesce(avg(bytes), 0) AS mean, "
            "count(*) FILTER (chosen) AS both FROM (SELECT *, sum(tokens) OVER (ORDER BY "
            f"{order} ROWS UNBOUNDED PRECEDING) AS running FROM pool) WHERE running <= {tokens}"
        )[0]
        found.append(Baseline(name=name, **row))
    return tuple(found)


def _smaller(records: Records, tokens: int) -> tuple[Smaller, ...]:
    found = []
    for share in BUDGETS:
        row = records.query(
            "SELECT count(*) AS documents, coalesce(max(running), 0)::BIGINT AS tokens, coalesce(avg(bytes), 0) AS mean, "
            "last(score ORDER BY place) AS least FROM (SELECT *, sum(tokens) OVER (ORDER BY place ROWS UNBOUNDED "
            f"PRECEDING) AS running FROM pool WHERE place IS NOT NULL) WHERE running <= {tokens * share}"
        )[0]
        found.append(Smaller(share=share, **row))
    return tuple(found)


def _leaks(records: Records, manifest: Mapping[str, Any]) -> tuple[int, str] | None:
    """Documents of the choice in which a step `decontaminate` of the pipeline found test examples."""
    listed = [entry["decontaminate"] or {} for entry in manifest["pipeline"]["steps"] if "decontaminate" in entry]
    for name in [settings.get("as") or "decontaminate" for settings in listed]:
        if any(field.step == name and field.name == "count" for field in records.fields):
            row = records.query(
                f"SELECT count(*) FILTER (chosen AND {quoted(name)}.count > 0) AS n FROM pool JOIN "
                f'(SELECT unit, "row", {quoted(name)} FROM ledger) USING (unit, "row")'
            )[0]
            return row["n"], name
    return None


def _some(records: Records, where: str, order: str, many: int) -> tuple[Where, ...]:
    rows = records.query(f'SELECT unit, "row" FROM pool WHERE {where} ORDER BY {order} LIMIT {many}')
    return tuple((row["unit"], row["row"]) for row in rows)


def summary(choice: Choice) -> str:
    """The choice in a line, for a terminal."""
    documents = f"{choice.chosen.documents:,} of {choice.pool.documents:,} documents"
    tokens = f"{choice.chosen.tokens:,} of {choice.pool.tokens:,} tokens"
    shared = ", ".join(f"{found.name} {found.both / max(1, choice.chosen.documents):.0%}" for found in choice.baselines)
    leaks = "" if choice.leaks is None else f"; {choice.leaks[0]:,} with test examples"
    length = choice.chosen.mean / choice.pool.mean if choice.pool.mean else 1.0
    return f"{choice.step} chose {documents}, {tokens}; length x{length:.2f}; also chosen by {shared}{leaks}"
