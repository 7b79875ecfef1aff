"""Batches of a weighted mixture of tokenised sets, in an order that any machine finds again from a small state.

    loader = Loader([TokenSet.open("out/tokens")], PlanSettings(context=1024, rows=64, seed=17))
    for batch in loader:
        ...                            # batch.torch(), batch.micro_batches(8)
        loader.set_weights({...})      # from the next step on
        state = loader.state()         # JSON, for the checkpoint
    loader = Loader(sets, state=state, rank=1, world=2)

Every rank plans the rows of all ranks and reads those of its own: row r of the global batch goes to rank r mod world. So
the world's size, the number of threads and the micro-batch may change at any step, and the batch of a step does not.
There is no shuffle buffer and nothing is skipped by reading it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import numpy as np

from curate.errors import ConfigError, Problem
from curate.kernels import packing
from curate.kernels.mixture import Integers
from curate.train.batch import Batch
from curate.train.plan import Planner, PlanSettings
from curate.train.sources import Sources
from curate.train.token_set import TokenSet

# States of planned steps are kept as Python data: JSON is made of the one that is asked for.
State = dict[str, Any]


class Place(NamedTuple):
    """A piece of a document in a batch, by the names that the ledger knows."""

    row: int
    at: int
    source: str
    id: str
    path: str
    offset: int
    start: int
    length: int


class Loader:
    """An endless iterator of Batch. `state()` is that behind the batch that was given last."""

    def __init__(
        self,
        sets: Sequence[TokenSet],
        settings: PlanSettings | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        state: Mapping[str, Any] | None = None,
        rank: int = 0,
        world: int = 1,
        threads: int = 1,
        ahead: int = 2,
        pad: int = 0,
        vocabulary: int | None = None,
    ) -> None:
        """A new order by `settings` and `weights`, or the one that `state` stands in. Raises ConfigError.

        `threads` fill up to `ahead` batches in advance; 0 threads fill each batch when it is asked for. `vocabulary` is
        the number of the model's embeddings, `pad` the id that fills rows up.
        """
        problems = _problems(sets, settings, state, rank, world, vocabulary)
        if problems:
            raise ConfigError(problems)
        if state is not None:
            seed = state["settings"]["seed"]
            self._planner = Planner.restored(Sources(sets, seed), state)
            if settings is not None and settings != self._planner.settings:
                what = f"{settings} are not those of the state, {self._planner.settings}"
                raise ConfigError([Problem("settings", what, "leave them out, or begin anew")])
        else:
            assert settings is not None
            self._planner = Planner(Sources(sets, settings.seed), settings, weights)
        if (rows := self._planner.settings.rows) % world:
            raise ConfigError([Problem("rows", f"{rows} rows cannot be shared among {world} ranks evenly")])
        self.rank, self.world, self.pad = rank, world, pad
        self._wide = sets[0].width == 4
        self._pool = ThreadPoolExecutor(threads) if threads > 0 else None
        self._ahead = ahead if threads > 0 else 0
        self._waiting: deque[tuple[Planner, Batch | Future[Batch]]] = deque()
        self._here = self._planner.copy()

    @property
    def settings(self) -> PlanSettings:
        """Context, rows, seed, packing: what the order was begun with."""
        return self._planner.settings

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of their numbers."""
        return self._planner.sources.names

    @property
    def step(self) -> int:
        """The step of the next batch."""
        return self._here.step

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the next step, which sum to 1."""
        return self._here.weights

    @property
    def history(self) -> list[tuple[int, dict[str, float]]]:
        """Every change of the weights: the first step of which they held, and they."""
        return list(self._here.history)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        while len(self._waiting) <= self._ahead:
            self._prepare()
        self._here, made = self._waiting.popleft()
        return made.result() if isinstance(made, Future) else made

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Other weights from the next step on; batches made in advance are dropped. The same call on every rank."""
        self._here.set_weights(weights)
        self._restart()

    def seek(self, step: int, history: Sequence[tuple[int, Mapping[str, float]]] = ()) -> None:
        """Make `step` the next one, from here, by planning alone; weights change as the history says."""
        self._here.replay(history, step)
        self._restart()

    def state(self) -> State:
        """What a loader needs to give the following batches, for JSON; the same on every rank."""
        return self._here.state()

    def report(self) -> dict[str, Any]:
        """What became of the tokens so far, by source and in all, and the epoch that each source is in."""
        counts = self._here.counts()
        for name, count in counts.items():
            gone = count["tokens"] + count["cropped"] + count["dropped_tokens"]
            epochs = gone / max(1, self._here.sources.tokens[name])
            counts[name] = {**count, "epochs": round(epochs, 6)}  # type: ignore[dict-item]
        placed = sum(count["placed"] for count in counts.values())
        slots = self._here.step * self.settings.rows * self.settings.context
        drawn = sum(count["tokens"] for count in counts.values())
        total = {
            "steps": self._here.step, "slots": slots, "placed": placed, "padded": slots - placed,
            "waiting": drawn - placed, "cropped": sum(count["cropped"] for count in counts.values()),
            "dropped": sum(count["dropped_tokens"] for count in counts.values()),
            "never_predicted": sum(count["pieces"] for count in counts.values()),
        }  # fmt: skip
        return {"total": total, "sources": counts}

    def documents(self, batch: Batch) -> list[Place]:
        """The documents of a batch by their names in the ledger, in the order of its segments."""
        return places(self._planner.sources, batch.segments)

    def close(self) -> None:
        """Stop the threads."""
        self._waiting.clear()
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def _restart(self) -> None:
        self._waiting.clear()
        self._planner = self._here.copy()

    def _prepare(self) -> None:
        step = self._planner.step
        segments = self._planner.plan()
        after = self._planner.copy()
        if self.world > 1:
            segments = segments[segments[:, packing.ROW] % self.world == self.rank]
            segments[:, packing.ROW] //= self.world
        made = self._pool.submit(self._filled, step, segments) if self._pool else self._filled(step, segments)
        self._waiting.append((after, made))

    def _filled(self, step: int, segments: Integers) -> Batch:
        settings = self.settings
        shape = settings.rows // self.world, settings.context
        full = int(segments[:, packing.LENGTH].sum()) == shape[0] * shape[1]
        tokens = np.empty(shape, np.int32) if full else np.full(shape, self.pad, np.int32)
        packing.copy_tokens(self._planner.sources.corpus, segments, self._wide, tokens)
        return Batch(step, tokens, segments, self._planner.sources)


def places(sources: Sources, segments: Integers) -> list[Place]:
    """The documents of segments by their names in the ledger."""
    found = []
    for row, at, source, document, start, length in segments.tolist():
        held, block, number = sources.place(source, document)
        columns = held.batch(block)
        name, path, offset = (columns[key][number].as_py() for key in ("id", "path", "offset"))
        found.append(Place(row, at, sources.names[source], name, path, offset, start, length))
    return found


def _problems(
    sets: Sequence[TokenSet],
    settings: PlanSettings | None,
    state: Mapping[str, Any] | None,
    rank: int,
    world: int,
    vocabulary: int | None,
) -> list[Problem]:
    """What is wrong with the arguments of a loader."""
    if not sets:
        return [Problem("data", "no tokenised set is named", "make one with `curate tokenize`")]
    problems = []
    first = sets[0].manifest["tokenizer"]
    for other in sets[1:]:
        if (found := other.manifest["tokenizer"])["sha256"] != first["sha256"] or other.width != sets[0].width:
            what = f"the tokenizer {found['name']} is not that of {sets[0].folder}, {first['name']}"
            problems.append(Problem(str(other.folder), what, "tokenise both with one"))
    for found in sets if vocabulary is not None else ():
        for entry in found.manifest["files"]:
            largest = max((block["largest"] for block in entry["blocks"]), default=0)
            if vocabulary is not None and largest >= vocabulary:
                what = f"holds the token {largest}; the model has {vocabulary} embeddings"
                hint = "tokenise with the model's own tokenizer, or make the model's vocabulary larger"
                problems.append(Problem(str(found.folder / entry["path"]), what, hint))
                break
    if not 0 <= rank < world:
        problems.append(Problem("rank", f"from 0 to {world - 1}, got {rank}"))
    if settings is None and state is None:
        problems.append(Problem("settings", "name the context and the rows, or a state to go on from"))
    return problems
