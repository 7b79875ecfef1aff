"""What the laboratories share: sets of made-up tokens, runs that go on where they were stopped, figures that are kept."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curate.files import committed_folder, digest, read_json, write_json
from curate.train.token_files import TokenFile, write_manifest
from curate.train.token_set import TOKENS


def write_set(folder: Path, by_source: Mapping[str, Sequence[Any]], vocabulary: int) -> Path:
    """A tokenised set of documents by source, unless it is there: each ids, (ids, mask), or (ids, None, scores)."""
    if folder.exists():
        return folder
    documents = {
        source: [made if isinstance(made, tuple) else (made,) for made in held] for source, held in by_source.items()
    }
    first = next(iter(documents.values()))[0]
    masked, scored = len(first) > 1 and first[1] is not None, len(first) > 2
    width = 2 if vocabulary <= 1 << 16 else 4
    file = TokenFile(width, masked=masked, scored=scored)
    for source, held in documents.items():
        for number, made in enumerate(held):
            ids, mask, scores = (*(None if part is None else np.asarray(part) for part in made), None, None)[:3]
            assert ids is not None
            file.add(source, f"{source}-{number}", source, number, ids, mask, scores)
    with committed_folder(folder) as place:
        (place / TOKENS).mkdir()
        facts = {"path": f"{TOKENS}/00000.arrow", **file.write(place / TOKENS / "00000.arrow")}
        tokenizer = {"name": "numbers", "sha256": "0" * 64, "vocabulary": vocabulary}
        write_manifest(place, [facts], tokenizer=tokenizer, width=width, masked=masked, scored=scored)
    return folder


def trained(settings: Mapping[str, Any]) -> Path:
    """The last checkpoint of a run on the CPU, which goes on where it was stopped."""
    from curate.train.loop import train
    from curate.train.parallel import Parallel
    from curate.train.settings import TrainSettings

    chosen = TrainSettings.model_validate({"device": "cpu", **settings})
    Path(chosen.output).mkdir(parents=True, exist_ok=True)
    with Parallel(chosen) as parallel:
        return train(chosen, parallel)


def watched(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train without checkpoints, which are 1.6 GB for a model of 135M parameters; a run that was stopped begins anew.

    `losses`: [step, held-out loss] before the run and at each evaluation, of the only source that is held out; `weights` of
    the last mixture by source; `seconds` of the steps and evaluations.
    """
    from curate.train.loop import evaluate, mix, prepare, train_step
    from curate.train.parallel import Parallel
    from curate.train.settings import TrainSettings

    chosen = TrainSettings.model_validate({"device": "cpu", **settings})
    assert chosen.evaluate is not None
    Path(chosen.output).mkdir(parents=True, exist_ok=True)
    losses: list[tuple[int, float]] = []
    with Parallel(chosen) as parallel:
        run = prepare(chosen, parallel)
        begun = time.monotonic()
        while True:
            if run.step % chosen.evaluate.every == 0 or run.step == chosen.steps:
                evaluate(run)
                losses.append((run.step, next(iter(run.held_out.values()))["loss"]))
            if run.step == chosen.steps:
                break
            if run.mixture.due(run.step):
                mix(run)
            train_step(run, next(run.loader))
            run.step += 1
        seconds = time.monotonic() - begun
        _, weights = run.loader.state()["weights"][-1]
        run.loader.close()
    return {"losses": losses, "weights": weights, "seconds": seconds}


def held_out(checkpoint: Path) -> dict[str, float]:
    """Losses by source at the end of a run."""
    from curate.train.checkpoint import state_of

    return {name: entry["loss"] for name, entry in state_of(checkpoint)["held_out"].items()}


def kept(path: Path, make: Callable[[], Any], *, of: Any = None) -> Any:
    """The figures in a file of JSON, made unless they are there; `of`, what they are of, becomes a part of its name."""
    if of is not None:
        path = path.with_name(f"{path.stem}-{digest(of)[:12]}{path.suffix}")
    found = read_json(path)
    if found is None:
        found = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, found)
    return found


def one_thread() -> None:
    """Compute with one thread, and keep bars from between the lines."""
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"
