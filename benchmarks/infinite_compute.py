"""Few data, much compute: weight decay, epochs, ensembles and distillation on 96 sequences.

    python -m benchmarks.infinite_compute [--quick] [--members 3] [--draws 3] [--output out/infinite-compute]

The recipe of "Pre-training under infinite compute" (Kim et al. 2025, arXiv 2509.14786) in a laboratory: 96 walks of 32 tokens over
a Markov chain of 64 states, a Llama of 0.45M parameters, batches of 32. Coordinate descent chooses rate and epochs at the usual weight
decay, then all three from there, by the loss of the first draw of walks on a set for tuning. All losses of the table are of
another set, mean and deviation over draws of the 96 walks; a draw has members of its own seeds. Ensembles are by both averages; the
students learn from what the ensemble, or one member, expects of the walks, or from as many walks of the ensemble's own.
The last line is the loss of the usual recipe at its best over the best ensemble's.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import parser
from benchmarks.forgetting import LENGTH, ROWS, SHAPE, STATES, chains, sequences
from benchmarks.small_runs import held_out, kept, one_thread, spread, trained, write_set
from curate.train.tuning import coordinate_descent

# sequences that are trained on, and those of each set that losses are of
SEQUENCES, HELD_OUT = 96, 512
Setting = dict[str, Any]
RATES, EPOCHS, DECAYS = [3e-4, 1e-3, 3e-3], [8, 17, 33, 67, 133], [0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
USUAL = 0.1
START: Setting = {"lr": 1e-3, "epochs": 67, "decay": USUAL}


@dataclass(frozen=True)
class Lab:
    """Runs by their settings on one draw of walks, kept below a folder."""

    folder: Path
    draw: int

    def walks(self, name: str, count: int, *address: int) -> Path:
        """A set of walks over the one chain."""
        chain = chains(np.random.default_rng(3))["a"]
        made = sequences(chain, STATES, count, np.random.default_rng([3, *address]))
        return write_set(self.folder / "data" / name, {"a": made}, STATES + 2)

    def run(self, setting: Setting, seed: int, loss: Any = "cross_entropy", name: str = "", more: str = "") -> Path:
        """The checkpoint of a run on this draw; `more` is a set that gives as many tokens beside it."""
        slug = f"{name}{setting['lr']:g}-{setting['epochs']}-{setting['decay']:g}-{self.draw}-{seed}"
        steps = setting["epochs"] * SEQUENCES // ROWS * (2 if more else 1)
        settings = {
            "name": slug, "seed": 1000 * self.draw + seed, "context": LENGTH, "rows": ROWS, "micro_rows": ROWS, "steps": steps,
            "data": [str(self.walks(f"train-{self.draw}", SEQUENCES, 0, self.draw)), *([more] if more else [])],
            "model": {"preset": "1m", "config": SHAPE}, "loss": loss, "checkpoint": {"every": steps},
            "optimizer": {"lr": setting["lr"], "weight_decay": setting["decay"]}, "schedule": {"kind": "cosine", "warmup": 0.05},
            "evaluate": {"data": str(self.walks("tuning", HELD_OUT, 1)), "every": steps, "documents": HELD_OUT},
            "log_every": steps, "output": str(self.folder / "runs" / slug),
        }  # fmt: skip
        path = self.folder / "results" / f"{slug}.json"
        return Path(kept(path, lambda: str(trained(settings)), of=settings))

    def loss(self, runs: list[Path], average: Any = "probabilities") -> float:
        """Of the models of these runs together, on the set that nothing was chosen by."""
        path = self.folder / "results" / "together.json"
        found: float = kept(path, lambda: self._loss(runs, average), of=[[str(run) for run in runs], average])
        return found

    def _loss(self, runs: list[Path], average: Any) -> float:
        from curate.train.ensembles import Ensemble
        from curate.train.held_out import HeldOut
        from curate.train.token_set import TokenSet

        held = TokenSet.open(self.walks("held-out", HELD_OUT, 2))
        members = Ensemble.load([run / "model" for run in runs], average)
        return HeldOut(held, documents=HELD_OUT, context=LENGTH).loss(members)

    def dreamt(self, teachers: list[Path]) -> str:
        """As many walks as are trained on, drawn token by token from what the teachers together expect."""
        import torch

        from curate.train.models import reload_model

        models = [reload_model(run / "model", False).eval() for run in teachers]
        torch.manual_seed(self.draw)
        ids = torch.full((SEQUENCES, 1), STATES)
        with torch.no_grad():
            while ids.shape[1] < LENGTH:
                expected = sum(model(ids, use_cache=False).logits[:, -1, :STATES].softmax(-1) for model in models)
                ids = torch.cat([ids, torch.multinomial(expected, 1)], dim=1)
        made = write_set(self.folder / "data" / f"dreamt-{self.draw}", {"a": list(ids.numpy())}, STATES + 2)
        return str(made)


def tuned(lab: Lab, epochs: list[int], decays: list[float]) -> tuple[Setting, Setting]:
    """(the usual recipe at its best rate and epochs, the best of all three), by coordinate descent; says what was tried."""

    def loss_of(setting: Setting) -> float:
        return held_out(lab.run(setting, 0))["a"]

    grid: dict[str, list[Any]] = {"lr": RATES, "epochs": epochs, "decay": decays}
    usual, first = coordinate_descent({**grid, "decay": [USUAL]}, START, loss_of)
    best, second = coordinate_descent(grid, usual, loss_of)
    tried = first | second
    print(f"{len(tried)} settings tried by coordinate descent, of {math.prod(len(values) for values in grid.values())}")
    for values, loss in sorted(tried.items(), key=lambda item: item[1]):
        print(f"  {loss:.3f}  {dict(zip(grid, values, strict=True))}")
    return usual, best


def students(lab: Lab, plain: Setting, teachers: list[Path]) -> dict[str, float]:
    """Losses of students with the usual weight decay."""

    def taught(teachers: list[Path]) -> Setting:
        return {"kind": "distill", "teachers": [str(run / "model") for run in teachers], "weight": 0.5}

    runs = {
        "student of all": lab.run(plain, 100, taught(teachers), "all-"),
        "student of one": lab.run(plain, 100, taught(teachers[:1]), "one-"),
        "student of walks that all made": lab.run(plain, 100, name="dreamt-", more=lab.dreamt(teachers)),
    }
    return {name: lab.loss([run]) for name, run in runs.items()}


def row(labs: list[Lab], name: str, setting: Setting, members: int) -> tuple[float, float]:
    """A line of the table: (the mean loss of one model, of the better ensemble)."""
    runs = [[lab.run(setting, seed) for seed in range(members)] for lab in labs]
    ones = [float(np.mean([lab.loss([run]) for run in held])) for lab, held in zip(labs, runs, strict=True)]
    averages = [
        [lab.loss(held, average) for lab, held in zip(labs, runs, strict=True)]
        for average in ("probabilities", "logits")
    ]
    shown = " ".join(f"{spread(found):>15}" for found in (ones, *averages))
    print(f"{name:36} {shown}   {json.dumps(setting)}", flush=True)
    return float(np.mean(ones)), min(float(np.mean(found)) for found in averages)


def main() -> None:
    """Run what is not there yet, and print the table."""
    options = parser(__doc__)
    options.add_argument("--members", type=int, default=3)
    options.add_argument("--draws", type=int, default=3)
    options.add_argument("--output", type=Path, default=Path("out/infinite-compute"))
    chosen = options.parse_args()
    one_thread()
    members, draws = (2, 1) if chosen.quick else (chosen.members, chosen.draws)
    labs = [Lab(chosen.output, draw) for draw in range(draws)]
    usual, best = tuned(labs[0], *(([67], [0.1, 1.0, 3.0]) if chosen.quick else (EPOCHS, DECAYS)))
    print(f"\n{'recipe':36} {'one':>15} {'probabilities':>15} {'logits':>15}")
    found = [row(labs, "usual decay, 67 epochs", START, members)]
    found += [row(labs, "usual decay, best epochs", usual, members), row(labs, "tuned", best, members)]
    taught = [students(lab, {**best, "decay": USUAL}, [lab.run(best, seed) for seed in range(members)]) for lab in labs]
    for name in taught[0]:
        print(f"{name:36} {spread([losses[name] for losses in taught]):>15}", flush=True)
    # members that are overfitted a little, as the paper advises
    more = {**best, "epochs": min(EPOCHS[-1], 2 * best["epochs"]), "decay": best["decay"] / 2}
    found.append(row(labs, "tuned, more epochs, half the decay", more, members))
    print(f"ratio: {found[1][0] / min(together for _, together in found):.3f}")


if __name__ == "__main__":
    main()
