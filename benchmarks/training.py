"""Training steps, tokens/s on one core: `python -m benchmarks.training [--quick] [--preset 5m]`, against HF's Trainer.

Ours: the whole loop with loader, masks of documents, losses by source, guard and log of steps. The peers: `transformers.
Trainer` and a plain loop as in nanoGPT, on the same model and on rows of the same tokens, which they have in memory; both let
documents of a row attend to each other, which is cheaper. The three take turns, a few steps each, one
thread; the medians by processor time are compared.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import parser, pin_to_one_core, report
from curate.train.token_files import TokenFile, write_manifest
from curate.train.token_set import TOKENS

CONTEXT, ROWS, VOCABULARY = 256, 16, 4096


def token_set(folder: Path) -> Path:
    """Half a million random tokens in documents of 600 in the mean."""
    rng = np.random.default_rng(1)
    file = TokenFile(2, masked=False)
    for number, size in enumerate(np.maximum(2, rng.lognormal(6.4, 1.0, 800)).astype(int)):
        file.add("web", str(number), "web", number, rng.integers(1, VOCABULARY, size))
    (folder / TOKENS).mkdir(parents=True)
    facts = {"path": f"{TOKENS}/00000.arrow", **file.write(folder / TOKENS / "00000.arrow")}
    write_manifest(
        folder, [facts], tokenizer={"name": "none", "sha256": "0" * 64, "vocabulary": VOCABULARY}, width=2, masked=False
    )
    return folder


def ours(data: Path, output: Path, preset: str) -> Callable[[int], float]:
    """A function that trains so many steps and gives the seconds."""
    from curate.train.loop import prepare, train_step
    from curate.train.parallel import Parallel
    from curate.train.settings import TrainSettings

    settings = TrainSettings.model_validate(
        {"name": "b", "data": str(data), "model": {"preset": preset}, "context": CONTEXT, "rows": ROWS, "micro_rows": ROWS,
         "steps": 10_000, "output": str(output), "device": "cpu", "packing": "concatenate"}
    )  # fmt: skip
    output.mkdir()
    run = prepare(settings, Parallel(settings))

    def steps(count: int) -> float:
        start = time.process_time()
        for _ in range(count):
            train_step(run, next(run.loader))
            run.step += 1
        return time.process_time() - start

    return steps


def model(preset: str) -> Any:
    """The model of both peers: that of ours."""
    from curate.train.models import make_model
    from curate.train.settings import ModelSettings

    return make_model(ModelSettings(preset=preset), vocabulary=VOCABULARY, context=CONTEXT, eos=None, seed=0)


def rows_of(data: Path) -> Any:
    """Documents joined and cut into rows."""
    from curate.train.token_set import TokenSet

    joined = np.concatenate([document.tokens for document in TokenSet.open(data).documents("web")]).astype(np.int64)
    return joined[: len(joined) // CONTEXT * CONTEXT].reshape(-1, CONTEXT)


def plain(data: Path, preset: str) -> Callable[[int], float]:
    """As nanoGPT: random rows, full logits, AdamW, clipped gradients, the loss read every step."""
    import torch

    made, rows = model(preset).train(), torch.from_numpy(rows_of(data))
    decay = [p for p in made.parameters() if p.ndim >= 2]
    rest = [p for p in made.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=1e-3
    )

    def steps(count: int) -> float:
        start = time.process_time()
        for _ in range(count):
            ids = rows[torch.randint(len(rows), (ROWS,))]
            logits = made(input_ids=ids, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            loss.item()
        return time.process_time() - start

    return steps


def trainer(data: Path, folder: Path, preset: str) -> Callable[[int], float]:
    """transformers.Trainer with its defaults; its own start is left out."""
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    rows = rows_of(data)
    samples = [{"input_ids": row, "labels": row} for row in rows]

    class Clock(TrainerCallback):
        """The time from the end of the first step to that of the last."""

        begun = ended = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.ended = time.process_time()
            self.begun = self.begun or self.ended

    def steps(count: int) -> float:
        clock = Clock()
        arguments = TrainingArguments(
            output_dir=str(folder), max_steps=count + 1, per_device_train_batch_size=ROWS, report_to=[], use_cpu=True,
            save_strategy="no", logging_strategy="no", learning_rate=1e-3, weight_decay=0.1, disable_tqdm=True,
        )  # fmt: skip
        Trainer(model=model(preset), args=arguments, train_dataset=samples, callbacks=[clock]).train()  # type: ignore[arg-type]
        return clock.ended - clock.begun

    return steps


def main() -> int:
    """Take turns and print the ratio."""
    options = parser(__doc__)
    options.add_argument("--preset", default="1m")
    chosen = options.parse_args()
    pin_to_one_core()
    import torch

    torch.set_num_threads(1)
    turns, count = (3, 4) if chosen.quick else (7, 10)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = token_set(folder / "tokens")
        sides = {
            "curate": ours(data, folder / "out", chosen.preset),
            "plain loop": plain(data, chosen.preset),
            "transformers.Trainer": trainer(data, folder / "trainer", chosen.preset),
        }
        speeds: dict[str, list[float]] = {side: [] for side in sides}
        for turn in range(turns + 1):
            for side, steps in sides.items():
                seconds = steps(count)
                if turn:  # the first is to warm up
                    speeds[side].append(count * ROWS * CONTEXT / seconds)
    medians = {side: statistics.median(found) for side, found in speeds.items()}
    rows = [(f"{side}, {chosen.preset}", figure, "tokens/s") for side, figure in medians.items()]
    rows.append(("ratio to the plain loop", medians["curate"] / medians["plain loop"], ""))
    report(rows, medians["curate"] / medians["transformers.Trainer"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
