"""`curate instruct-mine fit FILE.yaml`: InstructMining's rule for a model of one's own, from a pool to coefficients.

Mixed sets are drawn from the pool, a model is trained on each by a short run, and the log of its held-out loss is explained
by the averages of the indicators over its set (Cao et al. 2023, section 3). The rule then orders the pool, and the best size of
a choice is searched for by more runs, beside random choices of that size.

    OUTPUT/runs.jsonl     a row a set: what `curate instruct-mine fit OUTPUT/runs.jsonl` fits again
    OUTPUT/sizes.jsonl    a row a size that was tried, and the controls
    OUTPUT/report.json    the fit, the rule, the best size
    OUTPUT/runs/          what was trained, by content: a fit that was stopped goes on
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from curate.errors import ConfigError, MissingAsset, Problem
from curate.files import write_file, write_json
from curate.select.embed import Embed
from curate.select.fit_rule import LOG_SIZE, Fit, check_runs, fit_rule, report
from curate.select.instruct_mining import (
    INTERCEPT,
    MADE_HERE,
    NAMED,
    InstructMining,
    message_indicators,
    neighbour_distances,
)
from curate.select.mixed_sets import draw_set
from curate.select.points import Points, unit_points
from curate.select.pool import scored
from curate.select.size_search import require_blendsearch, search_sizes
from curate.train.conversations import Conversations, read_conversations
from curate.train.mining_settings import MiningSettings, SizeSettings

Values = npt.NDArray[np.float64]
Note = Callable[[str], None]
INSTALL = "pip install 'curate[train,select]'"
# Bytes for the index of neighbours.
MEMORY = 1 << 30
# Numbers of random controls: far from those of mixed sets, of which they are no part.
CONTROL = 1 << 30


@dataclass(frozen=True)
class Pool:
    """The conversations to choose from: `indicators` name -> (n,), NaN for none; `points` (n, d), of length 1 or 0."""

    conversations: Conversations
    indicators: Mapping[str, Values]
    points: Points

    def averages(self, rows: Any, settings: MiningSettings) -> dict[str, float]:
        """Of each indicator over a set, NaN where it has none; knn among the set's own conversations."""
        values = {name: column[rows] for name, column in self.indicators.items()}
        if "knn" not in settings.indicators:
            values["knn"] = neighbour_distances(unit_points(self.points[rows])[0], settings.neighbour)
        known = {name: column[np.isfinite(column)] for name, column in values.items()}
        return {name: float(column.mean()) if len(column) else float("nan") for name, column in known.items()}


def mine(settings: MiningSettings, note: Note) -> tuple[Fit, dict[str, Any]]:
    """The fit, and what `report.json` says. Raises ConfigError before any training, InterruptedRun, CurateError."""
    from curate.train.short_runs import ShortRuns

    if settings.size and settings.size.search == "blendsearch":
        require_blendsearch("size.search")
    heldout = read_conversations(settings.heldout, where="heldout")
    pool = _pool(settings, heldout, note)
    sets = [_draw(pool, number, settings) for number in range(settings.sets.count)]
    averages = [pool.averages(drawn, settings) for drawn in sets]
    columns = {
        name: np.array([each[name] for each in averages]) for name in (*MADE_HERE, *NAMED) if name in averages[0]
    }
    sizes = np.array([len(drawn) for drawn in sets], float)
    # what no loss could mend is told before any training
    check_runs(columns, np.ones(len(sets)), sizes)
    runs = _Progress(ShortRuns(settings, heldout), pool.conversations, settings, note)
    losses = [runs.loss(f"set {number + 1}/{len(sets)}", drawn) for number, drawn in enumerate(sets)]
    rows = [
        {"set": number, "documents": len(drawn), "loss": loss, **each}
        for number, (drawn, loss, each) in enumerate(zip(sets, losses, averages, strict=True))
    ]
    _write_lines(Path(settings.output) / "runs.jsonl", rows)
    fit = fit_rule(columns, np.array(losses), sizes=sizes, most_p=settings.most_p)
    facts: dict[str, Any] = {"fit": asdict(fit), "rule": fit.rule, "indicators": settings.indicators}
    if settings.size and set(fit.terms) > {INTERCEPT} and set(fit.terms) - {INTERCEPT, LOG_SIZE}:
        facts |= _best_size(pool, fit, settings, settings.size, runs)
    write_json(Path(settings.output) / "report.json", facts)
    return fit, facts


def _pool(settings: MiningSettings, heldout: Conversations, note: Note) -> Pool:
    """The pool without what is held out, and its indicators. Raises ConfigError where it is too small."""
    read = read_conversations(settings.pool, signals=settings.indicators)
    others = np.flatnonzero(~np.asarray(pc.is_in(read.texts, heldout.texts)))
    found = read.take(others)
    note(
        f"{len(found):,} conversations of {len(set(found.sources))} sources ({read.repeated:,} repeated, {read.unreadable:,} "
        f"unreadable, {len(read) - len(found):,} held out); loss on {len(heldout):,} held out"
    )
    problems = []
    if max(settings.sets.size) > len(found) // 2:
        what = f"is {max(settings.sets.size):,}, more than half of the pool of {len(found):,}"
        problems.append(
            Problem("sets.size", what, "sets would be all alike: draw smaller ones, or bring a larger pool")
        )
    if settings.size and settings.size.most > len(found):
        problems.append(Problem("size.most", f"is {settings.size.most:,}, the pool has {len(found):,}"))
    if problems:
        raise ConfigError(problems)
    points = Embed.model_validate(settings.embed).vectors(found.texts)
    made: dict[str, Values] = dict(message_indicators(found.messages)) | {"knn": _distances(points, settings)}
    return Pool(found, {**made, **found.signals}, points)


def _distances(points: Points, settings: MiningSettings) -> Values:
    known, valid = unit_points(points)
    found = np.full(len(points), np.nan)
    found[valid] = neighbour_distances(known, settings.neighbour)
    return found


def _draw(pool: Pool, number: int, settings: MiningSettings) -> Any:
    sizes = settings.sets.size
    indicators = np.column_stack(list(pool.indicators.values()))
    return draw_set(
        number,
        sizes[number % len(sizes)],
        pool.conversations.sources,
        indicators,
        tilt=settings.sets.tilt,
        seed=settings.seed,
    )


def _best_size(pool: Pool, fit: Fit, settings: MiningSettings, search: SizeSettings, runs: _Progress) -> dict[str, Any]:
    """Train on the first of the rule's order, at several sizes, and on random choices of the best one."""
    selector = InstructMining(coefficients=fit.rule, indicators=settings.indicators, neighbour=settings.neighbour)
    signals = {signal: pool.indicators[name] for name, signal in settings.indicators.items()}
    texts, messages = pool.conversations.texts, pool.conversations.messages
    ranks = scored(selector, texts, {"embed.vector": pool.points, **signals}, messages=messages)["rank"]
    order = np.argsort(ranks.fill_null(len(texts) + 1).to_numpy(), kind="stable")
    found = search_sizes(
        search.least, search.most, trials=search.trials, kind=search.search, seed=settings.seed,
        loss=lambda size: runs.loss(f"best {size:,}", np.sort(order[:size])),
    )  # fmt: skip
    best = min(found, key=lambda size: (found[size], size))
    controls = []
    for number in range(search.controls):
        drawn = np.random.default_rng([settings.seed, CONTROL + number]).permutation(len(texts))[:best]
        controls.append(runs.loss(f"random {best:,}, {number + 1}/{search.controls}", np.sort(drawn)))
    rows = [{"size": size, "loss": loss, "order": "rule"} for size, loss in sorted(found.items())]
    rows += [{"size": best, "loss": loss, "order": f"random {i}"} for i, loss in enumerate(controls)]
    _write_lines(Path(settings.output) / "sizes.jsonl", rows)
    return {"size": best, "loss": found[best], "random": controls}


class _Progress:
    """Runs, and a line about each with the time that is left."""

    def __init__(self, runs: Any, conversations: Conversations, settings: MiningSettings, note: Note) -> None:
        self._runs, self._conversations, self._note = runs, conversations, note
        self._left = settings.sets.count + (settings.size.trials + settings.size.controls if settings.size else 0)
        self._seconds: list[float] = []

    def loss(self, name: str, rows: Any) -> float:
        """The held-out loss of the model trained on these rows of the pool."""
        begun = time.monotonic()
        found = self._runs.train(self._conversations.take(rows))
        self._left -= 1
        done = "was there" if found.again else f"{time.monotonic() - begun:.0f} s"
        if not found.again:
            self._seconds.append(time.monotonic() - begun)
        left = sum(self._seconds) / max(1, len(self._seconds)) * self._left
        self._note(
            f"{name}: {found.documents:,} conversations, {found.tokens:,} tokens, {found.steps:,} steps, "
            f"loss {found.loss:.4f}, {done}" + (f", about {left / 60:.0f} min left" if left > 90 else "")
        )
        return float(found.loss)


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    write_file(path, "".join(json.dumps(row) + "\n" for row in rows))


def mine_file(file: str, *, output: str | None, settings: list[str], as_json: bool) -> None:
    """`curate instruct-mine fit FILE.yaml`: progress on standard error, the report on standard output."""
    import sys

    from curate.config import read_settings

    read = read_settings(MiningSettings, file, overrides=settings).placed(Path(file).parent)
    if output is not None:
        read = read.model_copy(update={"output": output})
    try:
        from transformers.utils import logging
    except ImportError as error:
        raise MissingAsset(file, f"training needs the package {error.name}", INSTALL) from error
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    fit, facts = mine(read, lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(facts) if as_json else "\n".join(_report(fit, facts, read)))


def _report(fit: Fit, facts: Mapping[str, Any], settings: MiningSettings) -> Iterator[str]:
    *lines, step = report(fit, signals=settings.indicators)
    yield from lines
    if "size" not in facts:
        yield step
        return
    yield step.removesuffix("}") + f", budget: {{documents: {facts['size']}}}}}"
    yield ""
    control = ", ".join(f"{loss:.4f}" for loss in facts["random"]) or "not trained"
    yield f"best size {facts['size']:,}: loss {facts['loss']:.4f}; as many at random: {control}"
    if facts["random"] and facts["loss"] >= min(facts["random"]):
        yield "the rule is no better than chance here"
