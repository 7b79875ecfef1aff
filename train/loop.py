"""The training loop.  START READING HERE

    with Parallel(settings) as parallel:
        train(settings, parallel)

A run goes on from its newest checkpoint. Nothing but the step decides what random numbers a step sees, and the loader's
state is the position in the data, so a run that was stopped any number of times is the run that was not.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from curate.errors import ConfigError, InterruptedRun, Problem
from curate.files import write_file
from curate.select.weights.weighting import Weighting
from curate.train import checkpoint
from curate.train.attention import check_leak, model_inputs
from curate.train.batch import Batch
from curate.train.beginning import Beginning, address, files_read
from curate.train.card import model_card
from curate.train.evaluate import Evaluation, open_evaluation
from curate.train.ewc import Penalty
from curate.train.guard import SPIKE, Guard, check_finite, named_documents
from curate.train.loader import Loader
from curate.train.losses import Objective
from curate.train.metrics import Metrics
from curate.train.mixture import Mixture, make_method
from curate.train.mixture_drawing import svg
from curate.train.models import parameters
from curate.train.objectives.token_loss import View
from curate.train.optimizers import make_optimizers, rate, set_rate
from curate.train.parallel import Parallel
from curate.train.plan import PlanSettings
from curate.train.settings import TrainSettings
from curate.train.skill_run import graph_of, learned_graph
from curate.train.step_log import StepLog
from curate.train.targets import targets_of, weight_of
from curate.train.token_set import TOKENIZER, TokenSet

# What a batch without a trained token is divided by.
NOTHING = 1e-9


@dataclass
class Run:
    """Everything that a step needs."""

    settings: TrainSettings
    parallel: Parallel
    loader: Loader
    objective: Objective
    wrapped: Any
    optimizers: list[Any]
    guard: Guard
    log: StepLog
    metrics: Metrics | None
    evaluation: Evaluation | None
    sets: list[TokenSet]
    mixture: Mixture
    penalty: Penalty | None
    step: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    #: the newest held-out figures
    held_out: dict[str, Any] = field(default_factory=dict)
    #: hashes of what it reads beside the data
    files: dict[str, str] = field(default_factory=dict)


def train(settings: TrainSettings, parallel: Parallel) -> Path:
    """Train to the last step; the folder of the last checkpoint. Raises ConfigError, InterruptedRun, CurateError."""
    run = prepare(settings, parallel)
    output = Path(settings.output)
    first, begun, tokens = run.step, time.monotonic(), 0
    with _stopping() as stop, contextlib.closing(run.metrics) if run.metrics else contextlib.nullcontext():
        if run.step == 0 and run.evaluation and settings.evaluate and settings.evaluate.before:
            evaluate(run)
            begun = time.monotonic()
        while run.step < settings.steps:
            if run.mixture.due(run.step):
                mix(run)
            batch = next(run.loader)
            found = train_step(run, batch)
            tokens += settings.rows * settings.context
            run.step += 1
            if run.metrics and run.step == first + 1 and settings.log_every > 1:
                run.metrics.begun(time.monotonic() - begun)
            if run.step % settings.log_every == 0 or run.step == settings.steps:
                seconds = time.monotonic() - begun
                if run.metrics:
                    run.metrics.report(run.step, found, tokens=tokens, seconds=seconds, world=parallel.world)
                begun, tokens = time.monotonic(), 0
            if run.evaluation and settings.evaluate and _due(run, settings.evaluate.every):
                evaluate(run)
                begun, tokens = time.monotonic(), 0
            # the best model is kept whether or not its step is one of a checkpoint
            if _due(run, settings.checkpoint.every) or stop or run.best.get("step") == run.step:
                save(run)
                begun, tokens = time.monotonic(), 0
            if stop and run.step < settings.steps:
                raise InterruptedRun(
                    "", f"stopped after step {run.step}; the state is kept", "run the same command again"
                )
    history = [(int(step), weights) for step, weights in run.loader.state()["weights"]]
    run.loader.close()
    if run.metrics and len(history) > 1:
        write_file(output / "mixture.svg", svg(history, settings.steps))
    return checkpoint.folder_of(output, run.step)


def train_step(run: Run, batch: Batch) -> dict[str, Any]:
    """Forward, backward, and a step of the optimizers; what is to be said of it."""
    settings = run.settings
    # dropout and the like see the same numbers in this step whatever came before
    torch.manual_seed(address(settings.seed, "step", run.step, run.parallel.rank))
    run.log.add(run.step, batch.segments)
    mean, losses, trained = backward(run, batch)
    penalty = run.penalty.add() if run.penalty else 0.0
    norm = float(_clip(run))
    if not (math.isfinite(mean) and math.isfinite(norm)):
        documents = run.loader.documents(batch)
        check_finite(run.step, "loss", mean, documents)
        check_finite(run.step, "gradient's norm", norm, documents)
    if trained <= NOTHING and run.metrics:
        run.metrics.note(run.step, "no token of the batch is learnt", named_documents(run.loader.documents(batch)))
    spike = trained > NOTHING and run.guard.is_spike(mean, settings.guard)
    if spike and run.metrics:
        skipped = ", left out" if settings.guard.skip else ""
        run.metrics.note(run.step, f"loss {mean:.3f} {SPIKE}{skipped}", named_documents(run.loader.documents(batch)))
    share = rate(settings.schedule, run.step, settings.steps)
    set_rate(run.optimizers, share)
    for optimizer in run.optimizers:
        if not (spike and settings.guard.skip):
            optimizer.step()
        optimizer.zero_grad()
    return {
        "loss": mean, "grad_norm": norm, "lr": settings.optimizer.lr * share, "trained": round(trained), "losses": losses,
        **({"penalty": penalty} if run.penalty else {}),
    }  # fmt: skip


def backward(run: Run, batch: Batch) -> tuple[float, dict[str, float], float]:
    """Gradients of the step's loss: (its mean, the mean by source, what its tokens count), over all processes."""
    parallel, loss, tokenizer = run.parallel, run.objective.loss, run.sets[0].manifest["tokenizer"]
    view = View(run.settings.seed, run.step, run.settings.steps, int(tokenizer["vocabulary"]), tokenizer.get("eos"))
    counted = torch.tensor(weight_of(batch, loss), dtype=torch.float64, device=parallel.device)
    trained = max(float(parallel.sum(counted)), NOTHING)
    parts = list(batch.micro_batches(run.settings.micro_rows))
    # of each source the sum of its losses, and what its tokens count
    sums = torch.zeros(len(run.loader.sources), 2, dtype=torch.float64)
    for number, part in enumerate(parts):
        with parallel.accumulating(run.wrapped, number == len(parts) - 1), parallel.computing():
            targets = targets_of(part, loss)
            seen = replace(part, tokens=loss.inputs(part.tokens, part, view))
            inputs = model_inputs(run.objective.model, seen.torch(parallel.device))
            total, each = run.wrapped(inputs, *targets.torch(parallel.device))
        # processes are averaged over; each token of the step counts the same, wherever it is computed
        (total * (parallel.world / trained)).backward()
        each = each.double().cpu()
        sources = torch.from_numpy(part.token_sources.ravel()[targets.places + 1])
        counts = torch.ones_like(each) if targets.weights is None else torch.from_numpy(targets.weights).double()
        sums.index_add_(0, sources, torch.stack([each, counts], dim=1))
    pairs = parallel.sum(sums.to(parallel.device)).cpu().tolist()
    losses = {name: s / n for name, (s, n) in zip(run.loader.sources, pairs, strict=True) if n}
    return math.fsum(s for s, _ in pairs) / trained, losses, trained


def _clip(run: Run) -> Any:
    """The norm of the whole gradient, which is cut to the limit."""
    trained = [p for p in run.objective.parameters() if p.requires_grad]
    limit = run.settings.optimizer.clip or float("inf")
    norm: Any = torch.nn.utils.clip_grad_norm_(trained, limit)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


def _due(run: Run, every: int) -> bool:
    return run.step % every == 0 or run.step == run.settings.steps


def evaluate(run: Run) -> None:
    """Held-out figures; the best so far is remembered."""
    found = run.held_out = evaluation_of(run)
    if run.metrics:
        run.metrics.evaluation(run.step, found)
    loss = found.get("all", next(iter(found.values())))["loss"]
    if run.step and (not run.best or loss < run.best["loss"]):
        run.best = {"step": run.step, "loss": loss, "held_out": found}


def mix(run: Run) -> None:
    """Ask the mixture for its weights from this step on; the same on every process."""
    held_out = None
    if run.mixture.needs_losses(run.step):
        held_out = evaluation_of(run)
    weights = run.mixture.weights(run.step, held_out)
    if weights != run.loader.weights:
        run.loader.set_weights(weights)
    if run.metrics:
        run.metrics.mixture(run.step, weights)


def evaluation_of(run: Run) -> dict[str, dict[str, float]]:
    """Held-out figures of the model as it is."""
    assert run.evaluation is not None
    return run.evaluation.run(run.wrapped, run.objective, run.parallel)


def save(run: Run) -> None:
    """A checkpoint after the last step; every process calls it."""
    settings, output = run.settings, Path(run.settings.output)
    run.log.commit(run.step)
    weights, own = run.parallel.weights(run.objective)
    optimizer = run.parallel.optimizer_state(run.objective, run.optimizers)
    if run.parallel.first:
        state = {
            "step": run.step, "loader": run.loader.state(), "guard": run.guard.state(), "best": run.best,
            "held_out": run.held_out, "mixture": run.mixture.state(),
            "settings": settings.bound(), "files": run.files, "data": [{"folder": str(s.folder), "hash": s.hash, "runs": s.runs} for s in run.sets],
            "tokens": run.loader.report(), "versions": _versions(),
        }  # fmt: skip
        tokenizer = run.sets[0].folder / TOKENIZER
        checkpoint.save(
            output, state, model=run.objective.model, weights=weights, own=own, optimizer=optimizer,
            tokenizer=tokenizer if tokenizer.is_dir() else None, card=model_card(settings, state, run.sets),
        )  # fmt: skip
        checkpoint.clean(output, keep=settings.checkpoint.keep, best=run.best.get("step"))
    run.parallel.wait()


def prepare(settings: TrainSettings, parallel: Parallel) -> Run:
    """Open the data, make or load the model, and go to where the newest checkpoint stands. Raises ConfigError."""
    output = Path(settings.output)
    sets = [TokenSet.open(folder) for folder in settings.data_folders]
    found = checkpoint.checkpoints(output)
    state = checkpoint.state_of(found[-1]) if found else None
    files = files_read(settings)
    if state:
        _same_run(settings, state, sets, files, found[-1])
    vocabulary = int(sets[0].manifest["tokenizer"]["vocabulary"])
    plan = PlanSettings(settings.context, settings.rows, settings.seed, settings.packing, settings.long)
    place: dict[str, Any] = {"rank": parallel.rank, "world": parallel.world, "vocabulary": vocabulary}
    loader = Loader(sets, state=state["loader"], **place) if state else Loader(sets, plan, **place)
    last = found[-1] if found else None
    start = Beginning(settings, sets, vocabulary, parallel.device)
    model = start.model(loader.settings, last).to(parallel.device)
    check_leak(model, vocabulary, parallel.dtype, context=settings.context)
    objective, shares = start.objective(model, last)
    wrapped = parallel.wrap(objective, compiled=settings.compile)
    objective.train()
    optimizers = make_optimizers(objective, settings.optimizer, fused=parallel.device.type == "cuda", shares=shares)
    if state:
        parallel.load_optimizer(objective, optimizers, checkpoint.load_optimizer(found[-1]))
    step = state["step"] if state else 0
    log = StepLog(output, parallel, step)
    options = settings.evaluate
    evaluation = None
    if options and options.data:
        evaluation = open_evaluation(
            options.data, documents=options.documents, context=settings.context, rows=settings.micro_rows
        )
    metrics = _metrics(settings, parallel, model, sets, state) if parallel.first else None
    mixture = Mixture(_method(settings, parallel, sets), state["mixture"] if state else None)
    penalty = start.penalty(model, plan, output)
    guard = Guard(**state["guard"]) if state else Guard()
    best = state["best"] if state else {}
    return Run(
        settings, parallel, loader, objective, wrapped, optimizers, guard, log, metrics, evaluation, sets, mixture, penalty, step, best,
        state["held_out"] if state else {}, files,
    )  # fmt: skip


def _metrics(
    settings: TrainSettings, parallel: Parallel, model: Any, sets: list[TokenSet], state: dict[str, Any] | None
) -> Metrics:
    """Where reports go, and the first line of them."""
    step = state["step"] if state else 0
    trained, size = parameters(model)
    flops = 6 * size + 12 * model.config.num_hidden_layers * model.config.hidden_size * settings.context
    begun = "begins" if not state else f"goes on after step {step}" if step < settings.steps else "has all its steps"
    data = sum(int(s.manifest["tokens"]) for s in sets)
    wanted = settings.steps * settings.rows * settings.context
    print(
        f"{settings.name} {begun}: {size:,} parameters, {trained:,} trained; {data:,} tokens of data, "
        f"{wanted:,} to train on ({wanted / max(data, 1):.2f} epochs); {parallel.world} x {parallel.device.type}"
    )
    return Metrics(Path(settings.output), settings, step, flops, parallel.device)


def _method(settings: TrainSettings, parallel: Parallel, sets: list[TokenSet]) -> Weighting:
    """The method of the mixture; a skill graph that is to be learned is learned first, by short runs."""
    tokens: dict[str, int] = {}
    for opened in sets:
        for name, held in opened.sources.items():
            tokens[name] = tokens.get(name, 0) + held["tokens"]
    targets = sorted(TokenSet.open(settings.held_out).sources) if settings.held_out else []
    given = dict(settings.mixture)
    options = graph_of(given)
    if options:
        if not targets:
            what = "a graph is learned from held-out losses, and there is no `evaluate`"
            raise ConfigError([Problem("mixture.graph", what, "add `evaluate: {data: ...}`")])
        chosen = list(given.get("targets") or targets)

        def losses(short: TrainSettings) -> dict[str, float]:
            if not short.steps:
                found = evaluation_of(prepare(short.model_copy(update={"steps": 1}), parallel))
            else:
                found = checkpoint.state_of(train(short, parallel))["held_out"]
            return {name: entry["loss"] for name, entry in found.items()}

        hashes = [opened.hash for opened in sets]
        given["graph"] = str(learned_graph(settings, options, hashes, sorted(tokens), chosen, losses))
        given.pop("targets", None)
    return make_method(given, tokens, set(targets))


def _same_run(
    settings: TrainSettings, state: dict[str, Any], sets: list[TokenSet], files: dict[str, str], last: Path
) -> None:
    """Raises ConfigError where a checkpoint is of other settings or other data: going on would be neither run."""
    problems = []
    for key, now, then in _changed(settings.bound(), state["settings"]):
        # paths may differ: the data is compared by content
        if key not in ("data", "name"):
            hint = "put it back, or choose another output, or begin anew with --force"
            if key == "steps":
                hint += (
                    f"; `model: {{from: {settings.output}/model}}` and another output: more steps from these weights"
                )
            problems.append(Problem(key, f"is {now!r}, the checkpoint {last} has {then!r}", hint))
    if [s.hash for s in sets] != [entry["hash"] for entry in state["data"]]:
        what = f"is not what {last} was trained on"
        problems.append(Problem("data", what, "choose another output, or begin anew with --force"))
    known = state.get("files", {})
    problems += [
        Problem(name, f"holds other files than when {last} was made", "put them back, or begin anew with --force")
        for name in files
        if files[name] != known.get(name)
    ]
    if problems:
        raise ConfigError(problems)


def _changed(now: dict[str, Any], then: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(key, value, the value before) of what differs, as deep down as both are settings of one kind."""
    for key in sorted(now):
        one, other = now[key], then.get(key)
        if isinstance(one, dict) and isinstance(other, dict) and set(one) == set(other):
            yield from _changed(one, other, f"{prefix}{key}.")
        elif one != other:
            yield prefix + key, one, other


def _versions() -> dict[str, str]:
    import transformers

    return {"torch": torch.__version__, "transformers": transformers.__version__}


@contextlib.contextmanager
def _stopping() -> Iterator[list[int]]:
    """A list that is not empty any more once the user stops the run: the step in work is finished first."""
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        for number in before:
            signal.signal(number, ask)
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
