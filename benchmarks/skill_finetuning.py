"""Skill-It's fine-tuning experiments: the loss of one skill, against training on that skill alone at equal steps.

    python -m benchmarks.skill_finetuning [--quick] [--seeds 0,1,2] [--only grid,stance] [--output out/skill-finetuning]
    python -m benchmarks.skill_finetuning --base smollm2 --skills paper --jobs 12 --output out/skill-smollm2

Two targets of the paper's Natural Instructions: asking in Spanish, among the cells of a grid of XQuAD (language of the passage x
language of the question x answering or asking), and the stance of a perspective to a claim (Perspectrum), among other tasks of
the same debates and four categories of instructions; `--skills paper` leaves the target and what the paper found to help it, which
is all that the paper mixes. The paper starts from GPT-Neo 125M. So does this from any model of that kind with `--base` and the
paper's settings; without it from a Llama of 0.84M parameters that read 0.8 million tokens of the passages, the perspectives, help
texts and Wikipedia. `target`: the target alone; `random`: all skills by their size; `stratified`: equal shares of the target and
its helpers; `skill_it`: the graph of all skills towards the target, learned once, by short runs on each, then online. The last
line is the loss of `target` over that of `skill_it`, the mean of the experiments.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import parser
from benchmarks.skill_data import Experiment, Sample, grid, stance
from benchmarks.skill_start import Start, pretrained, small
from benchmarks.small_runs import kept, one_thread, spread, watched, write_set
from curate.files import digest
from curate.select.weights.skill_graph import learn_graph

#: of the samples and texts, with --quick
QUICK = 16
ROUNDS = 6
EXPERIMENTS = {"grid": grid, "stance": stance}
CONTROLS = ("random", "stratified")


@dataclass(frozen=True)
class Scale:
    """The settings of all runs; `relative`: falls in the graph are shares of the loss before, not nats."""

    context: int
    rows: int
    steps: int
    graph_steps: int
    lr: float
    betas: tuple[float, float]
    warmup: float
    floor: float
    relative: bool


SMALL = Scale(256, 8, 96, 24, 1e-3, (0.9, 0.95), 0.1, 0.05, relative=True)
#: the paper's but for the graph's steps, 600 as well; it pads 4 samples a step, of which our rows hold 4 to 6
PRETRAINED = Scale(512, 4, 600, 50, 5e-5, (0.9, 0.999), 50 / 600, 0.0, relative=False)


class Job(NamedTuple):
    """A run, and where its figures are kept; a worker makes them unless they are there."""

    path: Path
    settings: dict[str, Any]

    def figures(self) -> dict[str, Any]:
        """What `watched` finds."""
        one_thread()
        found: dict[str, Any] = kept(self.path, self._run)
        (_, first), *_, (step, last) = found["losses"]
        print(
            f"{self.settings['name']}: {first:.4f}, {last:.4f} after {step} steps, {found['seconds']:.0f} s", flush=True
        )
        return found

    def _run(self) -> dict[str, Any]:
        folder = Path(self.settings["output"])
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("a") as log, contextlib.redirect_stdout(log):
            return watched(self.settings)


class Lab:
    """The sets of an experiment in the tokens of a start, and the runs on them."""

    def __init__(
        self, name: str, experiment: Experiment, start: Start, scale: Scale, machine: dict[str, Any], folder: Path
    ) -> None:
        self._name, self._experiment, self._start, self._scale, self._machine = name, experiment, start, scale, machine
        self._folder, size = folder, len(start.tokenizer)
        trained = {skill: [self._sample(each) for each in held] for skill, held in experiment.trained.items()}
        held_out = {experiment.target: [self._sample(each) for each in experiment.held_out]}
        content = [
            [skill, [ids.tolist() for ids, _ in held]] for each in (trained, held_out) for skill, held in each.items()
        ]
        self._data = folder / f"data-{name}-{digest(content)[:12]}"
        write_set(self._data / "train", trained, size)
        write_set(self._data / "held-out", held_out, size)

    def _sample(self, sample: Sample) -> tuple[Any, Any]:
        """(ids, a mask of the answer and its end); a prompt that is too long loses its beginning."""
        context = self._scale.context
        answer = self._start.ids(sample.answer, end=True)[: context // 2]
        prompt = self._start.ids(sample.prompt, end=False)[-(context - len(answer)) :]
        mask = np.zeros(len(prompt) + len(answer), np.uint8)
        mask[len(prompt) :] = 1
        return np.array([*prompt, *answer]), mask

    def _job(
        self, method: str, seed: int, mixture: dict[str, Any], steps: int, schedule: dict[str, Any], every: int
    ) -> Job:
        scale, name = self._scale, f"{self._name}-{method}-{seed}"
        settings = {
            "name": name, "seed": seed, "data": str(self._data / "train"), "context": scale.context, "rows": scale.rows,
            "micro_rows": scale.rows, "steps": steps, "model": {"from": str(self._start.model)}, "mixture": mixture,
            "optimizer": {"lr": scale.lr, "betas": scale.betas, "weight_decay": 0.01}, "schedule": schedule,
            "evaluate": {"data": str(self._data / "held-out"), "every": every, "documents": 1000}, **self._machine,
        }  # fmt: skip
        # what decides the figures: other settings are another run
        of = digest([settings, self._start.losses])[:12]
        settings["output"] = str(self._folder / "runs" / f"{name}-{of}")
        return Job(self._folder / "results" / f"{name}-{of}.json", settings)

    def alone(self, seed: int) -> list[Job]:
        """The short runs that the graph is learned from: on each skill, in order of their names."""
        steps = self._scale.graph_steps
        return [
            self._job(
                f"alone-{number}", seed, {"kind": "static", "weights": {skill: 1.0}}, steps, {"kind": "constant"}, steps
            )
            for number, skill in enumerate(sorted(self._experiment.trained))
        ]

    def graph(self, found: list[dict[str, Any]]) -> Path:
        """The graph of what the runs of `alone` found."""
        before, after = (np.array([[each["losses"][place][1]] for each in found]) for place in (0, -1))
        skills = sorted(self._experiment.trained)
        graph = learn_graph(
            skills, [self._experiment.target], before[0], lambda weights: after[int(weights.argmax())], relative=self._scale.relative
        )  # fmt: skip
        falls = ", ".join(f"{skill} {weight:.3f}" for skill, weight in zip(skills, graph.weights[:, 0], strict=True))
        print(f"{self._name}, graph from {before[0, 0]:.3f}: {falls}")
        path = self._folder / "graphs" / f"{self._name}-{digest(graph.weights.tolist())[:12]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        graph.save(path)
        return path

    def job(self, method: str, seed: int, graph: Path) -> Job:
        """A run with one mixture."""
        scale, every = self._scale, max(1, self._scale.steps // ROUNDS)
        schedule = {"kind": "linear", "warmup": scale.warmup, "floor": scale.floor}
        return self._job(method, seed, self._mixture(method, graph, every), scale.steps, schedule, every)

    def _mixture(self, method: str, graph: Path, every: int) -> dict[str, Any]:
        experiment = self._experiment
        if method == "random":
            return {"kind": "proportional"}
        if method == "skill_it":
            eta = experiment.eta[0 if self._scale.relative else 1]
            return {"kind": "skill_it", "graph": str(graph), "eta": eta, "update_every": every, "window_reduce": "mean"}
        given = [experiment.target, *(experiment.prerequisites if method == "stratified" else ())]
        return {"kind": "static", "weights": dict.fromkeys(given, 1.0)}


def shown(experiment: Experiment, skills: str, every: int, eta: float | None) -> Experiment:
    """With one of `every` samples of the skills that are asked for, and another eta if there is one."""
    chosen = [experiment.target, *experiment.prerequisites] if skills == "paper" else list(experiment.trained)
    trained = {skill: experiment.trained[skill][::every] for skill in chosen}
    etas = experiment.eta if eta is None else (eta, eta)
    return replace(experiment, trained=trained, held_out=experiment.held_out[::every], eta=etas)


def table(name: str, experiment: Experiment, found: dict[str, list[dict[str, Any]]]) -> float:
    """Print mean and spread by method; the loss of `target` over that of `skill_it`."""
    print(f"\n{name}: {experiment.target}, {len(experiment.held_out)} held-out samples, nats a token of the answers")
    print(f"{'method':12} {'half-way':>15} {'lowest':>15} {'end':>15} {'against target':>17}  paper")
    ends = {method: [each["losses"][-1][1] for each in held] for method, held in found.items()}
    for method, held in found.items():
        curves = [each["losses"] for each in held]
        half = [max(point for point in curve if 2 * point[0] <= curve[-1][0])[1] for curve in curves]
        lowest = [min(loss for _, loss in curve) for curve in curves]
        # seed by seed, so that the spread is that of the difference
        against = [100 * (end / alone - 1) for end, alone in zip(ends[method], ends["target"], strict=True)]
        paper = f"{experiment.paper:+.1f} %" if method == "skill_it" else ""
        columns = f"{spread(half):>15} {spread(lowest):>15} {spread(ends[method]):>15}"
        print(f"{method:12} {columns} {spread(against, 1) + ' %':>17}  {paper}")
    for each in found["skill_it"]:
        most = sorted(each["weights"].items(), key=lambda item: -item[1])[:5]
        print("  last mixture: " + ", ".join(f"{skill} {weight:.2f}" for skill, weight in most))
    ratio: float = statistics.mean(ends["target"]) / statistics.mean(ends["skill_it"])
    return ratio


def arguments() -> argparse.Namespace:
    """What was typed."""
    options = parser(__doc__)
    options.add_argument(
        "--base", help="a folder of transformers, a GGUF file, or smollm2; a small Llama is made if absent"
    )
    options.add_argument(
        "--skills", choices=("all", "paper"), default="all", help="paper: the target and what helps it"
    )
    options.add_argument(
        "--controls", default=",".join(CONTROLS), help="mixtures beside target and skill_it; with a comma"
    )
    options.add_argument("--seeds", default="0,1,2")
    options.add_argument("--only", default="grid,stance", help="experiments, with a comma between")
    for name, kind in (
        ("steps", int),
        ("graph-steps", int),
        ("context", int),
        ("rows", int),
        ("lr", float),
        ("eta", float),
    ):
        options.add_argument(f"--{name}", type=kind)
    options.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    options.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    options.add_argument("--jobs", type=int, default=1, help="runs at once, each in a process")
    options.add_argument("--output", type=Path, default=Path("out/skill-finetuning"))
    return options.parse_args()


def main() -> None:
    """Run what is not there yet, and print the tables."""
    chosen = arguments()
    one_thread()
    scale = PRETRAINED if chosen.base else SMALL
    if chosen.quick:
        scale = replace(scale, steps=6, graph_steps=2)
    given = {key: getattr(chosen, key) for key in ("steps", "graph_steps", "context", "rows", "lr")}
    scale = replace(scale, **{key: value for key, value in given.items() if value is not None})
    methods = ("target", *(control for control in CONTROLS if control in chosen.controls.split(",")), "skill_it")
    seeds = [0] if chosen.quick else [int(seed) for seed in chosen.seeds.split(",")]
    every, machine = QUICK if chosen.quick else 1, {"device": chosen.device, "dtype": chosen.dtype}
    made = {name: make(scale.context) for name, make in EXPERIMENTS.items()}
    closed = frozenset[str]().union(*(each.closed for each in made.values()))
    experiments = {name: shown(made[name], chosen.skills, every, chosen.eta) for name in chosen.only.split(",")}
    start = pretrained(chosen.base) if chosen.base else small(chosen.output, closed, 10 if chosen.quick else 400, every)
    if start.losses:
        print("base, nats a token: " + ", ".join(f"{name} {loss:.2f}" for name, loss in start.losses.items()))
    labs = {name: Lab(name, each, start, scale, machine, chosen.output) for name, each in experiments.items()}
    with ProcessPoolExecutor(chosen.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        short = {name: [pool.submit(job.figures) for job in lab.alone(seeds[0])] for name, lab in labs.items()}
        graphs = {name: labs[name].graph([each.result() for each in jobs]) for name, jobs in short.items()}
        # seed by seed: what is there when time is over can be compared
        runs = {
            (name, method, seed): pool.submit(lab.job(method, seed, graphs[name]).figures)
            for seed in seeds for name, lab in labs.items() for method in methods
        }  # fmt: skip
        found = {key: run.result() for key, run in runs.items()}
    ratios = [
        table(name, each, {method: [found[name, method, seed] for seed in seeds] for method in methods})
        for name, each in experiments.items()
    ]
    print(f"ratio: {statistics.mean(ratios):.3f}")


if __name__ == "__main__":
    main()
