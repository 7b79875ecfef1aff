"""`curate train FILE`, and `train:` of a pipeline file: read the settings, take the folder, train."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from curate.config import Overrides, Pipeline, is_pipeline, load
from curate.config import read_training as read_settings
from curate.errors import ConfigError, MissingAsset, Problem
from curate.job import file_of
from curate.model_errors import untold
from curate.train.after import EVALUATION, tell_evaluation
from curate.train.checks import Where, data_problems, setting_problems, start_problems
from curate.train.settings import TrainSettings
from curate.train.token_set import MANIFEST, TOKENS
from curate.train.trackers import NAMES, TENSORBOARD

INSTALL = "pip install 'curate[train]'"
KEPT = ("checkpoints", "steps", "metrics.jsonl", "model", "graph", "ewc", "mixture.svg", TENSORBOARD, NAMES, EVALUATION)
#: where a pipeline's own training stands in its output folder
TRAINING = "train"


def train_file(file: str, *, output: str | None, settings: Sequence[str], force: bool) -> None:
    """Train, or go on training; says where the model is. Raises ConfigError with all that is wrong, before any work."""
    chosen, where = read_training(file, output=output, settings=settings)
    train_run(chosen, where, force=force)


def read_training(file: str, *, output: str | None, settings: Sequence[str]) -> tuple[TrainSettings, Where]:
    """The settings of a training file, or of `train:` in a pipeline file, and where they stand. Raises ConfigError.

    A pipeline may be named by its output folder, as everywhere.
    """
    if (Path(file) / "checkpoints").is_dir():
        what = "is the output of a training, which does not keep its file"
        raise ConfigError([Problem(file, what, "name the training file: the run goes on from its newest checkpoint")])
    folder, file = (file, file_of(file)) if Path(file).is_dir() else (None, file)
    if is_pipeline(file):
        pipeline = load(file, Overrides(output=folder, settings=tuple(settings)))
        if pipeline.train and not (pipeline.folder_out / TOKENS / MANIFEST).exists():
            what, hint = (
                f"`{pipeline.folder_out}` has no tokens yet",
                f"curate run {file}, and its --output if that is another",
            )
            raise ConfigError([Problem(pipeline.source.where(("output",)), what, hint)])
        chosen, where = training_of(pipeline), place_of(pipeline)
    else:
        made, source, problems = read_settings(file, settings)
        placed = made and made.placed(Path(file).parent)
        if problems or placed is None:
            raise ConfigError([*problems, *(untold(mistakes(placed, source.where), problems) if placed else ())])
        chosen, where = placed.with_held_out(), source.where
    return (chosen if output is None else chosen.model_copy(update={"output": output})), where


def training_of(pipeline: Pipeline) -> TrainSettings:
    """The training of a pipeline: on its own tokens, in the folder `train` of its output. Raises ConfigError."""
    if pipeline.train is None:
        raise ConfigError(
            [Problem(pipeline.file, "is a pipeline file without `train:`", "add one, or a training file")]
        )
    folder = pipeline.folder_out
    own = {"data": [str(folder / TOKENS)], "output": str(folder / TRAINING)}
    return pipeline.train.placed(pipeline.folder).model_copy(update=own).with_held_out()


def place_of(pipeline: Pipeline) -> Where:
    """Where a setting of `train:` stands in the file."""
    return lambda key: pipeline.source.where(("train", *key))


def train_run(settings: TrainSettings, where: Where, *, force: bool = False, closing: bool = True) -> Path:
    """Train, or go on; the folder of the last checkpoint. `closing` says at the end where what was made stands.

    Raises ConfigError with all that is wrong, before any work.
    """
    try:
        from transformers.utils import logging

        from curate.train.loop import train
        from curate.train.parallel import Parallel
    except ImportError as error:
        raise MissingAsset(settings.name, f"training needs the package {error.name}", INSTALL) from error
    refuse_mistakes(settings, where)
    # its bars stand between the lines of progress
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder = Path(settings.output)
    with Parallel(settings) as parallel:
        if parallel.first:
            if force:
                _forget(folder)
            folder.mkdir(parents=True, exist_ok=True)
        parallel.wait()
        last = train(settings, parallel)
        if parallel.first:
            tell_evaluation(settings, folder)
        if parallel.first and closing:
            print(
                f"\ntrained {settings.steps:,} steps\n\n  model    {folder}/model    loads with transformers\n"
                f"  metrics  {folder}/metrics.jsonl\n  state    {last}\n\n"
                f"next:\n  curate trace {folder} --step {settings.steps - 1}"
            )
    return last


def refuse_mistakes(settings: TrainSettings, where: Where) -> None:
    """Raises ConfigError with all that is wrong with the settings or the sets."""
    if problems := mistakes(settings, where):
        raise ConfigError(problems)


def mistakes(settings: TrainSettings, where: Where) -> list[Problem]:
    """What is wrong with the settings or the sets."""
    # of data that are not there nobody knows whether something was held out
    unknown = not all((Path(folder) / MANIFEST).is_file() for folder in settings.data_folders)
    return [
        *setting_problems(settings, where, held_out=unknown), *start_problems(settings, where), *data_problems(settings, where)
    ]  # fmt: skip


def _forget(folder: Path) -> None:
    """Remove what an earlier run left in the folder, and nothing else."""
    for name in KEPT:
        path = folder / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
