"""What can be known to be wrong before any work, beyond the shape of the file: columns, order, output, assets, input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec

import pyarrow as pa

from curate.config import Pipeline
from curate.dedup.step import GlobalStep
from curate.documents import DOCUMENT, RAW
from curate.errors import ConfigError, MissingAsset, Problem
from curate.files import read_json
from curate.inputs import InputFile, check_heads, find_files, tell_language
from curate.model_errors import untold
from curate.readers import FORMATS, PACKAGES
from curate.steps.by_language import ByLanguage
from curate.steps.step import Step
from curate.yaml_source import Path as Key
from curate.yaml_source import nearest

# what polars or DuckDB would read as a word of its own in `name.signal`
KEYWORDS = frozenset(
    "all and any as asc between by case cast cross date desc distinct else end exists false from full group having in "
    "inner interval is join left like limit not null on or order outer right select set table then time timestamp true "
    "union using value values when where with".split()
)
# columns of the ledger beside those of a document
LEDGER = ("fate", "step", "rule", "evidence", "shard", "shard_row", "unit", "row", "size", "text_bytes", "error_step")

# Of each step the Arrow types of its signals; None where they cannot be known.
Made = dict[str, dict[str, pa.DataType] | None]


def check(pipeline: Pipeline, known: Sequence[Problem] = (), *, any_output: bool = False) -> list[InputFile]:
    """Every check, after the problems `known` already; returns the input files. Raises ConfigError with all problems."""
    problems = [
        *known,
        *_names(pipeline),
        *_order(pipeline),
        *_columns(pipeline),
        *_assets(pipeline),
        *untold(_training(pipeline), known),
        *_tokens(pipeline),
        *([] if any_output or any(" output" in problem.where for problem in known) else _output(pipeline)),
    ]
    files: list[InputFile] = []
    try:
        files = find_files(pipeline)
    except ConfigError as error:
        problems += error.problems
    problems += _raw(pipeline, files)
    problems += _packages(files)
    problems += check_heads(files)
    problems += _languages(pipeline, files)
    problems += _metadata(pipeline, files)
    if problems:
        raise ConfigError(problems)
    return files


def _where(pipeline: Pipeline, index: int, *more: str) -> str:
    path: Key = ("steps", pipeline.places[index], pipeline.steps[index].kind, *more)
    return pipeline.source.where(path)


def _names(pipeline: Pipeline) -> list[Problem]:
    """Names of structs: unique, no document column, no SQL keyword."""
    problems = []
    seen: dict[str, int] = {}
    for i, step in enumerate(pipeline.steps):
        name = step.name
        hint = f"give it another: `{step.kind}: {{as: {step.kind}_2}}`"
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            problems.append(Problem(_where(pipeline, i, "as"), f"`{name}` is not a name", "letters, digits and _"))
        elif name in (*DOCUMENT.names, *RAW.names, *LEDGER) or name.lower() in KEYWORDS:
            problems.append(Problem(_where(pipeline, i, "as"), f"`{name}` is a column or an SQL keyword already", hint))
        elif name in seen:
            what = f"the name `{name}` is taken by steps[{pipeline.places[seen[name]]}]"
            problems.append(Problem(_where(pipeline, i), what, hint))
        seen.setdefault(name, i)
    return problems


def _order(pipeline: Pipeline) -> list[Problem]:
    """Steps that cannot follow each other."""
    problems = []
    for i, step in enumerate(pipeline.steps):
        if step.reads_raw and i:
            before = pipeline.steps[i - 1]
            if any(earlier.reads_raw for earlier in pipeline.steps[:i]):
                what = f"`{step.kind}` cannot follow `{before.kind}`: the pages were turned into text already"
                problems.append(Problem(_where(pipeline, i), what, "keep one of them"))
            elif late := [e.kind for e in pipeline.steps[:i] if not e.before_text]:
                what = f"`{step.kind}` cannot follow `{late[-1]}`, which reads text that it has yet to make"
                problems.append(Problem(_where(pipeline, i), what, f"put `{step.kind}` first"))
        elif set(step.needs) & set(RAW.names):
            for before in (earlier for earlier in pipeline.steps[:i] if earlier.reads_raw):
                what = f"`{step.kind}` reads the pages, which `{before.kind}` has turned into text"
                problems.append(Problem(_where(pipeline, i), what, f"put `{step.kind}` before `{before.kind}`"))
    return problems


def _raw(pipeline: Pipeline, files: Sequence[InputFile]) -> list[Problem]:
    """Raw pages need a step that turns them into text."""
    broken = len(pipeline.places) < len(pipeline.source.data.get("steps") or [])
    if broken or any(step.reads_raw for step in pipeline.steps):
        return []
    raw = {file.settings.source: file for file in files if FORMATS[file.settings.format].raw or file.settings.html}
    return [
        Problem(pipeline.source.where(("steps",)), f"input `{source}` gives pages ({file.path}), and no step makes text of them",
                "begin the steps with `- extract`")
        for source, file in raw.items()
    ]  # fmt: skip


def _languages(pipeline: Pipeline, files: Sequence[InputFile]) -> list[Problem]:
    """What goes by the language of a document needs one: else it would hold nobody to anything, and say nothing."""
    problems = []
    for i, step in enumerate(pipeline.steps):
        if any(earlier.kind == "language" for earlier in pipeline.steps[:i]):
            break
        try:
            needed = isinstance(step, ByLanguage) and step.by_language
        except MissingAsset:  # `_assets` tells it
            continue
        if needed and files and not tell_language(files):
            what = "goes by the language of each document, and neither the input nor a step before it tells one"
            hint = f"put `- language` before it, or name the language of all: `{step.kind}: {{language: en}}`"
            problems.append(Problem(_where(pipeline, i), what, hint))
    return problems


def _metadata(pipeline: Pipeline, files: Sequence[InputFile]) -> list[Problem]:
    """Keys that a step reads and no input keeps. What keeps some by itself, as front matter, cannot be told."""
    if any(file.settings.format not in ("jsonl", "parquet", "arrow") for file in files):
        return []
    kept = {key for file in files for key in file.settings.metadata}
    return [
        Problem(_where(pipeline, i, "keys"), f"no input keeps `{key}`", f"write `metadata: [{key.partition('.')[0]}]` of the input")
        for i, step in enumerate(pipeline.steps if files else [])
        for key in step.metadata_keys()
        if not {key, key.partition(".")[0]} & kept
    ]  # fmt: skip


def _packages(files: Sequence[InputFile]) -> list[Problem]:
    """Formats whose package is not installed, once each, at their first file."""
    first = {file.settings.format: file for file in reversed(files)}
    return [
        Problem(file.path, f"the package `{PACKAGES[format][0]}` is not installed", f"pip install 'curate[{PACKAGES[format][1]}]'")
        for format, file in first.items()
        if format in PACKAGES and find_spec(PACKAGES[format][0]) is None
    ]  # fmt: skip


def _columns(pipeline: Pipeline) -> list[Problem]:
    """Rules parse, and name signals that this step or an earlier one makes."""
    problems: list[Problem] = []
    made: Made = {}
    for i, step in enumerate(pipeline.steps):
        for need in step.needs:
            if need not in made and need not in (*DOCUMENT.names, *RAW.names):
                problems.append(Problem(_where(pipeline, i), f"needs `{need}`, which no earlier step makes"))
        earlier = dict(made)
        try:
            made[step.name] = {name: signal.type for name, signal in step.signals().items()}
        except MissingAsset:  # `_assets` tells it; what the step would make is not known
            made[step.name] = None
        for j, rule in enumerate(step.rules):
            where = pipeline.source.where(("steps", pipeline.places[i], step.kind, "rules", j))
            if problem := _rule(rule, made, step):
                problems.append(Problem(where, *problem))
        if isinstance(step, GlobalStep):
            for setting, signal in step.reads().items():
                if problem := _known(signal, earlier) or _readable(step, setting, signal, earlier):
                    problems.append(Problem(_where(pipeline, i, setting), *problem))
    return problems


def _known(name: str, made: Made) -> tuple[str, str] | None:
    struct, _, field = name.partition(".")
    everything = [f"{s}.{f}" for s, fields in made.items() for f in sorted(fields or ())]
    if struct in made and ((fields := made[struct]) is None or field in fields):
        return None
    hint = nearest(name, everything) if everything else "no step before it makes signals"
    return f"no step up to here makes `{name}`", hint


def _readable(step: GlobalStep, setting: str, name: str, made: Made) -> tuple[str, str] | None:
    """What is wrong with the type of a known signal that a global step reads, if anything: vectors or numbers are wanted."""
    struct, _, field = name.partition(".")
    kind = (made[struct] or {}).get(field)
    if kind is None or step.takes(setting, kind):
        return None
    fit = [f"`{s}.{f}`" for s, fields in made.items() for f, one in (fields or {}).items() if step.takes(setting, one)]
    wanted = "vectors" if setting == "vectors" else "numbers"
    hint = f"{wanted} up to here: {', '.join(fit[:8])}" if fit else f"no step before it makes {wanted}"
    return f"`{name}` holds {_words(kind)}, not {wanted}", hint


def _words(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return "vectors"
    if pa.types.is_list(kind):
        return "lists"
    return "text" if pa.types.is_string(kind) else "numbers"


def _rule(rule: str, made: Made, step: Step) -> tuple[str, str] | None:
    """What is wrong with one SQL rule, if anything."""
    import polars as pl

    from curate.verdicts import names_in

    if isinstance(step, GlobalStep) and step.FINDINGS is None:
        return "a step that compares all documents takes no rules", "put the rule on the step before it"
    try:
        pl.sql_expr(rule)
    except Exception as error:  # polars raises several kinds for bad SQL
        return f"`{rule}` is not an SQL expression: {str(error).splitlines()[0]}", 'write "quality.word_count >= 20"'
    for name in sorted(names_in(rule)):
        if problem := _known(name, made):
            return problem
    if not names_in(rule):
        return f"`{rule}` names no signal", 'write "quality.word_count >= 20"'
    return None


def _assets(pipeline: Pipeline) -> list[Problem]:
    problems = []
    for i, step in enumerate(pipeline.steps):
        try:
            step.assets()
        except MissingAsset as error:
            problems.append(Problem(f"{_where(pipeline, i)}", error.what, error.hint))
        except ConfigError as error:  # files that it names
            found = [(f"{p.where}: {p.what}" if p.where else p.what, p.hint) for p in error.problems]
            problems += [Problem(_where(pipeline, i), what, hint) for what, hint in found]
    return problems


def _training(pipeline: Pipeline) -> list[Problem]:
    """What is wrong with `train:` whatever the tokens will be."""
    if pipeline.train is None:
        return []
    from curate.train.checks import early_problems
    from curate.train.start import place_of

    tokens = pipeline.output.tokens
    return early_problems(
        pipeline.train.placed(pipeline.folder), place_of(pipeline), held_out=bool(tokens and tokens.held_out)
    )


def _tokens(pipeline: Pipeline) -> list[Problem]:
    """The tokenizer of `output.tokens` is there, and knows the end of a text."""
    if pipeline.output.tokens is None:
        return []
    from curate.train.commands import check_tokens

    try:
        check_tokens(pipeline.output.tokens, pipeline.folder)
    except (ConfigError, MissingAsset) as error:
        found = error.problems if isinstance(error, ConfigError) else [Problem(error.where, error.what, error.hint)]
        keys: list[Key] = [
            tuple(p.where.split(".")) if p.where.startswith("output.") else ("output", "tokens") for p in found
        ]
        return [
            Problem(pipeline.source.where(key), problem.what, problem.hint)
            for key, problem in zip(keys, found, strict=True)
        ]
    return []


def _output(pipeline: Pipeline) -> list[Problem]:
    """The output folder is new, or this pipeline's own."""
    if "output" not in pipeline.source.data:
        return []
    out, where = pipeline.folder_out, pipeline.source.where(("output", "path"))
    if out.exists() and not out.is_dir():
        return [Problem(where, f"`{out}` is a file", "name a folder")]
    owner = read_json(out / ".store" / "pipeline.json")
    if owner and owner["name"] != pipeline.name:
        what = f"`{out}` belongs to another pipeline, `{owner['name']}`"
        return [Problem(where, what, "choose another output, or give --force to take it over")]
    if owner is None and out.is_dir() and any(entry.name != ".store" for entry in out.iterdir()):
        return [Problem(where, f"`{out}` is not empty and no pipeline's output", "choose a new or an empty folder")]
    return []
