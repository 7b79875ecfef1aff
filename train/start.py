"""`curate train FILE`: read the settings, take the folder, train."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from curate.config import read_settings
from curate.errors import ConfigError, CurateError, MissingAsset, Problem
from curate.train.settings import TrainSettings

INSTALL = "pip install 'curate[train]'"
KEPT = ("checkpoints", "steps", "metrics.jsonl", "model", "graph")


def train_file(file: str, *, output: str | None, settings: Sequence[str], force: bool) -> None:
    """Train, or go on training; says where the model is. Raises ConfigError with all that is wrong, before any work."""
    read = read_settings(TrainSettings, file, overrides=settings).placed(Path(file).parent)
    if output is not None:
        read = read.model_copy(update={"output": output})
    try:
        from transformers.utils import logging

        from curate.train.loop import train
        from curate.train.parallel import Parallel
    except ImportError as error:
        raise MissingAsset(file, f"training needs the package {error.name}", INSTALL) from error
    _check(read, file)
    # its bars stand between the lines of progress
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder = Path(read.output)
    with Parallel(read) as parallel:
        if parallel.first:
            if force:
                _forget(folder)
            folder.mkdir(parents=True, exist_ok=True)
        parallel.wait()
        last = train(read, parallel)
        if parallel.first:
            print(
                f"\ntrained {read.steps:,} steps\n\n  model    {folder}/model    loads with transformers\n"
                f"  metrics  {folder}/metrics.jsonl\n  state    {last}\n\nnext:\n  curate trace {folder} --step {read.steps - 1}"
            )


def _forget(folder: Path) -> None:
    """Remove what an earlier run left in the folder, and nothing else."""
    for name in KEPT:
        path = folder / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)


def _check(settings: TrainSettings, file: str) -> None:
    """Mistakes that the types do not show, all at once."""
    from curate.train.mixture import make_method
    from curate.train.models import PRESETS
    from curate.train.token_set import TokenSet

    problems = []
    preset = settings.model.preset
    if preset is not None and preset not in PRESETS:
        problems.append(Problem(f"{file} model.preset", f"unknown preset `{preset}`", f"allowed: {', '.join(PRESETS)}"))
    folders = [(f"{file} data", folder) for folder in settings.data_folders]
    if settings.evaluate:
        folders.append((f"{file} evaluate.data", settings.evaluate.data))
    known: dict[str, int] = {}
    for where, folder in folders:
        try:
            found = TokenSet.open(folder)
            if where.endswith(" data"):
                known |= {name: held["tokens"] for name, held in found.sources.items()}
        except ConfigError as error:
            problems += [Problem(f"{where}: {p.where}", p.what, p.hint) for p in error.problems]
        except CurateError as error:
            problems.append(Problem(f"{where}: {error.where}", error.what, error.hint))
    held_out = set(TokenSet.open(settings.evaluate.data).sources) if settings.evaluate and not problems else set()
    if known and not problems and not isinstance(settings.mixture.get("graph"), dict):
        try:
            make_method(settings.mixture, known, held_out)
        except ConfigError as error:
            problems += [Problem(f"{file} {p.where}", p.what, p.hint) for p in error.problems]
    if settings.rows % settings.micro_rows and settings.rows > settings.micro_rows:
        what = f"{settings.rows} rows are not a multiple of micro_rows, {settings.micro_rows}"
        problems.append(Problem(f"{file} micro_rows", what, "choose a divisor of rows"))
    if problems:
        raise ConfigError(problems)
