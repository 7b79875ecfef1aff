"""Training steps, tokens/s: `python -m benchmarks.training [--quick] [--preset 5m]`, against HF's Trainer and a plain loop.

Ours: the whole loop with loader, masks of documents, losses by source, guard and log of steps. The peers: `transformers.
Trainer` and a plain loop as in nanoGPT, on the same model and on rows of the same tokens, which they have in memory; both let
documents of a row attend to each other, which is cheaper. All take turns, a few steps each; medians are compared: on one core, one
thread, by processor time, or with `--device cuda` by the clock, in bfloat16, plain and compiled, and ours by the ways to
compute attention: `--device cuda --preset 125m --context 1024 --rows 32 --vocabulary 50304`.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import parser, pin_to_one_core, report
from curate.train.token_files import TokenFile, write_manifest
from curate.train.token_set import TOKENS

#: steps of some number -> the seconds that they took
Side = Callable[[int], float]


@dataclass(frozen=True)
class Task:
    """What all sides compute."""

    preset: str
    context: int
    rows: int
    vocabulary: int
    device: str

    @property
    def gpu(self) -> bool:
        """Whether it is computed on one, in bfloat16."""
        return self.device == "cuda"

    def now(self) -> float:
        """The clock of this device, in seconds; what was asked of a GPU is done."""
        if not self.gpu:
            return time.process_time()
        import torch

        torch.cuda.synchronize()
        return time.perf_counter()


def token_set(folder: Path, task: Task) -> Path:
    """At least half a million random tokens, in documents of 600 in the mean."""
    rng = np.random.default_rng(1)
    file = TokenFile(2, masked=False)
    count = max(800, 40 * task.rows * task.context // 600)
    for number, size in enumerate(np.maximum(2, rng.lognormal(6.4, 1.0, count)).astype(int)):
        file.add("web", str(number), "web", number, rng.integers(1, task.vocabulary, size))
    (folder / TOKENS).mkdir(parents=True)
    facts = {"path": f"{TOKENS}/00000.arrow", **file.write(folder / TOKENS / "00000.arrow")}
    tokenizer = {"name": "none", "sha256": "0" * 64, "vocabulary": task.vocabulary}
    write_manifest(folder, [facts], tokenizer=tokenizer, width=2, masked=False)
    return folder


def ours(data: Path, output: Path, task: Task, *, attention: str = "sdpa", compiled: bool = False) -> Side:
    """curate train, without its evaluations and checkpoints."""
    from curate.train.loop import prepare, train_step
    from curate.train.parallel import Parallel
    from curate.train.settings import TrainSettings

    settings = TrainSettings.model_validate(
        {"name": "b", "data": str(data), "model": {"preset": task.preset, "attention": attention}, "context": task.context,
         "rows": task.rows, "micro_rows": task.rows, "steps": 10_000, "output": str(output), "device": task.device,
         "packing": "concatenate", "compile": compiled}
    )  # fmt: skip
    output.mkdir()
    parallel = Parallel(settings)
    parallel.__enter__()
    run = prepare(settings, parallel)

    def steps(count: int) -> float:
        start = task.now()
        for _ in range(count):
            train_step(run, next(run.loader))
            run.step += 1
        return task.now() - start

    return steps


def model(task: Task) -> Any:
    """The model of both peers: that of ours."""
    from curate.train.models import make_model
    from curate.train.settings import ModelSettings

    settings = ModelSettings(preset=task.preset)
    return make_model(settings, vocabulary=task.vocabulary, context=task.context, eos=None, seed=0)


def rows_of(data: Path, task: Task) -> Any:
    """Documents joined and cut into rows."""
    from curate.train.token_set import TokenSet

    joined = np.concatenate([document.tokens for document in TokenSet.open(data).documents("web")]).astype(np.int64)
    return joined[: len(joined) // task.context * task.context].reshape(-1, task.context)


def plain(data: Path, task: Task, *, compiled: bool = False) -> Side:
    """As nanoGPT: random rows, full logits, AdamW, clipped gradients, the loss read every step."""
    import torch

    made, rows = model(task).to(task.device).train(), torch.from_numpy(rows_of(data, task))
    decay = [p for p in made.parameters() if p.ndim >= 2]
    rest = [p for p in made.parameters() if p.ndim < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=task.gpu)
    half: Any = torch.autocast("cuda", torch.bfloat16) if task.gpu else contextlib.nullcontext()

    def loss_of(ids: Any) -> Any:
        logits = made(input_ids=ids, use_cache=False).logits
        return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())

    computed = torch.compile(loss_of) if compiled else loss_of

    def steps(count: int) -> float:
        start = task.now()
        for _ in range(count):
            ids = rows[torch.randint(len(rows), (task.rows,))].to(task.device)
            with half:
                loss = computed(ids)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            loss.item()
        return task.now() - start

    return steps


def trainer(data: Path, folder: Path, task: Task, *, compiled: bool = False) -> Side:
    """transformers.Trainer with its defaults; its own start is left out."""
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    rows = rows_of(data, task)
    samples = [{"input_ids": row, "labels": row} for row in rows]

    class Clock(TrainerCallback):
        """The time from the end of the first steps to that of the last."""

        begun = ended = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.ended = task.now()
            # a compiled step is compiled anew in each turn
            if state.global_step == (4 if compiled else 1):
                self.begun = self.ended

    def steps(count: int) -> float:
        clock = Clock()
        arguments = TrainingArguments(
            output_dir=str(folder), max_steps=count + (4 if compiled else 1), per_device_train_batch_size=task.rows,
            report_to=[], use_cpu=not task.gpu, bf16=task.gpu, torch_compile=compiled, save_strategy="no",
            logging_strategy="no", learning_rate=1e-3, weight_decay=0.1, disable_tqdm=True,
        )  # fmt: skip
        Trainer(model=model(task), args=arguments, train_dataset=samples, callbacks=[clock]).train()  # type: ignore[arg-type]
        return clock.ended - clock.begun

    return steps


def sides_of(folder: Path, data: Path, task: Task) -> dict[str, Callable[[], Side]]:
    """What is compared: each is made when its turn comes first."""
    sides: dict[str, Callable[[], Side]] = {
        "curate": lambda: ours(data, folder / "out", task),
        "plain loop": lambda: plain(data, task),
        "transformers.Trainer": lambda: trainer(data, folder / "trainer", task),
    }
    if task.gpu:
        sides |= {
            "curate, varlen": lambda: ours(data, folder / "varlen", task, attention="varlen"),
            "curate, compiled": lambda: ours(data, folder / "compiled", task, compiled=True),
            "curate, varlen, compiled": lambda: ours(
                data, folder / "both", task, attention="varlen", compiled=True
            ),
            "curate, flex_attention, compiled": lambda: ours(
                data, folder / "flex", task, attention="flex_attention", compiled=True
            ),
            "plain loop, compiled": lambda: plain(data, task, compiled=True),
            "transformers.Trainer, compiled": lambda: trainer(data, folder / "t2", task, compiled=True),
        }  # fmt: skip
    return sides


def speeds_of(side: Side, task: Task, *, turns: int, count: int) -> list[float]:
    """Tokens/s of some turns, after one to warm up."""
    side(count)
    return [count * task.rows * task.context / side(count) for _ in range(turns)]


def main() -> int:
    """Take turns and print the ratio."""
    options = parser(__doc__)
    options.add_argument("--preset", default="1m")
    options.add_argument("--context", type=int, default=256)
    options.add_argument("--rows", type=int, default=16)
    options.add_argument("--vocabulary", type=int, default=4096)
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--only", default="", help="sides, with a semicolon between")
    chosen = options.parse_args()
    task = Task(chosen.preset, chosen.context, chosen.rows, chosen.vocabulary, chosen.device)
    import torch

    if not task.gpu:
        pin_to_one_core()
        torch.set_num_threads(1)
    turns, count = (3, 4) if chosen.quick else (7, 10)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = token_set(folder / "tokens", task)
        made = sides_of(folder, data, task)
        made = {side: make for side, make in made.items() if not chosen.only or side in chosen.only.split(";")}
        speeds: dict[str, list[float]] = {side: [] for side in made}
        if task.gpu:
            # one after another: a GPU is not shared with others, and its memory is for one
            for side, make in made.items():
                try:
                    speeds[side] = speeds_of(make(), task, turns=turns, count=count)
                except Exception as error:  # the others are still worth knowing
                    print(f"{side}: {type(error).__name__}: {str(error)[:300]}")
                print(
                    f"{side}: {statistics.median(speeds[side] or [0]):,.0f} tokens/s, {torch.cuda.max_memory_allocated() / 1e9:.1f} GB",
                    flush=True,
                )
                torch._dynamo.reset()
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
        else:
            taken = {side: make() for side, make in made.items()}
            for turn in range(turns + 1):
                for side, steps in taken.items():
                    seconds = steps(count)
                    if turn:  # the first is to warm up
                        speeds[side].append(count * task.rows * task.context / seconds)
    medians = {side: statistics.median(found) for side, found in speeds.items() if found}
    rows = [(f"{side}, {task.preset}", figure, "tokens/s") for side, figure in medians.items()]
    if "plain loop" in medians:
        rows.append(("ratio to the plain loop", medians["curate"] / medians["plain loop"], ""))
    report(rows, medians["curate"] / medians["transformers.Trainer"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
