"""`curate merge`: models made of the weights of others, tensor by tensor; memory holds one tensor of each.

    soup        the mean                                       greedy    the mean of those that lower the held-out loss
    arithmetic  base + scale * (model - base), of each          residual  model + (instruct - base)
    lines       as arithmetic, more of it in higher layers      ties      as arithmetic, by agreement of signs

The result is a folder that transformers loads, with a card that says what it was made of.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, Problem, gathering
from curate.files import committed_folder, write_json
from curate.train.layers import is_embedding, layers_in
from curate.train.merge import methods
from curate.train.merge.card import merge_card
from curate.train.merge.weights import SINGLE, Weights, check_alike, write_weights

KINDS = ("soup", "greedy", "arithmetic", "residual", "lines", "ties")
#: what is tried where the scale, or LiNeS' alpha, is chosen by held-out loss
GRID = tuple(i / 10 for i in range(11))
#: the share of each task vector that `ties` keeps, as in the paper
DENSITY = 0.2
#: options that only some kinds read
ONLY = {"scale": ("arithmetic", "lines", "ties"), "alpha": ("lines",), "density": ("ties",)}
#: what stands beside the weights and `config.json`: the tokenizer and how answers are written, and never other weights
REST = (
    "generation_config.json", "tokenizer*", "*.model", "vocab.*", "merges.txt", "added_tokens.json",
    "special_tokens_map.json", "chat_template*",
)  # fmt: skip
Make = Callable[[str], Any]


@dataclass(frozen=True)
class MergeSettings:
    """What to merge, and how.

    Attributes:
        models: folders; of `residual` the instruct model, then the model that goes on from the base.
        base: what task vectors are taken from.
        scale: of task vectors; of `arithmetic` one of each model or one of all; None: 1, or chosen on `evaluate`.
        alpha: LiNeS' factor of the lowest layer; the highest has 1.
        density: the share of each task vector that `ties` keeps; None: DENSITY.
        evaluate: a folder of `curate tokenize`, which is not trained on.
        dtype: of the result, such as float32; that of the models if absent.
    """

    kind: str
    models: tuple[str, ...]
    base: str | None = None
    scale: tuple[float, ...] = ()
    alpha: float | None = None
    density: float | None = None
    evaluate: str | None = None
    dtype: str | None = None


@dataclass
class Made:
    """What came of it: the models that went in, the factors that were used, and held-out losses by what was tried."""

    chosen: list[str]
    factors: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)


def merge(settings: MergeSettings, output: Path, *, note: Callable[[str], None] = print) -> Made:
    """Make the model. Raises ConfigError with all that is wrong before anything is written."""
    _check(settings, output)
    opened = _opened([*settings.models, *([settings.base] if settings.base else [])])
    models, base = opened[: len(settings.models)], opened[-1] if settings.base else None
    growing = settings.kind == "residual"
    check_alike([*([base] if base else []), *models], dtype=settings.dtype, growing=growing)
    judge = _Judge(settings, models[-1], note) if settings.evaluate else None
    if settings.kind == "greedy":
        assert judge is not None
        make, made = _greedy(settings, models, judge)
    else:
        make, made = _chosen(settings, models, base, judge)
    shape = models[-1] if growing else models[0]
    dtypes = {name: _dtype(kind, settings.dtype) for name, kind in shape.dtypes.items()}
    with committed_folder(output) as folder:
        write_weights(folder / SINGLE, shape.shapes, dtypes, make)
        _copy_rest(shape.folder, _speaker(models) if growing else shape.folder, folder, settings.dtype)
        inputs = {str(held.folder): held.hash for held in [*([base] if base else []), *models]}
        write_json(folder / "merge.json", {**asdict(settings), **asdict(made), "inputs": inputs})
        (folder / "README.md").write_text(
            merge_card(output.name, settings.kind, str(base.folder) if base else None, inputs, asdict(made))
        )
    return made


def _opened(folders: Sequence[str]) -> list[Weights]:
    """Raises ConfigError with all that are no models."""
    problems: list[Problem] = []
    opened = []
    for folder in folders:
        with gathering(problems):
            opened.append(Weights(Path(folder)))
    if problems:
        raise ConfigError(problems)
    return opened


def _check(settings: MergeSettings, output: Path) -> None:
    kind, count = settings.kind, len(settings.models)
    problems = []
    if kind not in KINDS:
        raise ConfigError([Problem("KIND", f"unknown kind `{kind}`", f"allowed: {', '.join(KINDS)}")])
    least = 1 if kind in ("arithmetic", "lines") else 2
    if count < least or (kind == "residual" and count != 2):
        wanted = (
            "the instruct model, then the model to add its instructions to" if kind == "residual" else "more models"
        )
        problems.append(
            Problem("MODELS", f"`{kind}` takes {'two' if least == 2 else 'one or more'}, got {count}", wanted)
        )
    if (kind in ("soup", "greedy")) != (settings.base is None):
        what = "has no base" if settings.base else "needs the model that the others began from"
        problems.append(Problem("--base", f"`{kind}` {what}", "leave it out" if settings.base else "--base DIR"))
    if kind == "greedy" and settings.evaluate is None:
        problems.append(Problem("--evaluate", "`greedy` keeps what lowers the held-out loss", "--evaluate TOKENS"))
    if len(settings.scale) not in (0, 1, count if kind == "arithmetic" else 1):
        problems.append(Problem("--scale", f"one of all models or one of each, got {len(settings.scale)} for {count}"))
    for option, kinds in ONLY.items():
        if kind not in kinds and getattr(settings, option) not in (None, ()):
            problems.append(
                Problem(f"--{option}", f"is for {', '.join(kinds)}, and not read by `{kind}`", "leave it out")
            )
    if settings.density is not None and not 0 < settings.density <= 1:
        problems.append(Problem("--density", f"above 0 and at most 1, got {settings.density:g}"))
    if output.exists():
        problems.append(Problem("--output", f"`{output}` exists", "name a new folder, or remove it"))
    if problems:
        raise ConfigError(problems)


def _dtype(kind: str, wanted: str | None) -> str:
    return wanted if wanted and "float" in kind else kind


def _speaker(models: Sequence[Weights]) -> Path:
    """The folder of the tokenizer of a residual: the instruct model's, with its chat template, where it reads every token of
    the other model's and has no more of them than the weights; else the other's."""
    from tokenizers import Tokenizer

    instruct, grown = models
    files = [held.folder / "tokenizer.json" for held in models]
    if not all(file.is_file() for file in files):
        return grown.folder
    known, wanted = (Tokenizer.from_file(str(file)).get_vocab() for file in files)
    rows = min(shape[0] for name, shape in grown.shapes.items() if is_embedding(name))
    agree = all(known.get(token) == number for token, number in wanted.items()) and max(known.values()) < rows
    return instruct.folder if agree else grown.folder


def _copy_rest(shape: Path, speaker: Path, target: Path, dtype: str | None) -> None:
    """The configuration of `shape`, and from `speaker` the tokenizer and how answers are written."""
    from curate.files import read_json

    for file in sorted({shape / "config.json", *(file for pattern in REST for file in speaker.glob(pattern))}):
        if file.is_file():
            shutil.copyfile(file, target / file.name)
    if dtype:
        write_json(target / "config.json", {**read_json(target / "config.json"), "dtype": dtype})


def _each(models: Sequence[Weights], join: Callable[[str, list[Any]], Any]) -> Make:
    """Tensors of numbers are joined, others must be equal."""

    def make(name: str) -> Any:
        tensors = [held.tensor(name) for held in models]
        if tensors[0].is_floating_point():
            return join(name, tensors)
        for other, held in zip(tensors, models, strict=True):
            if not bool((other == tensors[0]).all()):
                raise ConfigError([Problem(str(held.folder), f"`{name}` holds other integers", "they have no mean")])
        return tensors[0]

    return make


def _chosen(
    settings: MergeSettings, models: Sequence[Weights], base: Weights | None, judge: _Judge | None
) -> tuple[Make, Made]:
    """How each tensor is made; where a factor is open and can be judged, by the best of the grid."""
    kind, held = settings.kind, [*([base] if base else []), *models]
    names = [str(model.folder) for model in models]
    if kind == "soup":
        make = _each(held, lambda _, tensors: methods.mean(tensors))
        return make, Made(names, losses=judge.losses({"soup": make}) if judge else {})
    if kind == "residual":
        make = _each(held, lambda _, tensors: methods.residual(tensors[0], tensors[1], tensors[2]))
        return make, Made(names, losses=judge.losses({"residual": make}) if judge else {})
    layers = layers_in(models[0].names)
    density = DENSITY if settings.density is None else settings.density

    def made_with(factor: float) -> Make:
        if kind == "ties":
            return _each(held, lambda _, t: methods.ties(t[0], t[1:], density=density, scale=factor))

        def join(name: str, tensors: list[Any]) -> Any:
            scales = list(settings.scale) if len(settings.scale) > 1 else [factor] * len(models)
            if kind == "lines":
                share = methods.layer_scale(name, layers, factor, 1 - factor)
                scales = [share * (settings.scale[0] if settings.scale else 1.0)] * len(models)
            return methods.added(tensors[0], tensors[1:], scales)

        return _each(held, join)

    word = "alpha" if kind == "lines" else "scale"
    given = settings.alpha if kind == "lines" else (settings.scale[0] if settings.scale else None)
    losses: dict[str, float] = {}
    if judge and given is None:
        losses = judge.losses({f"{word} {factor:g}": made_with(factor) for factor in GRID})
        given = min(GRID, key=lambda factor: losses[f"{word} {factor:g}"])
    factor = given if given is not None else (0.5 if kind == "lines" else 1.0)
    if judge and not losses:
        losses = judge.losses({f"{word} {factor:g}": made_with(factor)})
    several = len(settings.scale) > 1
    factors = {word: list(settings.scale) if several else factor, **({"density": density} if kind == "ties" else {})}
    return made_with(factor), Made(names, factors, losses)


def _greedy(settings: MergeSettings, models: Sequence[Weights], judge: _Judge) -> tuple[Make, Made]:
    """Best first; each next one stays only if the mean with it has a strictly lower held-out loss."""
    by_name = {str(held.folder): held for held in models}
    losses = judge.losses({name: _mean_of([held]) for name, held in by_name.items()})
    chosen, kept, best = greedy(list(by_name), losses, lambda names: judge.loss(_mean_of([by_name[n] for n in names])))
    return _mean_of([by_name[name] for name in chosen]), Made(chosen, losses={**losses, **kept, "soup": best})


def _mean_of(models: Sequence[Weights]) -> Make:
    return _each(models, lambda _, tensors: methods.mean(tensors))


def greedy(
    names: Sequence[str], losses: Mapping[str, float], loss_of: Callable[[list[str]], float]
) -> tuple[list[str], dict[str, float], float]:
    """(the chosen, the loss of each mean that was tried, the loss of the chosen), by losses of each alone."""
    ordered = sorted(names, key=lambda name: losses[name])
    chosen, best = ordered[:1], losses[ordered[0]]
    tried: dict[str, float] = {}
    for name in ordered[1:]:
        found = loss_of([*chosen, name])
        tried[" + ".join([*chosen, name])] = found
        if found < best:
            chosen, best = [*chosen, name], found
    return chosen, tried, best


class _Judge:
    """Held-out loss of what is made, in one model whose weights are exchanged."""

    def __init__(self, settings: MergeSettings, shape: Weights, note: Callable[[str], None]) -> None:
        from curate.train.held_out import HeldOut
        from curate.train.models import reload_model
        from curate.train.token_set import TokenSet

        assert settings.evaluate is not None
        self._held_out = HeldOut(TokenSet.open(settings.evaluate))
        self._model, self._note = reload_model(shape.folder, False), note
        self._names = set(shape.names)
        placed = {held.data_ptr() for name, held in self._model.state_dict().items() if name in self._names}
        missing = [name for name, held in self._model.named_parameters() if held.data_ptr() not in placed]
        if missing:
            what = f"names its weights otherwise than transformers does: there is no `{missing[0]}`"
            hint = "load it and save it again with transformers, or leave out --evaluate"
            raise ConfigError([Problem(str(shape.folder), what, hint)])

    def loss(self, make: Make) -> float:
        """Of all sources together."""
        import torch

        with torch.no_grad():
            for name, held in self._model.state_dict().items():
                if name in self._names:
                    held.copy_(make(name))
        return self._held_out.loss(self._model)

    def losses(self, makes: Mapping[str, Make]) -> dict[str, float]:
        """Of each, told as they are found."""
        found = {}
        for name, make in makes.items():
            found[name] = self.loss(make)
            self._note(f"held out {found[name]:.4f}  {name}")
        return found
