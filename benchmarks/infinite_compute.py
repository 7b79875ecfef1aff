"""Few data, much compute: weight decay, epochs, ensembles and distillation on 96 sequences.

    python -m benchmarks.infinite_compute [--quick] [--members 3] [--output out/infinite-compute]

The recipe of "Pre-training under infinite compute" (Kim et al. 2025, arXiv 2509.14786) in a laboratory: 96 walks of 32 tokens over
a Markov chain of 64 states, a Llama of 0.45M parameters, batches of 32. Coordinate descent over rate, epochs and weight decay
begins at the standard recipe; ensembles of seeds by both averages; a student of the ensemble, and one of a single member.
The last line is the standard recipe's loss over the best.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import parser
from benchmarks.forgetting import LENGTH, ROWS, SHAPE, STATES, chains, sequences
from benchmarks.small_runs import held_out, kept, one_thread, spread, trained, write_set
from curate.train.power_law import fit
from curate.train.tuning import coordinate_descent

# sequences that are trained on, and that all losses are of
SEQUENCES, HELD_OUT = 96, 512
GRID: dict[str, list[Any]] = {
    "lr": [3e-4, 1e-3, 3e-3],
    "epochs": [17, 33, 67],
    "decay": [0.0, 0.1, 0.3, 1.0, 3.0, 10.0],
}
STANDARD: dict[str, Any] = {"lr": 1e-3, "epochs": 67, "decay": 0.1}


class Lab:
    """Runs by their settings, kept below a folder."""

    def __init__(self, folder: Path, shorter: int) -> None:
        """Epochs are divided by `shorter`."""
        self._folder, self._shorter = folder, shorter
        rng = np.random.default_rng(3)
        chain = chains(rng)["a"]
        write_set(folder / "train", {"a": sequences(chain, STATES, SEQUENCES, rng)}, STATES + 2)
        self.held = write_set(folder / "held-out", {"a": sequences(chain, STATES, HELD_OUT, rng)}, STATES + 2)

    def run(
        self, setting: dict[str, Any], seed: int, loss: Any = "cross_entropy", name: str = ""
    ) -> tuple[Path, float]:
        """(the model, its held-out loss)."""
        slug = f"{name}{setting['lr']:g}-{setting['epochs']}-{setting['decay']:g}-{seed}"
        steps = max(1, setting["epochs"] // self._shorter) * SEQUENCES // ROWS
        output = self._folder / "runs" / slug
        settings = {
            "name": slug, "seed": seed, "data": str(self._folder / "train"), "context": LENGTH, "rows": ROWS,
            "micro_rows": ROWS, "steps": steps, "model": {"preset": "1m", "config": SHAPE}, "loss": loss,
            "optimizer": {"lr": setting["lr"], "weight_decay": setting["decay"]}, "schedule": {"kind": "cosine", "warmup": 0.05},
            "log_every": steps, "evaluate": {"data": str(self.held), "every": steps, "documents": HELD_OUT}, "checkpoint": {"every": steps},
            "output": str(output),
        }  # fmt: skip
        found = kept(self._folder / "results" / f"{slug}.json", lambda: held_out(trained(settings)), of=settings)
        return output / "model", found["a"]

    def together(self, models: list[Path], average: Any) -> float:
        """Held-out loss of an ensemble."""
        from curate.train.ensembles import Ensemble
        from curate.train.held_out import HeldOut
        from curate.train.token_set import TokenSet

        return HeldOut(TokenSet.open(self.held), documents=HELD_OUT, context=LENGTH).loss(
            Ensemble.load(models, average)
        )


def ensembles(lab: Lab, setting: dict[str, Any], members: int) -> dict[str, Any]:
    """Losses of single models, and of the first k together by both averages."""
    runs = [lab.run(setting, seed) for seed in range(members)]
    models = [model for model, _ in runs]
    found: dict[str, Any] = {"setting": setting, "single": [loss for _, loss in runs]}
    for average in ("probabilities", "logits"):
        found[average] = [lab.together(models[:k], average) for k in range(1, members + 1)]
    return found


def show(name: str, found: dict[str, Any]) -> None:
    """A line of the table."""
    print(
        f"{name:34} {spread(found['single']):>15} {found['probabilities'][-1]:14.3f} {found['logits'][-1]:10.3f}",
        end="",
    )
    losses = found["probabilities"]
    if len(losses) >= 3:
        law = fit(list(range(1, len(losses) + 1)), losses)
        print(f"   {law.c:.3f}", end="")
    print(f"   {json.dumps(found['setting'])}")


def main() -> None:
    """Run what is not there yet, and print the table."""
    options = parser(__doc__)
    options.add_argument("--members", type=int, default=3)
    options.add_argument("--output", type=Path, default=Path("out/infinite-compute"))
    chosen = options.parse_args()
    one_thread()
    members = 2 if chosen.quick else chosen.members
    lab = Lab(chosen.output / ("quick" if chosen.quick else "full"), 4 if chosen.quick else 1)
    quick: dict[str, list[Any]] = {"lr": [1e-3], "epochs": [67], "decay": [0.1, 1.0, 3.0]}
    grid = quick if chosen.quick else GRID
    tuned, tried = coordinate_descent(grid, STANDARD, lambda setting: lab.run(setting, 0)[1])
    half = {**tuned, "epochs": min(67, 2 * tuned["epochs"]), "decay": tuned["decay"] / 2}
    print(f"{len(tried)} settings tried by coordinate descent, of {math.prod(len(values) for values in grid.values())}")
    for values, loss in sorted(tried.items(), key=lambda item: item[1])[:5]:
        print(f"  {loss:.3f}  {dict(zip(grid, values, strict=True))}")
    print(f"\n{'recipe':34} {'single':>15} {'probabilities':>14} {'logits':>10}   k to infinity")
    rows = {
        name: ensembles(lab, s, members)
        for name, s in (("standard", STANDARD), ("tuned", tuned), ("tuned, half the decay", half))
    }
    for name, found in rows.items():
        show(name, found)
    teachers = [str(lab.run(tuned, seed)[0]) for seed in range(members)]
    plain = {**tuned, "decay": STANDARD["decay"]}
    for name, given in (("student of all, decay 0.1", teachers), ("student of one, decay 0.1", teachers[:1])):
        teach = {"kind": "distill", "teachers": given, "weight": 0.5}
        losses = [lab.run(plain, 100 + seed, teach, f"distil{len(given)}-")[1] for seed in range(min(3, members))]
        print(f"{name:34} {spread(losses):>15}")
    best = min(min(found["probabilities"] + found["logits"]) for found in rows.values())
    print(f"ratio: {np.mean(rows['standard']['single']) / best:.3f}")


if __name__ == "__main__":
    main()
