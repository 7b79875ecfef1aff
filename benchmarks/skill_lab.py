"""A laboratory of skills that are known: mixtures at equal steps, accuracy of the answers, mean and spread over seeds.

What is asked, and how a model begins, is an `Experiment` (`benchmarks.lego`, `benchmarks.addition`). All runs of one start from
one small Llama that learned to copy what answers are made of, and how to work out an answer it did not. Held-out problems are
trained on in no order. Each run is kept with its result and goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import parser
from benchmarks.small_runs import held_out, kept, one_thread, spread, trained, write_set
from curate.select.weights.skill_graph import SkillGraph
from curate.skill_sets.sample import Generator, Sample
from curate.train.token_set import TokenSet

HELD_OUT = 100
ROWS = 64

#: ids of a document, and a mask of what is learnt
Ids = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What an experiment is about.

    Attributes:
        generator: makes the samples; its skills are the groups of the mixtures.
        words: the vocabulary, the first for padding.
        answers: those of it that may be an answer.
        end: the word after an answer.
        split: a sample's text -> its words.
        copied: (words, how many of the last are copied) of a document for the model that all runs start from.
        random: how often the unbalanced baseline has each skill.
        graph: rows: trained; columns: evaluated.
        eta, rounds: of Skill-It, as in the paper.
        shape: of the model.
        context: words of the longest document.
        base_steps: of the model that copies.
        trained: samples of each skill to train on.
        paper: accuracy at the end in the paper, in percent.
    """

    generator: Generator
    words: tuple[str, ...]
    answers: tuple[str, ...]
    end: str
    split: Callable[[str], list[str]]
    copied: Callable[[np.random.Generator], tuple[list[str], int]]
    random: tuple[int, ...]
    graph: tuple[tuple[float, ...], ...]
    eta: float
    rounds: int
    shape: dict[str, Any]
    context: int
    base_steps: int
    trained: int
    paper: dict[str, float]

    @property
    def skills(self) -> tuple[str, ...]:
        """In order."""
        return self.generator.skills

    def ids(self, words: list[str], first: int, stop: int) -> Ids:
        """Ids of words, those from `first` to `stop` learnt."""
        mask = np.zeros(len(words), np.uint8)
        mask[first:stop] = 1
        return np.array([self.words.index(word) for word in words]), mask

    def sample(self, sample: Sample) -> Ids:
        """Ids of a sample, its answer learnt."""
        prompt = self.split(sample.prompt)
        return self.ids([*prompt, sample.answer, self.end], len(prompt), len(prompt) + 1)

    def copy(self, rng: np.random.Generator) -> Ids:
        """Ids of a document for the model that copies."""
        words, count = self.copied(rng)
        return self.ids([*words, self.end], len(words) - count, len(words))

    def mixtures(self, steps: int) -> dict[str, dict[str, Any]]:
        """The methods by name."""
        every = max(1, steps // self.rounds)
        learned = {"steps": max(10, steps // 10), "relative": True, "negatives": "clip"}
        return {
            "random": {"kind": "static", "weights": dict(zip(self.skills, self.random, strict=True))},
            "stratified": {"kind": "stratified"},
            "curriculum": {"kind": "curriculum", "steps": steps},
            "skill_it": {"kind": "skill_it", "graph": "graph.json", "eta": self.eta, "update_every": every},
            "skill_it_learned": {"kind": "skill_it", "graph": learned, "eta": self.eta, "update_every": every},
            "aioli": {"kind": "aioli", "cycle": every, "rounds": 2, "probe_steps": max(1, every // 40), "eta": 1.0},
        }


def samples(experiment: Experiment, seed: int) -> tuple[list[list[Sample]], list[list[Sample]]]:
    """(held out, trained) samples by skill; of different texts, and no held-out problem is trained on."""
    rng = np.random.default_rng([seed, 0])
    skills = range(len(experiment.skills))
    held_out: list[list[Sample]] = [[] for _ in skills]
    closed: set[Any] = set()
    for skill in skills:
        for sample in _different(experiment, skill, rng, HELD_OUT, set()):
            held_out[skill].append(sample)
            closed.add(sample.problem)
    return held_out, [list(_different(experiment, skill, rng, experiment.trained, closed)) for skill in skills]


def _different(
    experiment: Experiment, skill: int, rng: np.random.Generator, count: int, closed: set[Any]
) -> Iterator[Sample]:
    seen: set[str] = set()
    while len(seen) < count:
        sample = experiment.generator.sample(skill, rng)
        if sample.problem not in closed and sample.text not in seen:
            seen.add(sample.text)
            yield sample


def accuracy(experiment: Experiment, model: Path, held_out: Path) -> dict[str, float]:
    """Share of the held-out answers of each skill where the right one of all answers has the highest logit."""
    import torch

    from curate.train.models import reload_model

    loaded, found = reload_model(model, False).eval(), {}
    answers = torch.tensor([experiment.words.index(word) for word in experiment.answers])
    for skill in experiment.skills:
        documents = TokenSet.open(held_out).documents(skill)
        rows = torch.from_numpy(np.stack([document.tokens.astype(np.int64) for document in documents]))
        with torch.no_grad():
            logits = loaded(input_ids=rows, use_cache=False).logits[:, -3, answers]
        found[skill] = float((answers[logits.argmax(-1)] == rows[:, -2]).double().mean())
    return found


def settings(
    experiment: Experiment, data: Path, output: Path, *, steps: int, seed: int, lr: float = 1e-3, **more: Any
) -> dict[str, Any]:
    """Of a run on `data/train`, measured on `data/held-out`; a prompt's token counts 0.005 of an answer."""
    return {
        "name": output.name, "seed": seed, "data": str(data / "train"), "context": experiment.context, "rows": ROWS,
        "micro_rows": ROWS, "loss": {"kind": "cross_entropy", "prompt": 0.005}, "steps": steps,
        "optimizer": {"lr": lr, "weight_decay": 0.01, "betas": [0.9, 0.98]},
        "schedule": {"kind": "constant", "warmup": min(1.0, 50 / steps)}, "log_every": max(1, steps // 8),
        "evaluate": {"data": str(data / "held-out"), "every": max(1, steps // 8)},
        "checkpoint": {"every": max(1, steps // 4), "keep": 9}, "output": str(output), **more,
    }  # fmt: skip


def base(experiment: Experiment, folder: Path, steps: int) -> Path:
    """The model that all runs start from."""
    rng, data, output = np.random.default_rng(1), folder / "data-base", folder / f"base-{steps}"
    for name, count in (("train", 20_000), ("held-out", 200)):
        write_set(data / name, {"copy": [experiment.copy(rng) for _ in range(count)]}, len(experiment.words))
    model = {"preset": "1m", "config": experiment.shape}
    run = settings(experiment, data, output, steps=steps, seed=1, lr=2e-3, model=model)
    kept(folder / "results" / f"base-{steps}.json", lambda: held_out(trained(run)), of=run)
    return output / "model"


def run(experiment: Experiment, method: str, seed: int, steps: int, folder: Path, start: Path) -> dict[str, Any]:
    """Train with one mixture; what came of it."""
    from curate.train.checkpoint import folder_of

    data = folder / f"data-{seed}"
    for name, by_skill in zip(("held-out", "train"), samples(experiment, seed), strict=True):
        documents = {
            skill: [experiment.sample(sample) for sample in made]
            for skill, made in zip(experiment.skills, by_skill, strict=True)
        }
        write_set(data / name, documents, len(experiment.words))
    SkillGraph(experiment.skills, experiment.skills, np.array(experiment.graph)).save(data / "graph.json")
    mixture = experiment.mixtures(steps)[method]
    if mixture.get("graph") == "graph.json":
        mixture["graph"] = str(data / "graph.json")
    output = folder / f"{method}-{seed}-{steps}"
    model = {"from": str(start)}
    last = trained(settings(experiment, data, output, steps=steps, seed=seed, mixture=mixture, model=model))
    answers = {
        str(step): accuracy(experiment, folder_of(output, step) / "model", data / "held-out")
        for step in (steps // 2, steps)
    }
    return {"method": method, "seed": seed, "steps": steps, "accuracy": answers, "loss": held_out(last)}


def table(experiment: Experiment, results: list[dict[str, Any]], steps: int) -> dict[str, float]:
    """Print mean and spread by method; the mean accuracy of each at the end."""
    names = [skill.split("_")[-1] for skill in experiment.skills]
    print(
        f"{'method':18} {'half-way':>14} {'end':>14} " + " ".join(f"{name:>8}" for name in names)
        + f"    loss  seeds{'  paper' if experiment.paper else ''}"
    )  # fmt: skip
    means = {}
    for method in experiment.mixtures(steps):
        held = [found for found in results if found["method"] == method]
        if not held:
            continue
        half, end = ([100 * statistics.mean(f["accuracy"][str(s)].values()) for f in held] for s in (steps // 2, steps))
        skills = [statistics.mean(f["accuracy"][str(steps)][skill] for f in held) for skill in experiment.skills]
        loss = statistics.mean(f["loss"]["all"] for f in held)
        paper = experiment.paper.get(method)
        print(
            f"{method:18} {spread(half, 1):>14} {spread(end, 1):>14} " + " ".join(f"{share:8.1%}" for share in skills)
            + f" {loss:7.3f} {len(held):6} {'' if paper is None else f'{paper:6.1f}'}".rstrip()
        )  # fmt: skip
        means[method] = statistics.mean(end)
    return means


def arguments(purpose: str | None, steps: int, output: str) -> argparse.Namespace:
    """What was typed."""
    options = parser(purpose)
    options.add_argument("--seeds", default="0,1,2")
    options.add_argument("--steps", type=int, default=steps)
    options.add_argument("--only", default="", help="methods, with commas between")
    options.add_argument("--output", type=Path, default=Path(output))
    return options.parse_args()


def reproduce(experiment: Experiment, chosen: argparse.Namespace) -> None:
    """Run what is not there yet, and print the table; the last line is Skill-It's accuracy over that of `stratified`."""
    one_thread()
    steps, seeds = (60, [0]) if chosen.quick else (chosen.steps, [int(seed) for seed in chosen.seeds.split(",")])
    mixtures = experiment.mixtures(steps)
    names = [name for name in chosen.only.split(",") if name] or list(mixtures)
    start = base(experiment, chosen.output, 60 if chosen.quick else experiment.base_steps)
    results = []
    for seed in seeds:
        for method in names:
            path = chosen.output / "results" / f"{method}-{seed}-{steps}.json"
            make = lambda m=method, s=seed: run(experiment, m, s, steps, chosen.output, start)  # noqa: E731
            results.append(kept(path, make, of=mixtures[method]))
    print(json.dumps({"steps": steps, "seeds": seeds}))
    means = table(experiment, results, steps)
    print(f"ratio: {means.get('skill_it', 0.0) / (means.get('stratified') or 1):.3f}")
