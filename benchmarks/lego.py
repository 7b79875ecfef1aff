"""Skill-It's LEGO experiment in small: mixtures at equal steps, accuracy of the answers, mean and spread over seeds.

    python -m benchmarks.lego [--quick] [--seeds 0,1,2] [--steps 400] [--only METHOD,...] [--output out/lego]

Chains of 3 variables of 8 letters (the paper: 5 of 26), batches of 64 (32), AdamW at 1e-3; a prompt's token counts 0.005 of an
answer (0.1 of its loss in the mean). The paper starts from GPT-Neo 125M; here all runs start from one Llama of 4 layers and
width 64 that learned to copy clauses (`Output: b = not y,`), which is an answer for the root alone. Held-out problems are
trained on in no order. `random` is 1:3:5, the shape of the paper's baseline. Each run is kept with its result and goes on where
it was stopped; the last line is Skill-It's accuracy over that of `stratified`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import parser
from benchmarks.small_runs import held_out, kept, one_thread, spread, trained, write_set
from curate.select.weights.skill_graph import SkillGraph
from curate.skill_sets.lego import Lego
from curate.skill_sets.sample import Sample
from curate.train.token_set import TokenSet

LEGO = Lego(variables=3, letters=8)
HELD_OUT, TRAINED = 100, 6000
WORDS = ["<pad>", "Input:", "Output:", "=", ",", ".", "val", "not", "0", "1", *"abcdefgh"]
IDS = {word: number for number, word in enumerate(WORDS)}
CONTEXT, ROWS = 22, 64
#: steps of the model that copies clauses
BASE_STEPS = 1000
SHAPE = {
    "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 128,
    # wider than usual: at this width the usual 0.02 costs a third of the run
    "initializer_range": 0.1,
}  # fmt: skip
#: rows: trained; columns: evaluated; from the second skill to its neighbours, as in the paper
GRAPH = [[1.0, 0.0, 0.0], [0.5, 1.0, 0.5], [0.0, 0.0, 1.0]]
#: accuracy after 6,000 steps in the paper, 5 seeds
PAPER = {"random": 62.9, "curriculum": 63.6, "stratified": 98.5, "skill_it": 99.4}


def mixtures(steps: int) -> dict[str, dict[str, Any]]:
    """The methods by name."""
    every = max(1, steps // 6)
    learned = {"steps": max(10, steps // 10), "relative": True, "negatives": "clip"}
    return {
        "random": {"kind": "static", "weights": dict(zip(LEGO.skills, (1, 3, 5), strict=True))},
        "stratified": {"kind": "stratified"},
        "curriculum": {"kind": "curriculum", "steps": steps},
        "skill_it": {"kind": "skill_it", "graph": "graph.json", "eta": 0.5, "update_every": every},
        "skill_it_learned": {"kind": "skill_it", "graph": learned, "eta": 0.5, "update_every": every},
        "aioli": {"kind": "aioli", "cycle": every, "rounds": 2, "probe_steps": max(1, every // 40), "eta": 1.0},
    }


def ids_of(sample: Sample) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(ids of a sample's words, a mask of its answer)."""
    prompt = _words(sample.prompt)
    words = [*prompt, sample.answer, ","]
    mask = np.zeros(len(words), np.uint8)
    mask[len(prompt)] = 1
    return np.array([IDS[word] for word in words]), mask


def _words(text: str) -> list[str]:
    return text.replace(",", " ,").replace(". ", " . ").split()


def samples(seed: int) -> tuple[list[list[Sample]], list[list[Sample]]]:
    """(held out, trained) samples by skill; of different texts, and no held-out problem is trained on."""
    rng = np.random.default_rng([seed, 0])
    held_out: list[list[Sample]] = [[], [], []]
    closed: set[Any] = set()
    for skill in range(3):
        for sample in _different(skill, rng, HELD_OUT, set()):
            held_out[skill].append(sample)
            closed.add(sample.problem)
    return held_out, [list(_different(skill, rng, TRAINED, closed)) for skill in range(3)]


def _different(skill: int, rng: np.random.Generator, count: int, closed: set[Any]) -> Iterator[Sample]:
    seen: set[str] = set()
    while len(seen) < count:
        sample = LEGO.sample(skill, rng)
        if sample.problem not in closed and sample.text not in seen:
            seen.add(sample.text)
            yield sample


def accuracy(model: Path, held_out: Path) -> dict[str, float]:
    """Share of the held-out answers of each skill where the right one of 0 and 1 has the higher logit."""
    import torch

    from curate.train.models import reload_model

    loaded, found = reload_model(model, False).eval(), {}
    for skill in LEGO.skills:
        documents = TokenSet.open(held_out).documents(skill)
        rows = torch.from_numpy(np.stack([document.tokens.astype(np.int64) for document in documents]))
        with torch.no_grad():
            logits = loaded(input_ids=rows, use_cache=False).logits[:, -3, [IDS["0"], IDS["1"]]]
        found[skill] = float((logits.argmax(-1) + IDS["0"] == rows[:, -2]).double().mean())
    return found


def copied(rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A chain behind which one of its clauses is copied, with a mask of what is copied: no value is worked out."""
    words = _words(LEGO.sample(0, rng).prompt)
    begin = 1 + 5 * int(rng.integers(0, LEGO.variables))
    clause = words[begin : begin + 4]
    ids = np.array([IDS[word] for word in [*words[: 5 * LEGO.variables + 1], "Output:", *clause, ","]])
    mask = np.zeros(len(ids), np.uint8)
    mask[-3:-1] = 1
    return ids, mask


def settings(
    name: str, data: Path, output: Path, *, steps: int, seed: int, lr: float = 1e-3, **more: Any
) -> dict[str, Any]:
    """Of a run on `data/train`, measured on `data/held-out`."""
    return {
        "name": name, "seed": seed, "data": str(data / "train"), "context": CONTEXT, "rows": ROWS, "micro_rows": ROWS,
        "loss": {"kind": "cross_entropy", "prompt": 0.005}, "steps": steps,
        "optimizer": {"lr": lr, "weight_decay": 0.01, "betas": [0.9, 0.98]},
        "schedule": {"kind": "constant", "warmup": min(1.0, 50 / steps)}, "log_every": max(1, steps // 8),
        "evaluate": {"data": str(data / "held-out"), "every": max(1, steps // 8)},
        "checkpoint": {"every": max(1, steps // 4), "keep": 9}, "output": str(output), **more,
    }  # fmt: skip


def base(folder: Path, steps: int) -> Path:
    """The model that all runs start from."""
    rng, data, output = np.random.default_rng(1), folder / "data-base", folder / f"base-{steps}"
    for name, count in (("train", 20_000), ("held-out", 200)):
        write_set(data / name, {"copy": [copied(rng) for _ in range(count)]}, len(WORDS))
    model = {"preset": "1m", "config": SHAPE}
    run = settings("base", data, output, steps=steps, seed=1, lr=2e-3, model=model)
    kept(folder / "results" / f"base-{steps}.json", lambda: held_out(trained(run)), of=run)
    return output / "model"


def run(method: str, seed: int, steps: int, folder: Path, start: Path) -> dict[str, Any]:
    """Train with one mixture; what came of it."""
    from curate.train.checkpoint import folder_of

    data = folder / f"data-{seed}"
    for name, by_skill in zip(("held-out", "train"), samples(seed), strict=True):
        documents = {
            skill: [ids_of(sample) for sample in made] for skill, made in zip(LEGO.skills, by_skill, strict=True)
        }
        write_set(data / name, documents, len(WORDS))
    SkillGraph(LEGO.skills, LEGO.skills, np.array(GRAPH)).save(data / "graph.json")
    mixture = mixtures(steps)[method]
    if mixture.get("graph") == "graph.json":
        mixture["graph"] = str(data / "graph.json")
    output = folder / f"{method}-{seed}-{steps}"
    last = trained(settings(method, data, output, steps=steps, seed=seed, mixture=mixture, model={"from": str(start)}))
    answers = {
        str(step): accuracy(folder_of(output, step) / "model", data / "held-out") for step in (steps // 2, steps)
    }
    return {"method": method, "seed": seed, "steps": steps, "accuracy": answers, "loss": held_out(last)}


def table(results: list[dict[str, Any]], steps: int) -> dict[str, float]:
    """Print mean and spread by method; the mean accuracy of each at the end."""
    print(
        f"{'method':18} {'half-way':>14} {'end':>14} "
        + " ".join(f"{s:>7}" for s in LEGO.skills)
        + "    loss  seeds  paper"
    )
    means = {}
    for method in mixtures(steps):
        held = [found for found in results if found["method"] == method]
        if not held:
            continue
        half, end = ([100 * statistics.mean(f["accuracy"][str(s)].values()) for f in held] for s in (steps // 2, steps))
        skills = [statistics.mean(f["accuracy"][str(steps)][skill] for f in held) for skill in LEGO.skills]
        loss = statistics.mean(f["loss"]["all"] for f in held)
        paper = PAPER.get(method)
        print(
            f"{method:18} {spread(half, 1):>14} {spread(end, 1):>14} " + " ".join(f"{share:7.1%}" for share in skills)
            + f" {loss:7.3f} {len(held):6} {'' if paper is None else f'{paper:6.1f}'}"
        )  # fmt: skip
        means[method] = statistics.mean(end)
    return means


def arguments() -> argparse.Namespace:
    """What was typed."""
    options = parser(__doc__)
    options.add_argument("--seeds", default="0,1,2")
    options.add_argument("--steps", type=int, default=400)
    options.add_argument("--only", default="", help="methods, with commas between")
    options.add_argument("--output", type=Path, default=Path("out/lego"))
    return options.parse_args()


def main() -> None:
    """Run what is not there yet, and print the table."""
    chosen = arguments()
    one_thread()
    steps, seeds = (60, [0]) if chosen.quick else (chosen.steps, [int(seed) for seed in chosen.seeds.split(",")])
    names = [name for name in chosen.only.split(",") if name] or list(mixtures(steps))
    start = base(chosen.output, 60 if chosen.quick else BASE_STEPS)
    results = []
    for seed in seeds:
        for method in names:
            path = chosen.output / "results" / f"{method}-{seed}-{steps}.json"
            make = lambda m=method, s=seed: run(m, s, steps, chosen.output, start)  # noqa: E731
            results.append(kept(path, make, of=mixtures(steps)[method]))
    print(json.dumps({"steps": steps, "seeds": seeds}))
    means = table(results, steps)
    print(f"ratio: {means.get('skill_it', 0.0) / (means.get('stratified') or 1):.3f}")


if __name__ == "__main__":
    main()
