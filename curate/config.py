"""A pipeline file -> Pipeline, or all of its mistakes at once, each with file, line, column and a mend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from curate.errors import ConfigError, Problem
from curate.model_errors import problems_of, shown, sound_part
from curate.settings import ExecutorSettings, InputEntry, Output
from curate.steps import STEPS, step_class
from curate.steps.step import Step
from curate.train.settings import TrainSettings
from curate.yaml_source import Path as Key
from curate.yaml_source import Source, nearest, parse, parse_value

Settings = TypeVar("Settings", bound=BaseModel)
TOP_LEVEL = ("name", "seed", "inputs", "steps", "output", "executor", "train")
# what a training within a pipeline has of the pipeline
GIVEN = ("data", "output")
# what stands for keys of a training that are missing or wrong, while the rest is checked
SPARE = {"name": "run", "data": [], "model": {"preset": "1m"}, "steps": 1, "output": "."}


@dataclass(frozen=True)
class Overrides:
    """What the command line changes: paths here are relative to the working directory."""

    output: str | None = None
    inputs: tuple[str, ...] = ()
    workers: int | None = None
    memory: str | None = None
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """A pipeline file, parsed and checked. Paths are as the user wrote them, resolved against `folder`."""

    name: str
    seed: int
    inputs: tuple[InputEntry, ...]
    steps: tuple[Step, ...]
    output: Output
    executor: ExecutorSettings
    #: the file, as the user named it
    file: str
    #: what the output path is relative to
    folder: Path
    #: what input paths are relative to: the file's folder, or the working directory for `--input`
    input_folder: Path
    source: Source = field(compare=False, repr=False)
    #: where each of `steps` stands in the file's list
    places: tuple[int, ...] = ()
    #: the training that follows, as it stands in the file; `curate.train.start.training_of` puts it in its place
    train: TrainSettings | None = None

    @property
    def folder_out(self) -> Path:
        """The output folder."""
        return self.folder / self.output.path

    def settings(self) -> dict[str, Any]:
        """The whole pipeline as plain data, every default written out; parsing it gives the same pipeline."""
        steps = [{step.kind: step.model_dump(mode="json", by_alias=True, exclude_defaults=True)} for step in self.steps]
        return {
            "name": self.name, "seed": self.seed, "inputs": [e.model_dump(mode="json") for e in self.inputs],
            "steps": steps, "output": self.output.model_dump(mode="json"),
        }  # fmt: skip


def load(file: str, overrides: Overrides | None = None) -> Pipeline:
    """Read, override, validate. Raises ConfigError with every problem found."""
    pipeline, problems = read(file, overrides or Overrides())
    if problems:
        raise ConfigError(problems)
    return pipeline


def read(file: str, overrides: Overrides) -> tuple[Pipeline, list[Problem]]:
    """The valid parts of a pipeline file, and the problems of the others: so that all can be told at once.

    Raises ConfigError only for a file that cannot be read or parsed at all.
    """
    path, source = Path(file), _parsed(file, "name a pipeline file or its output folder")
    if not isinstance(source.data, dict):
        raise ConfigError([Problem(file, "a pipeline file is a mapping with `name`, `inputs`, `steps` and `output`")])
    problems: list[Problem] = []
    _override(source, overrides, problems)
    input_folder = Path() if overrides.inputs else path.parent
    return _build(source, path.parent, input_folder, problems), problems


def is_pipeline(file: str) -> bool:
    """Whether a YAML file is a pipeline file, by its keys. Raises ConfigError if it cannot be read."""
    data = _parsed(file, "name a YAML file").data
    return isinstance(data, dict) and "inputs" in data


def read_settings(cls: type[Settings], file: str, overrides: Sequence[str] = ()) -> Settings:
    """A YAML file that holds the settings of one model, `KEY=VALUE` put over them. Raises ConfigError with every problem."""
    source = _parsed(file, "name a YAML file")
    problems: list[Problem] = []
    _set_all(source.data, overrides, problems)
    made: Settings | None = _model(cls, source.data, (), source, problems)
    if made is None or problems:
        raise ConfigError(problems)
    return made


def read_training(file: str, overrides: Sequence[str]) -> tuple[TrainSettings | None, Source, list[Problem]]:
    """A training file, `KEY=VALUE` put over it: the settings, or what is right of them, its places, and its problems."""
    source = _parsed(file, "name a YAML file")
    problems: list[Problem] = []
    _set_all(source.data, overrides, problems)
    return _train_settings(source.data, (), source, problems), source, problems


def _parsed(file: str, hint: str) -> Source:
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError([Problem(file, f"cannot be read: {reason}", hint)]) from error
    return parse(text, file)


def _build(source: Source, folder: Path, input_folder: Path, problems: list[Problem]) -> Pipeline:
    data = source.data
    for key in data:
        if key not in TOP_LEVEL:
            problems.append(Problem(source.where((key,), key=True), "unknown key", nearest(key, TOP_LEVEL)))
    for key in ("name", "inputs", "steps", "output"):
        if key not in data:
            problems.append(Problem(source.where((key,)), f"the key `{key}` is missing"))
    inputs = _list(source, "inputs", problems)
    entries = [_model(InputEntry, entry, ("inputs", i), source, problems) for i, entry in enumerate(inputs)]
    steps = [
        _step(entry, ("steps", i), source, folder, problems) for i, entry in enumerate(_list(source, "steps", problems))
    ]
    steps = [step and step.behind([before for before in steps[:i] if before]) for i, step in enumerate(steps)]
    # a missing output is told above; the rest of the file is checked all the same
    output = data.get("output", ".")
    checked = _model(Output, {"path": output} if isinstance(output, str) else output, ("output",), source, problems)
    executor = _model(ExecutorSettings, data.get("executor", {}), ("executor",), source, problems)
    name, seed = data.get("name", ""), data.get("seed", 0)
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
        problems.append(Problem(source.where(("name",)), f"`{name}` is not a name", "letters, digits, . _ and -"))
    if not isinstance(seed, int) or isinstance(seed, bool):
        problems.append(Problem(source.where(("seed",)), f"expected a whole number, got {seed!r}"))
    _unique(source, "inputs", [entry and entry.name for entry in entries], problems)
    train = _training(source, checked, problems)
    # what is wrong is told; defaults in its place let the rest be checked
    checked, executor = checked or Output(path="."), executor or ExecutorSettings()
    kept = tuple(entry for entry in entries if entry), tuple(step for step in steps if step)
    places = tuple(i for i, step in enumerate(steps) if step)
    return Pipeline(str(name), seed, *kept, checked, executor, source.name, folder, input_folder, source, places, train)


def _training(source: Source, output: Output | None, problems: list[Problem]) -> TrainSettings | None:
    """`train:`, with the pipeline's name and seed unless it has its own, and the run's tokens as its data."""
    if "train" not in source.data:
        return None
    given = source.data["train"]
    for key in GIVEN if isinstance(given, dict) else ():
        if key in given:
            what = f"`{key}` of a training within a pipeline is the run's own"
            problems.append(
                Problem(source.where(("train", key), key=True), what, "leave it out, or write a training file")
            )
    if output is not None and output.tokens is None:
        what = "there are no tokens to train on"
        hint = "output: {path: ..., tokens: {tokenizer: {train: {vocabulary: 32000}}}}"
        problems.append(Problem(source.where(("train",), key=True), what, hint))
    name, seed = source.data.get("name"), source.data.get("seed", 0)
    # where these are wrong it is told at their own place
    own: dict[str, Any] = {"name": name if isinstance(name, str) and re.fullmatch(r"[\w.-]+", name) else "run"}
    own |= {"seed": seed if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 else 0}
    own |= dict.fromkeys(GIVEN, "run")
    data = own | {key: value for key, value in given.items() if key not in GIVEN} if isinstance(given, dict) else given
    return _train_settings(data, ("train",), source, problems)


def _train_settings(data: Any, path: Key, source: Source, problems: list[Problem]) -> TrainSettings | None:
    """Of a training; where something is wrong, of the rest, so that what else is wrong can be told with it."""
    if not isinstance(data, dict):
        problems.append(Problem(source.where(path), f"expected settings `key: value`, got {shown(data)}"))
        return None
    try:
        return TrainSettings.model_validate(data)
    except ValidationError as error:
        problems += problems_of(TrainSettings, error, data, path, source)
        return sound_part(TrainSettings, error, data, SPARE)


def _list(source: Source, key: str, problems: list[Problem]) -> list[Any]:
    value = source.data.get(key, [])
    if isinstance(value, list) and (value or key not in source.data):
        return value
    problems.append(Problem(source.where((key,)), f"expected a list with at least one entry, got {shown(value)}"))
    return []


def _unique(source: Source, key: str, names: Sequence[str | None], problems: list[Problem]) -> None:
    for i, name in enumerate(names):
        if name is not None and name in names[:i]:
            problems.append(Problem(source.where((key, i)), f"the name `{name}` stands twice", "give it another name"))


def _step(entry: Any, path: Key, source: Source, folder: Path, problems: list[Problem]) -> Step | None:
    if isinstance(entry, str):
        name = entry
        settings: Any = {}
    elif isinstance(entry, dict) and len(entry) == 1:
        name, settings = next(iter(entry.items()))
        path = (*path, name)
    else:
        what = f"expected a step name or one `name: settings`, got {shown(entry)}"
        problems.append(Problem(source.where(path), what, "write `- quality: {preset: gopher}`"))
        return None
    if name not in STEPS:
        # quotes around `name: settings` make one name of it
        quoted = isinstance(entry, str) and name.partition(":")[0] in STEPS
        hint = f"without quotes: `- {name}`" if quoted else nearest(name, STEPS)
        problems.append(Problem(source.where(path, key=True), f"unknown step `{name}`", hint))
        return None
    cls = step_class(name)
    if isinstance(settings, dict):
        settings = {key: _placed(cls, key, value, folder) for key, value in settings.items()}
    step: Step | None = _model(cls, {} if settings is None else settings, path, source, problems)
    return step


def _placed(cls: type[Step], key: str, value: Any, folder: Path) -> Any:
    """The value of a setting; a path is made relative to the working directory, if it may be none only where it is there."""
    if key in cls.PATH_FIELDS and isinstance(value, dict):
        return {name: _placed(cls, key, path, folder) for name, path in value.items()}
    if key in cls.FILE_FIELDS:
        paths = value if isinstance(value, list) else [value]
        return [str(folder / path) if isinstance(path, str) else path for path in paths]
    if key not in cls.PATH_FIELDS or not isinstance(value, str) or not value:
        return value
    # `models/{lang}` stands for a path for each language: what is there is the part before it
    return str(folder / value) if (folder / value.partition("{")[0]).exists() else value


def _model(cls: type[BaseModel], data: Any, path: Key, source: Source, problems: list[Problem]) -> Any:
    """Validate one part of the file with its model; its errors become problems with places."""
    if not isinstance(data, dict):
        problems.append(Problem(source.where(path), f"expected settings `key: value`, got {shown(data)}"))
        return None
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        problems += problems_of(cls, error, data, path, source)
        return None


def _set_all(data: Any, settings: Sequence[str], problems: list[Problem]) -> None:
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            problems.append(Problem(f"--set {setting}", "expected KEY=VALUE", "--set steps.quality.word_count.min=30"))
            continue
        _set(data, key.split("."), parse_value(value), f"--set {setting}", problems)


def _override(source: Source, overrides: Overrides, problems: list[Problem]) -> None:
    data = source.data
    _set_all(data, overrides.settings, problems)
    executor = data.setdefault("executor", {})
    for name, option in (("workers", overrides.workers), ("memory", overrides.memory)):
        if option is not None and isinstance(executor, dict):
            executor[name] = option
    if overrides.output is not None:
        output = data.get("output")
        data["output"] = {
            **(output if isinstance(output, dict) else {}),
            "path": str(Path(overrides.output).absolute()),
        }
    if overrides.inputs:
        data["inputs"] = _inputs(data.get("inputs"), overrides.inputs)


def _inputs(entries: Any, given: Sequence[str]) -> list[Any]:
    """`--input GLOB` replaces the paths of the file's one input, `--input NAME=GLOB` names a source."""
    first = entries[0] if isinstance(entries, list) and len(entries) == 1 and isinstance(entries[0], dict) else {}
    named: dict[str, list[str]] = {}
    for text in given:
        match = re.match(r"([A-Za-z_][\w.-]*)=(.+)", text)
        name, path = (match[1], match[2]) if match else (str(first.get("name", "input")), text)
        named.setdefault(name, []).append(path)
    known = {e.get("name"): e for e in entries or [] if isinstance(e, dict)}
    return [{**{k: v for k, v in known.get(n, {"name": n}).items()}, "path": paths} for n, paths in named.items()]


def _set(data: Any, keys: list[str], value: Any, where: str, problems: list[Problem]) -> None:
    """Put one value at a dotted key; `steps.NAME` addresses a step by its name or `as`."""
    here = data
    for depth, key in enumerate(keys[:-1]):
        if depth == 1 and keys[0] == "steps" and isinstance(here, list):
            here = _find_step(here, key, where, problems)
        elif isinstance(here, list):
            index = int(key) if key.isdigit() and int(key) < len(here) else None
            here = None if index is None else here[index]
        elif isinstance(here, dict):
            if not isinstance(here.get(key), dict | list):
                here[key] = {}
            here = here[key]
        if here is None:
            if not (problems and problems[-1].where == where):
                problems.append(Problem(where, f"there is no `{key}` to set"))
            return
    if isinstance(here, dict):
        here[keys[-1]] = value
    else:
        problems.append(Problem(where, "names no setting", "--set steps.quality.word_count.min=30"))


def _find_step(steps: list[Any], name: str, where: str, problems: list[Problem]) -> Any:
    names: list[str] = []
    for i, entry in enumerate(steps):
        if isinstance(entry, str):
            entry = steps[i] = {entry: {}}
        for kind, settings in entry.items() if isinstance(entry, dict) else ():
            own = (settings or {}).get("as", kind) if isinstance(settings, dict | None) else kind
            names.append(str(own))
            if own == name:
                entry[kind] = settings if isinstance(settings, dict) else {}
                return entry[kind]
    problems.append(Problem(where, f"there is no step called `{name}`", nearest(name, names)))
    return None
