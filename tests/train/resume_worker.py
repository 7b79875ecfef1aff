"""A training process without a model, for tests: reads batches, notes their hash, saves the state, may be killed at any time.

python resume_worker.py SETS OUT STEPS [PAUSE]          alone
torchrun-like environment (RANK, WORLD_SIZE, ...)        with real gloo processes: rank 0 notes the global batch
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

from curate.files import write_json
from curate.train.loader import Loader
from curate.train.plan import PlanSettings
from curate.train.token_set import TokenSet

SETTINGS = PlanSettings(context=96, rows=4, seed=11, packing="best_fit")
WEIGHTS = ({"a": 1, "b": 3}, {"a": 1, "b": 1}, {"a": 4, "b": 1})


def main() -> None:
    folder, out, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    pause = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    state = json.loads((out / "state.json").read_text()) if (out / "state.json").exists() else None
    sets = [TokenSet.open(folder)]
    if state:
        loader = Loader(sets, state=state, rank=rank, world=world, threads=rank)
    else:
        loader = Loader(sets, SETTINGS, weights=WEIGHTS[0], rank=rank, world=world)
    gather = _gatherer(rank, world)
    while loader.step < steps:
        if loader.step and loader.step % 5 == 0:
            loader.set_weights(WEIGHTS[loader.step // 5 % 3])
        step = loader.step
        batch = next(loader)
        parts = gather(
            [batch.tokens.tolist(), batch.labels.tolist(), batch.positions.tolist(), batch.documents.tolist()]
        )
        if rank == 0:
            rows = [[part[field][row] for row in range(len(parts[0][0])) for part in parts] for field in range(4)]
            name = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
            write_json(out / f"step-{step:03d}.json", name)
            write_json(out / "state.json", loader.state())
        time.sleep(pause)
    loader.close()
    if world > 1:
        import torch.distributed as dist

        # gloo's threads are joined here; at the end of a process that has not left the group they may end it with a signal
        dist.barrier()
        dist.destroy_process_group()


def _gatherer(rank: int, world: int):  # type: ignore[no-untyped-def]
    if world == 1:
        return lambda value: [value]
    import torch.distributed as dist

    dist.init_process_group("gloo", rank=rank, world_size=world)

    def gather(value):  # type: ignore[no-untyped-def]
        parts = [None] * world
        dist.all_gather_object(parts, value)
        return parts

    return gather


if __name__ == "__main__":
    main()
