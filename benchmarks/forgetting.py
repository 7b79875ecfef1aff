"""A laboratory of forgetting: a model of chain A learns chain B; what it then knows of both, by recipe.

    python -m benchmarks.forgetting [--quick] [--seeds 0,1,2] [--output out/forgetting]

Two Markov chains of 64 states, 70 % of whose rows differ, told apart by the first token. A Llama of 0.45M parameters (4 layers,
width 96) learns A for 900 steps of 32 rows of 32 tokens, then B for 120, at a rate of 1e-3. Held-out loss in nats; `forgotten` is
the rise on A as a share of full fine-tuning's. The last line is full fine-tuning's rise over that with 6 % replay.
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import parser
from benchmarks.small_runs import held_out, kept, one_thread, spread, trained, write_set

if TYPE_CHECKING:
    from curate.train.merge.merging import MergeSettings

STATES, LENGTH, ROWS = 64, 32, 32
#: of Dirichlet rows: their mean entropy is then 1.3 nats
CONCENTRATION = 0.026
SHAPE = {
    "hidden_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 256,
}
#: of the task vector, in models that are made without training
PARTS = (0.25, 0.5, 0.75)


def chains(rng: np.random.Generator) -> dict[str, Any]:
    """Transitions of A and B, (64, 64) each."""
    first = rng.dirichlet(np.full(STATES, CONCENTRATION), STATES)
    second = first.copy()
    rows = rng.choice(STATES, round(0.7 * STATES), replace=False)
    second[rows] = rng.dirichlet(np.full(STATES, CONCENTRATION), len(rows))
    return {"a": first, "b": second}


def sequences(chain: Any, mark: int, count: int, rng: np.random.Generator) -> list[Any]:
    """Documents: the token that names the chain, and a walk."""
    ends = np.cumsum(chain, axis=1)
    ends[:, -1] = 1
    out = np.empty((count, LENGTH), np.int64)
    out[:, 0] = mark
    out[:, 1] = rng.integers(0, STATES, count)
    for place in range(2, LENGTH):
        out[:, place] = (ends[out[:, place - 1]] < rng.random((count, 1))).sum(axis=1)
    return list(out)


def make_data(folder: Path) -> None:
    """Sets of A and B to train on, and of both held out."""
    rng = np.random.default_rng(0)
    by_name = chains(rng)
    marks = {"a": STATES, "b": STATES + 1}
    for name, count in (("a", 30_000), ("b", 6_000)):
        write_set(folder / name, {name: sequences(by_name[name], marks[name], count, rng)}, STATES + 2)
    held = {name: sequences(by_name[name], marks[name], 256, rng) for name in by_name}
    write_set(folder / "held-out", held, STATES + 2)


def settings(folder: Path, name: str, data: list[str], steps: int, seed: int, **more: Any) -> dict[str, Any]:
    """Of a run at the lab's size."""
    return {
        "name": name, "seed": seed, "data": [str(folder / "data" / part) for part in data], "context": LENGTH, "rows": ROWS,
        "micro_rows": ROWS, "steps": steps, "mixture": {"kind": "static", "weights": {part: 1.0 for part in data}},
        "optimizer": {"lr": 1e-3}, "schedule": {"kind": "constant", "warmup": 0.05}, "log_every": steps,
        "evaluate": {"data": str(folder / "data" / "held-out"), "every": steps}, "checkpoint": {"every": steps},
        "output": str(folder / f"{name}-{seed}"), **more,
    }  # fmt: skip


def recipes(folder: Path) -> dict[str, dict[str, Any]]:
    """Those that train, by name: what they change in the run on B."""
    old = str(folder / "data" / "a")
    replay = {
        f"replay {share:.0%}": {"data": [str(folder / "data" / "b"), old],
                                "mixture": {"kind": "static", "weights": {"b": 1 - share, "a": share}}}
        for share in (0.06, 0.25)
    }  # fmt: skip
    return {
        "full fine-tuning": {},
        **replay,
        **{
            f"EWC {weight}": {"ewc": {"data": old, "rows": 256, "weight": weight}}
            for weight in (100, 10_000, 1_000_000)
        },
        **{f"anchored, kl {kl}": {"loss": {"kind": "anchored", "kl": kl}} for kl in (0.05, 0.5)},
        "half fine-tuning": {"train_only": {"kind": "hft"}},
        "layer decay 0.8": {"train_only": {"kind": "layer_decay", "decay": 0.8}},
        "freeze embeddings, 2 layers": {"train_only": {"kind": "freeze", "below": 2}},
        "DFT, floor 0.1": {"loss": {"kind": "dft", "p_floor": 0.1}},
    }


def merged(folder: Path, base: Path, models: list[Path]) -> dict[str, list[dict[str, float]]]:
    """Held-out losses of models that are made of others without training: of each seed, and of all seeds together."""
    from curate.train.merge.merging import MergeSettings

    wanted = {f"scaled x {x}": [MergeSettings("arithmetic", (str(m),), str(base), (x,)) for m in models] for x in PARTS}
    wanted |= {
        f"LiNeS, alpha {x}": [MergeSettings("lines", (str(m),), str(base), alpha=x) for m in models] for x in PARTS
    }
    if len(models) > 1:
        wanted[f"soup of {len(models)} seeds"] = [MergeSettings("soup", tuple(map(str, models)))]
    return {name: [_measured(folder, one) for one in chosen] for name, chosen in wanted.items()}


def _measured(folder: Path, chosen: MergeSettings) -> dict[str, float]:
    from curate.train.held_out import HeldOut
    from curate.train.merge.merging import merge
    from curate.train.models import reload_model
    from curate.train.token_set import TokenSet

    output = folder / "merged"
    shutil.rmtree(output, ignore_errors=True)
    merge(chosen, output, note=lambda _: None)
    measure = HeldOut(TokenSet.open(folder / "data" / "held-out"), context=LENGTH)
    losses = measure.figures(reload_model(output, False))
    return {source: losses[source]["loss"] for source in ("a", "b")}


def table(base: dict[str, float], found: dict[str, list[dict[str, float]]]) -> float:
    """Print it; full fine-tuning's rise on A over that with 6 % replay."""
    rises = {name: statistics.mean(each["a"] for each in held) - base["a"] for name, held in found.items()}
    whole = rises["full fine-tuning"]
    print(f"\n{'recipe':28} {'A':>16} {'B':>16}  forgotten  seeds")
    print(f"{'base':28} {base['a']:16.3f} {base['b']:16.3f}")
    for name, held in found.items():
        a, b = (spread([each[source] for each in held]) for source in ("a", "b"))
        print(f"{name:28} {a:>16} {b:>16} {rises[name] / whole:9.0%} {len(held):6}")
    return whole / rises["replay 6%"]


def main() -> None:
    """Run what is not there yet, and print the table."""
    options = parser(__doc__)
    options.add_argument("--seeds", default="", help="0,1,2; with --quick 0")
    options.add_argument("--output", type=Path, default=Path("out/forgetting"))
    chosen = options.parse_args()
    one_thread()
    folder = chosen.output / ("quick" if chosen.quick else "full")
    steps, tuning = (250, 40) if chosen.quick else (900, 120)
    seeds = [int(seed) for seed in (chosen.seeds or ("0" if chosen.quick else "0,1,2")).split(",")]
    make_data(folder / "data")

    first = settings(folder, "base", ["a"], steps, 0, model={"preset": "1m", "config": SHAPE})
    base = kept(folder / "results" / "base.json", lambda: held_out(trained(first)), of=first)
    model = folder / "base-0" / "model"
    found: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        for name, more in recipes(folder).items():
            slug = name.replace(" ", "-").replace(",", "").replace("%", "")
            run = {**settings(folder, slug, ["b"], tuning, seed, model={"from": str(model)}), **more}
            path = folder / "results" / f"{slug}-{seed}.json"
            losses = kept(path, lambda run=run: held_out(trained(run)), of=[first, run])  # type: ignore[misc]
            found.setdefault(name, []).append(losses)
    tuned = [folder / f"full-fine-tuning-{seed}" / "model" for seed in seeds]
    of = [base, found["full fine-tuning"]]
    made = kept(folder / "results" / "merged.json", lambda: merged(folder, model, tuned), of=of)
    print(f"ratio: {table(base, found | made):.2f}")


if __name__ == "__main__":
    main()
