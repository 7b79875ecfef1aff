"""`less`: conversations whose training step would lower the loss on a target the most (LESS), by gradients of small adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, PrivateAttr, field_validator

from curate.conversation import Message, exchanges, render
from curate.dedup.step import Contributions
from curate.errors import ConfigError, MissingAsset, Problem
from curate.select.compare import one_thread
from curate.select.gradients import Adapted, Example, Snapshot, Vector, adam_direction, project, unit_rows
from curate.select.ifd import ALPACA, SLOT, Prompt
from curate.select.less_progress import Progress
from curate.select.order import Scores
from curate.select.selector import Selector

# Examples whose gradients are held and projected at once.
BLOCK = 32
# What of a snapshot is kept.
FITTED = ("weights", "first", "second", "rate")
Talk = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Influence:
    """What scores are made with: after each epoch the adapters and the mean direction of each task, (t, d) float32."""

    model: Adapted
    snapshots: Sequence[Snapshot]
    tasks: Sequence[Vector]
    #: of each snapshot, of sum 1
    shares: npt.NDArray[np.float64]


class Less(Selector):
    """Conversations by the influence of training on them on the loss of a target: the baseline that takes gradients.

    A random `warm_up` of the pool trains adapters for some epochs. For each epoch's end, an example of the pool is the step
    that Adam would make for it, one of the target its gradient; both are projected at random and brought to length 1, since
    short answers have large gradients. The score is the sum over epochs of rate x cosine, the mean over a task's examples,
    the greatest over tasks: each entry of `target` is a task. In the paper the best 5 % often do better than all.

    One forward and backward pass an example and epoch: by far the heaviest selector, for pools of thousands on a CPU; with
    `last_layers` less than one. A document that is no conversation, or whose prompts leave nothing of the answers in the
    window, has no score. Adam's moments are those of the warm-up; the loss is the mean over the answers' tokens. The authors
    project on dense random signs; a count sketch has the same error for 1/`dimensions` of the work. A run that is killed goes on
    where it was: what was fitted, and every 32 scores, are kept in the store.
    """

    kind: ClassVar[str] = "less"
    version: ClassVar[int] = 2
    source: ClassVar[str] = "Xia et al. 2024 (arXiv 2402.04333), code princeton-nlp/LESS"
    RULE_FIELDS: ClassVar[frozenset[str]] = Selector.RULE_FIELDS | {
        "target", "model", "prompt", "window", "rank", "alpha", "adapted", "last_layers", "warm_up", "epochs", "batch",
        "rate", "dimensions", "over", "device",
    }  # fmt: skip
    FILE_FIELDS: ClassVar[frozenset[str]] = frozenset({"target"})
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model"})

    target: list[str] = Field([], description="files, folders or patterns of conversations; each entry is a task")
    model: str | None = Field(None, description="a folder or name of any causal model; SmolLM2-135M if absent")
    prompt: Prompt = Field(ALPACA, description="what stands before an answer, {question} in the place of the question")
    window: int = Field(512, ge=16, description="the most tokens of prompt and answer together")
    rank: int = Field(8, ge=1, description="of the adapters; 128 in the paper, for 7 billion weights")
    alpha: int = Field(32, gt=0, description="the adapters' update is scaled by alpha / rank")
    adapted: list[str] | Literal["all-linear"] = Field(
        ["q_proj", "k_proj", "v_proj", "o_proj"], description="names of the layers that have adapters"
    )
    last_layers: int | None = Field(
        None, ge=1, description="how many of the last layers have adapters, all if absent: gradients go no deeper"
    )
    warm_up: float = Field(0.05, gt=0, le=1, description="the share of the pool that the adapters are trained on")
    epochs: int = Field(4, ge=1, description="of the warm-up; each is a point at which gradients are taken")
    batch: int = Field(32, ge=1, description="examples of a step of the warm-up")
    rate: float = Field(2e-5, gt=0, description="the greatest learning rate")
    dimensions: int = Field(8192, ge=1, description="of the projected gradients")
    over: Literal["max", "mean"] = Field("max", description="of the tasks")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the model runs")

    _tasks: Sequence[Sequence[Talk]] | None = PrivateAttr(None)
    _windows: Any = PrivateAttr(None)

    @field_validator("target", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def aimed_at(self, tasks: Sequence[Sequence[Talk]]) -> Self:
        """This selector with conversations in memory as its target: of each task a list of lists of `{role, content}`."""
        aimed = self.model_copy()
        aimed._tasks = tasks
        return aimed

    def assets(self) -> dict[str, str]:
        """The model and the target by their content. Raises ConfigError where there is no target, MissingAsset."""
        import importlib.util
        from pathlib import Path

        from curate.corpus import corpus_files
        from curate.files import digest, file_sha256
        from curate.steps.causal_model import content_hash, find_model

        if importlib.util.find_spec("peft") is None:
            raise MissingAsset(self.name, "needs the package peft", "pip install 'curate[train]'")
        model = content_hash(find_model(self.name, self.model))
        if self._tasks is not None:
            return {"model": model, "target": digest(self._tasks)}
        if not self.target:
            raise ConfigError(
                [Problem("", "has no target", "write `target: FILE`, conversations of the kind that you want")]
            )
        found = [[file_sha256(Path(file.place)) for file in corpus_files([path], chat="auto")] for path in self.target]
        return {"model": model, "target": digest(found)}

    def fingerprint(self) -> dict[str, Any]:
        """As of any step, less model and target: what is collected knows nothing of them."""
        return super().fingerprint() | {"assets": {}}

    def resolve_fingerprint(self) -> dict[str, Any]:
        """Model and target by their content, wherever they are."""
        return super().resolve_fingerprint() | {"target": "", "model": ""} | self.assets()

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`key` and `size` of any selector, and the `messages`."""
        return [*super().collect(batch), ("messages", batch["messages"])]

    def fit(self, pool: Contributions) -> Influence:
        """Train the adapters, and take the target's gradients. Holds 12 bytes a trained weight and epoch."""
        from curate.steps.causal_model import TokenWindows, find_model, load_model

        tokenizer, model = load_model(find_model(self.name, self.model))
        self._windows = TokenWindows(tokenizer, model, self.window)
        read = [example for example in self._examples(pool) if example]
        if not read:
            hint = "read conversations with `chat: auto`, or raise `window`"
            raise self.problem("no document has an answer that could be trained on", hint)
        tasks = [[example for talk in task if (example := self._example(talk))] for task in self._target_tasks()]
        if empty := [i for i, task in enumerate(tasks) if not task]:
            name = self.target[empty[0]] if self._tasks is None else f"task {empty[0]}"
            raise self.problem(
                f"the target {name} has no answer that could be learned", "a longer `window` may hold one"
            )
        adapted = Adapted(
            model,
            rank=self.rank,
            alpha=self.alpha,
            targets=self.adapted,
            device=self.device,
            seed=self.seed,
            last_layers=self.last_layers,
        )
        progress = Progress(pool)
        if kept := progress.fitted():
            snapshots = [
                Snapshot(weights, first, second, float(rate))
                for weights, first, second, rate in zip(*(kept[name] for name in FITTED), strict=True)
            ]
            directions = list(kept["tasks"])
        else:
            count = max(min(self.batch, len(read)), round(self.warm_up * len(read)))
            drawn = np.sort(np.random.default_rng([self.seed, 1]).permutation(len(read))[:count])
            snapshots = adapted.warm_up(
                [read[i] for i in drawn], epochs=self.epochs, batch=self.batch, rate=self.rate, seed=self.seed
            )
            directions = []
            for snapshot in snapshots:
                adapted.load(snapshot)
                directions.append(np.stack([self._direction(adapted, task) for task in tasks]))
            made = {name: np.stack([vars(one)[name] for one in snapshots]) for name in FITTED}
            progress.keep({**made, "tasks": np.stack(directions)})
        rates = np.array([snapshot.rate for snapshot in snapshots])
        return Influence(adapted, snapshots, directions, rates / rates.sum())

    def score(self, state: Influence, pool: Contributions) -> Iterator[Scores]:
        """For each document the influence on the task that gains the most, or on all; NaN for none.

        Kept every `BLOCK` documents: a run that was killed goes on behind them.
        """
        sizes = [len(table) for table in pool.tables()]
        scores = np.full(sum(sizes), np.nan)
        progress = Progress(pool)
        known = progress.scored()
        scores[: len(known)] = known
        held: list[tuple[int, Example]] = []
        for row, example in enumerate(self._examples(pool, len(known)), len(known)):
            if example:
                held.append((row, example))
            if held and (len(held) == BLOCK or row == len(scores) - 1):
                scores[[row for row, _ in held]] = self._influences(state, [example for _, example in held])
                held = []
                progress.add(scores[: row + 1])
        yield from np.split(scores, np.cumsum(sizes)[:-1])

    def _influences(self, state: Influence, examples: Sequence[Example]) -> Scores:
        """(k,) of k examples, at most `BLOCK`."""
        total = np.zeros((len(examples), len(state.tasks[0])))
        for snapshot, tasks, share in zip(state.snapshots, state.tasks, state.shares, strict=True):
            state.model.load(snapshot)
            steps = adam_direction(state.model.gradients(examples), snapshot)
            with one_thread():
                total += share * (unit_rows(project(steps, self.dimensions, self.seed)) @ tasks.T)
        total[~np.isfinite(total)] = np.nan
        return np.asarray(total.max(axis=1) if self.over == "max" else total.mean(axis=1))

    def _direction(self, adapted: Adapted, task: Sequence[Example]) -> Vector:
        """(d,) the mean of the examples' gradients at length 1: its product with a vector is the mean of theirs."""
        total = np.zeros(min(self.dimensions, adapted.size), np.float64)
        for start in range(0, len(task), BLOCK):
            total += unit_rows(project(adapted.gradients(task[start : start + BLOCK]), self.dimensions, self.seed)).sum(
                axis=0
            )
        return (total / len(task)).astype(np.float32)

    def _examples(self, pool: Contributions, start: int = 0) -> Iterator[Example | None]:
        """Of each document from the one at `start` on."""
        for table in pool.tables():
            for talk in table["messages"].slice(start).to_pylist():
                yield self._example(talk) if talk else None
            start = max(0, start - len(table))

    def _example(self, talk: Talk) -> Example | None:
        """What the loss is of; None where nothing of an answer fits."""
        pairs = exchanges([Message(message["role"], message["content"]) for message in talk])
        made = [self._windows.answer(self.prompt.replace(SLOT, asked), answer)[0] for asked, answer in pairs]
        found = Example(tuple(window for window in made if len(window.ids) > window.first))
        return found if found.windows else None

    def target_texts(self) -> pa.Array:
        """(m,) the conversations of all tasks as texts, for the report."""
        talks = [talk for task in self._target_tasks() for talk in task]
        return pa.array(
            [render([Message(turn["role"], turn["content"]) for turn in talk]) for talk in talks], pa.string()
        )

    def _target_tasks(self) -> Iterator[Sequence[Talk]]:
        from curate.corpus import corpus_files, documents

        if self._tasks is not None:
            yield from self._tasks
            return
        for path in self.target:
            batches = documents(corpus_files([path], chat="auto"))
            yield [
                talk for batch in batches for talk in batch.filter(pc.is_null(batch["error"]))["messages"].to_pylist()
            ]
