"""Skill-It's fine-tuning experiments in small: the loss of one skill, against training on that skill alone at equal steps.

    python -m benchmarks.skill_finetuning [--quick] [--seeds 0,1,2] [--steps 96] [--only grid,stance] [--output out/skill-finetuning]

Two targets of the paper's Natural Instructions: asking in Spanish, among the cells of a grid of XQuAD (language of the passage x
language of the question x answering or asking), and the stance of a perspective to a claim (Perspectrum), among other tasks of
the same debates and four categories of instructions. All runs start from one Llama of 0.84M parameters that read 0.8 million tokens
of the passages, the perspectives, help texts and Wikipedia; the paper starts from GPT-Neo 125M and has 600 steps. A passage is
its 240 characters around the answer. `target`: the target alone; `random`: all skills by their size; `stratified`: equal shares
of the target and what the paper found to help it; `skill_it`: the graph of all skills towards the target, learned once, by short
runs on each, then online. The last line is the loss of `target` over that of `skill_it`, the mean of both experiments.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import parser
from benchmarks.skill_data import Experiment, Sample, base_texts, grid, stance
from benchmarks.small_runs import held_out, kept, one_thread, spread, trained, write_set

VOCABULARY, CONTEXT, ROWS = 4096, 256, 8
SHAPE = {
    "hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 256,
    # at this width the usual 0.02 is a slow start
    "initializer_range": 0.1,
}  # fmt: skip
#: steps of the model that all runs start from, and its held-out texts of each language
BASE_STEPS, BASE_HELD_OUT = 400, 4
#: of the samples and texts, with --quick
QUICK = 16
ROUNDS = 6
EXPERIMENTS = {"grid": grid, "stance": stance}
METHODS = ("target", "random", "stratified", "skill_it")


class Lab:
    """The tokenizer and the model that all runs start from; neither has seen what is held out."""

    def __init__(self, folder: Path, experiments: dict[str, Experiment], steps: int, every: int = 1) -> None:
        from transformers import AutoTokenizer

        from curate.train.tokenizer_training import train_tokenizer

        self.folder = folder
        texts = base_texts(frozenset[str]().union(*(each.closed for each in experiments.values())))
        texts = {language: held[::every] for language, held in texts.items()}
        if not (folder / "tokenizer").exists():
            folder.mkdir(parents=True, exist_ok=True)
            lines = (json.dumps({"text": text}) + "\n" for held in texts.values() for text in held)
            (folder / "texts.jsonl").write_text("".join(lines))
            train_tokenizer([str(folder / "texts.jsonl")], folder / "tokenizer", vocabulary=VOCABULARY)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        rng = np.random.default_rng(1)
        parts: dict[str, dict[str, list[Any]]] = {"train": {}, "held-out": {}}
        for language, held in texts.items():
            documents = [self._ids(text, end=True) for text in held]
            apart = set(rng.permutation(len(documents))[:BASE_HELD_OUT].tolist())
            parts["held-out"][language] = [documents[i] for i in sorted(apart)]
            parts["train"][language] = [ids for i, ids in enumerate(documents) if i not in apart]
        for name, by_language in parts.items():
            write_set(folder / "data-base" / name, by_language, len(self._tokenizer))
        run = self._settings(
            "base", folder / "data-base", folder / f"base-{steps}", steps=steps, seed=1, lr=3e-3,
            model={"preset": "1m", "config": SHAPE}, mixture={"kind": "temperature", "temperature": 2},
        )  # fmt: skip
        self.losses: dict[str, float] = kept(
            folder / "results" / f"base-{steps}.json", lambda: held_out(trained(run)), of=run
        )
        self._start = folder / f"base-{steps}" / "model"

    def _ids(self, text: str, *, end: bool) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [*ids, self._tokenizer.eos_token_id] if end else ids

    def _sample(self, sample: Sample) -> tuple[Any, Any]:
        """(ids, a mask of the answer and its end); a prompt that is too long loses its beginning."""
        answer = self._ids(sample.answer, end=True)[: CONTEXT // 2]
        prompt = self._ids(sample.prompt, end=False)[-(CONTEXT - len(answer)) :]
        mask = np.zeros(len(prompt) + len(answer), np.uint8)
        mask[len(prompt) :] = 1
        return np.array([*prompt, *answer]), mask

    def _settings(
        self, name: str, data: Path, output: Path, *, steps: int, seed: int, lr: float, **more: Any
    ) -> dict[str, Any]:
        return {
            "name": name, "seed": seed, "data": str(data / "train"), "context": CONTEXT, "rows": ROWS, "micro_rows": ROWS,
            "steps": steps, "optimizer": {"lr": lr, "weight_decay": 0.01},
            "schedule": {"kind": "linear", "warmup": 0.1, "floor": 0.05}, "log_every": max(1, steps // 4),
            "evaluate": {"data": str(data / "held-out"), "every": max(1, steps // 2), "documents": 1000},
            "checkpoint": {"every": max(1, steps // 8), "keep": 9}, "output": str(output), **more,
        }  # fmt: skip

    def run(self, name: str, experiment: Experiment, method: str, seed: int, steps: int, first: int) -> dict[str, Any]:
        """Train with one mixture; the target's loss half-way and at the end, and what the mixture was at the end."""
        from curate.train.checkpoint import folder_of, state_of

        data, output = self.folder / f"data-{name}", self.folder / f"{name}-{method}-{seed}-{steps}"
        size = len(self._tokenizer)
        write_set(data / "train", {k: [self._sample(s) for s in held] for k, held in experiment.trained.items()}, size)
        write_set(data / "held-out", {experiment.target: [self._sample(s) for s in experiment.held_out]}, size)
        mixture = self._mixture(name, experiment, method, steps, first if seed != first else None)
        last = trained(
            self._settings(
                method, data, output, steps=steps, seed=seed, lr=1e-3, model={"from": str(self._start)}, mixture=mixture
            )
        )
        half = held_out(folder_of(output, max(1, steps // 2)))[experiment.target]
        _, weights = state_of(last)["loader"]["weights"][-1]
        return {"half": half, "end": held_out(last)[experiment.target], "weights": weights}

    def _mixture(self, name: str, experiment: Experiment, method: str, steps: int, first: int | None) -> dict[str, Any]:
        """`first`: the seed whose run learned the graph, if it is not this one."""
        if method == "random":
            return {"kind": "proportional"}
        if method == "skill_it":
            graph: Any = {"steps": max(2, steps // 4), "relative": True}
            if first is not None:
                folder = self.folder / f"{name}-skill_it-{first}-{steps}" / "graph"
                graph = str(next(folder.glob("*.json")))
            every = max(1, steps // ROUNDS)
            chosen = {"targets": [experiment.target]} if first is None else {}
            return {
                "kind": "skill_it", "graph": graph, **chosen, "eta": experiment.eta, "update_every": every, "window_reduce": "mean"
            }  # fmt: skip
        given = [experiment.target, *(experiment.prerequisites if method == "stratified" else ())]
        return {"kind": "static", "weights": dict.fromkeys(given, 1.0)}


def thinned(experiment: Experiment, every: int) -> Experiment:
    """With one of so many samples of each skill."""
    trained = {skill: held[::every] for skill, held in experiment.trained.items()}
    return replace(experiment, trained=trained, held_out=experiment.held_out[::every])


def table(name: str, experiment: Experiment, found: dict[str, list[dict[str, Any]]]) -> float:
    """Print mean and spread by method; the loss of `target` over that of `skill_it`."""
    print(f"\n{name}: {experiment.target}, {len(experiment.held_out)} held-out samples, nats a token of the answers")
    print(f"{'method':12} {'half-way':>15} {'end':>15} {'against target':>17}  paper")
    alone = [each["end"] for each in found.get("target", [])]
    for method, held in found.items():
        half, end = ([each[key] for each in held] for key in ("half", "end"))
        # seed by seed, so that the spread is that of the difference
        against = [100 * (e / a - 1) for e, a in zip(end, alone, strict=False)]
        paper = f"{experiment.paper:+.1f} %" if method == "skill_it" else ""
        versus = f"{spread(against, 1)} %" if against else ""
        print(f"{method:12} {spread(half):>15} {spread(end):>15} {versus:>17}  {paper}")
    if "skill_it" in found:
        for each in found["skill_it"]:
            most = sorted(each["weights"].items(), key=lambda item: -item[1])[:5]
            print("  last mixture: " + ", ".join(f"{skill} {weight:.2f}" for skill, weight in most))
    if not alone or "skill_it" not in found:
        return 0.0
    ratio: float = statistics.mean(alone) / statistics.mean(each["end"] for each in found["skill_it"])
    return ratio


def arguments() -> argparse.Namespace:
    """What was typed."""
    options = parser(__doc__)
    options.add_argument("--seeds", default="0,1,2")
    options.add_argument("--steps", type=int, default=96)
    options.add_argument("--only", default="grid,stance", help="experiments, with a comma between")
    options.add_argument("--output", type=Path, default=Path("out/skill-finetuning"))
    return options.parse_args()


def main() -> None:
    """Run what is not there yet, and print the tables."""
    chosen = arguments()
    one_thread()
    steps, seeds = (6, [0]) if chosen.quick else (chosen.steps, [int(seed) for seed in chosen.seeds.split(",")])
    every = QUICK if chosen.quick else 1
    experiments = {name: thinned(make(), every) for name, make in EXPERIMENTS.items()}
    lab = Lab(chosen.output, experiments, 10 if chosen.quick else BASE_STEPS, every)
    print("base, nats a token: " + ", ".join(f"{name} {loss:.2f}" for name, loss in lab.losses.items()))
    ratios = []
    for name in chosen.only.split(","):
        found: dict[str, list[dict[str, Any]]] = {}
        for seed in seeds:
            for method in METHODS:
                path = lab.folder / "results" / f"{name}-{method}-{seed}-{steps}.json"
                make = lambda m=method, s=seed, n=name: lab.run(n, experiments[n], m, s, steps, seeds[0])  # noqa: E731
                found.setdefault(method, []).append(kept(path, make, of=[experiments[name].eta, lab.losses]))
        ratios.append(table(name, experiments[name], found))
    print(f"ratio: {statistics.mean(ratios):.3f}")


if __name__ == "__main__":
    main()
