"""The verbs of the command line: parse, call one function, print. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from curate.cli_training import WorkersOption, training
from curate.errors import ConfigError, CurateError, InterruptedRun, Problem

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="From a raw crawl to curated Arrow shards, every document accounted for.",
)  # fmt: skip
app.add_typer(training)

File = Annotated[str, typer.Argument(metavar="FILE", help="A pipeline file, or the output folder of one.")]
Run = Annotated[str, typer.Argument(metavar="DIR", help="The output folder of a run, or its pipeline file.")]
OutputOption = Annotated[str | None, typer.Option("--output", help="Write to this folder instead of the file's.")]
InputOption = Annotated[
    list[str] | None, typer.Option("--input", metavar="[NAME=]GLOB", help="Read these files instead; may be repeated.")
]
MemoryOption = Annotated[str | None, typer.Option("--memory", help="A limit on the whole run, such as 16GB.")]
SampleOption = Annotated[str | None, typer.Option("--sample", metavar="N|P%", help="Only N documents, or P per cent.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: steps.quality.word_count.min=30"),
]


@app.command()
def run(
    file: File,
    output: OutputOption = None,
    input: InputOption = None,  # the option's name
    workers: WorkersOption = None,
    memory: MemoryOption = None,
    sample: SampleOption = None,
    set: SetOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Forget what the store holds; take over a foreign output.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Progress as JSON lines, the result as one JSON object.")
    ] = False,
) -> None:
    """Run a pipeline: what the store holds already is not done again."""
    from curate.job import run_file

    run_file(file, _overrides(output, input, workers, memory, set), sample=sample, force=force, as_json=json)


@app.command()
def check(
    file: File,
    output: OutputOption = None,
    input: InputOption = None,
    set: SetOption = None,
) -> None:
    """Find every mistake in a pipeline file, without running it."""
    from curate.checks import check as check_all
    from curate.config import read
    from curate.job import file_of

    pipeline, problems = read(file_of(file), _overrides(output, input, None, None, set))
    files = check_all(pipeline, problems)
    size = sum(entry.bytes for entry in files)
    print(f"{file}: ok, {len(pipeline.steps)} steps, {len(files):,} input files, {size / 1e6:,.1f} MB")


@app.command()
def plan(
    file: File,
    output: OutputOption = None,
    input: InputOption = None,
    workers: WorkersOption = None,
    memory: MemoryOption = None,
    sample: SampleOption = None,
    set: SetOption = None,
    estimate: Annotated[bool, typer.Option(help="Run a small sample to estimate rows, time, memory and disk.")] = True,
) -> None:
    """Show stages, units, what is cached and why the rest is not, and an estimate."""
    from curate.job import show_plan

    show_plan(file, _overrides(output, input, workers, memory, set), sample=sample, estimate=estimate)


@app.command()
def report(file: Run) -> None:
    """Say where the report and the card of the newest version are, and their headline."""
    from curate.job import show_report

    show_report(folder_of(file))


@app.command()
def gc(
    directory: Run,
    versions: Annotated[
        int | None, typer.Option("--versions", min=1, metavar="N", help="Remove all versions but the newest N, too.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove from the store what no version is made of: results of other settings, samples, interrupted runs."""
    from curate.garbage import collect

    freed = collect(folder_of(directory), versions=versions, dry=dry_run)
    done = "would be removed" if dry_run else "removed"
    print(f"{done}: {freed.versions:,} versions, {freed.results:,} results in the store, {freed.bytes / 1e6:,.1f} MB")


@app.command()
def explain(
    directory: Run, document: Annotated[str, typer.Argument(metavar="DOC", help="An id, URL, path or path:offset.")]
) -> None:
    """Show each signal of a document against its threshold, the evidence, where it came from and went to."""
    from curate.explain import explain as lines
    from curate.ledger import Ledger

    for line in lines(Ledger(folder_of(directory)), document):
        print(line)


@app.command()
def sql(
    directory: Run,
    query: Annotated[str, typer.Argument(help="Over `ledger`, `documents`, `shards` and `quarantine`.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Query documents, ledger and shards with DuckDB."""
    from curate.job import print_query

    print_query(folder_of(directory), query, as_json=json)


@app.command()
def search(
    directory: Run,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many documents.")] = 10,
    by: Annotated[str | None, typer.Option("--by", metavar="STEP", help="The step embed to use; the first.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="flat, hnsw, ivf or ivf_pq; else what size asks for.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a document.")] = False,
) -> None:
    """Find the documents that are nearest to a text; the index is built on first use and follows the run."""
    from curate.select.search import run_search

    run_search(folder_of(directory), text, top=top, by=by, kind=kind, as_json=json)


@app.command("train-ngram")
def train_ngram(
    corpus: Annotated[list[str], typer.Argument(metavar="CORPUS...", help="Files, folders or globs of texts.")],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="A new folder for the model.")],
    order: Annotated[int, typer.Option(help="The most tokens of an n-gram.")] = 5,
    tokens: Annotated[str, typer.Option(help="words, spaces (what stands between them) or pieces.")] = "words",
    pieces: Annotated[int, typer.Option(help="How many SentencePiece pieces to train.")] = 32000,
    sentencepiece: Annotated[Path | None, typer.Option(help="A trained SentencePiece model to use.")] = None,
    prune: Annotated[str, typer.Option(help="Leave out n-grams seen at most so often, by order: 0,0,1")] = "0",
    min_count: Annotated[int, typer.Option(min=1, help="Rarer tokens count as unknown.")] = 1,
    normal: Annotated[bool, typer.Option(help="Bring texts into CCNet's form first.")] = True,
    arpa: Annotated[bool, typer.Option(help="Also write the model as an ARPA file.")] = True,
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column or key that holds the text.")] = "text",
) -> None:
    """Train a modified Kneser-Ney model of n-grams for the step `perplexity`."""
    from curate.ngrams.training import TrainSettings
    from curate.train_ngram import train_model

    settings = TrainSettings(order, _numbers(prune), min_count, arpa)
    train_model(
        corpus, output, settings, tokens=tokens, normal=normal, sentencepiece=sentencepiece, pieces=pieces, text=text
    )


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError([Problem("--prune", f"expected numbers such as 0,0,1, got `{text}`")]) from None


@app.command()
def steps(name: Annotated[str | None, typer.Argument(help="A step; all if absent.")] = None) -> None:
    """Explain a step: its settings, signals, presets and source."""
    from curate.reference import describe, listing

    for line in describe(name) if name else listing():
        print(line)


@app.command("transfer-bounds")
def transfer_bounds(
    corpus: Annotated[
        list[str], typer.Argument(metavar="CORPUS...", help="Clean texts in the language: files, globs.")
    ],
    reference: Annotated[list[str], typer.Option("--reference", metavar="PATH", help="Clean texts to compare with.")],
    language: Annotated[str, typer.Option(help="The code of the language, as the step `language` gives it.")],
    origin: Annotated[str, typer.Option("--from", help="The language of the reference.")] = "en",
    preset: Annotated[str, typer.Option(help="The bounds that are carried over.")] = "fineweb2",
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column or key that holds the text.")] = "text",
) -> None:
    """Print bounds and stop words for a language that has none, by quantiles of clean texts, as YAML."""
    from curate.transfer import transfer_bounds as lines

    for line in lines(corpus, reference, language=language, origin=origin, preset=preset, text=text):
        print(line)


@app.command("train-classifier")
def train_classifier(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A YAML file with classes and settings.")
    ] = None,
    positive: Annotated[list[str] | None, typer.Option("--positive", help="Files or globs of good texts.")] = None,
    negative: Annotated[
        list[str] | None, typer.Option("--negative", help="Files or globs of the pool's texts.")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", help="The model file to write, such as good.bin.")] = None,
    text: Annotated[str, typer.Option("--text", help="The column or key that holds the text.")] = "text",
    data: Annotated[str | None, typer.Option("--data", help="Paths of the recipe are relative to this folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Train a fastText classifier for the step `classifier`, with a held-out report (DCLM's recipe)."""
    from json import dumps

    from curate.classifiers.training import report_lines, run_training

    report, made = run_training(recipe, positive or (), negative or (), output=output, text=text, data=data)
    print(dumps(report) if json else "\n".join(report_lines(report, made)))


@app.command()
def contamination(
    texts: Annotated[list[str], typer.Argument(metavar="SHARDS...", help="Files, folders, globs, or a run's output.")],
    against: Annotated[list[str], typer.Option("--against", metavar="PATH", help="Test sets: files, folders, globs.")],
    field: Annotated[
        list[str] | None, typer.Option("--field", help="Keys of the test sets' texts; default: all.")
    ] = None,
    ngram: Annotated[int, typer.Option(min=1, max=100, help="Words of an n-gram: 8, or 13.")] = 8,
    threshold: Annotated[float, typer.Option(help="A passage is found above this share of its words.")] = 0.5,
    min_words: Annotated[int, typer.Option(min=1, help="Shorter passages are not looked for.")] = 6,
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column or key that holds the text.")] = "text",
    chat: Annotated[str | None, typer.Option(help="The texts are conversations: `auto`, or their column.")] = None,
    limit: Annotated[str, typer.Option(help="Exit code 6 above this share of a benchmark's examples.")] = "0%",
    show: Annotated[int, typer.Option(min=0, help="How many contaminated examples to print.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
) -> None:
    """Find test sets in texts: a table by benchmark, the matched passages, exit code 6 if there are any."""
    from curate.contamination.command import check_files

    check_files(
        texts, against, fields=field or (), ngram=ngram, threshold=threshold, min_words=min_words, text=text, chat=chat,
        limit=limit, as_json=json, most=show,
    )  # fmt: skip


@app.command("skill-set")
def skill_set(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="lego or addition.")],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="A new folder for the set.")],
    size: Annotated[int, typer.Option(min=1, help="Samples to train on.")] = 192_000,
    evaluation: Annotated[int, typer.Option("--eval", min=0, help="Held-out samples of each skill.")] = 100,
    proportions: Annotated[
        str, typer.Option(help="stratified, random (the paper's), or such as 1:1:1:3:5.")
    ] = "stratified",
    length: Annotated[int | None, typer.Option(help="Variables of a chain (5), digits of a number (3).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another set.")] = 0,
) -> None:
    """Write a synthetic set of samples with a known skill each (Skill-It's LEGO and addition)."""
    from curate.skill_sets.command import write_skill_set

    write_skill_set(kind, output, size=size, evaluation=evaluation, proportions=proportions, length=length, seed=seed)


@app.command()
def feasibility(
    source: Annotated[list[str], typer.Option("--source", metavar="NAME=GLOB", help="Texts to train on; repeat it.")],
    target: Annotated[list[str], typer.Option("--target", metavar="GLOB", help="Texts of the kind that matters.")],
    text: Annotated[str, typer.Option("--text", help="The column or key that holds the text.")] = "text",
    clusters: Annotated[int, typer.Option("--clusters", min=1, help="Clusters of each source.")] = 8,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """When to pre-train: could these sources make the target, and in which mixture (W2PGNN's question)?"""
    from json import dumps

    from curate.select.feasibility import of_files, report

    answer, counts = of_files(source, target, text=text, clusters=clusters)
    facts = {"feasibility": answer.feasibility, "gap": answer.gap, "weights": answer.weights, "natural": answer.natural}
    print(dumps(facts) if json else "\n".join(report(answer, counts)))


mining = typer.Typer(no_args_is_help=True, help="Rules for the selector instruct_mining.")
app.add_typer(mining, name="instruct-mine")


@mining.command("fit")
def fit_mining_rule(
    runs: Annotated[
        str, typer.Argument(metavar="FILE", help="A recipe (YAML) that trains, or a table of runs: `loss`, averages.")
    ],
    output: Annotated[str | None, typer.Option("--output", help="Of a recipe: another folder than the file's.")] = None,
    set: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Of a recipe: a setting.")] = None,
    most_p: Annotated[
        float, typer.Option("--most-p", min=0, max=1, help="Of a table: terms with a greater p are dropped.")
    ] = 0.05,
    json: Annotated[bool, typer.Option("--json", help="Print the fit as JSON.")] = False,
) -> None:
    """Fit the rule of instruct_mining to losses of models, which a recipe trains on sets of its pool."""
    if runs.endswith((".yaml", ".yml")):
        from curate.train.mining import mine_file

        mine_file(runs, output=output, settings=set or [], as_json=json)
    else:
        from curate.select.fit_rule import fit_table

        fit_table(runs, most_p=most_p, as_json=json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a pipeline file, for editors."""
    import json

    from curate.reference import json_schema

    print(json.dumps(json_schema(), indent=2))


def folder_of(name: str) -> Path:
    """An output folder, given itself or its pipeline file."""
    path = Path(name)
    if path.is_dir():
        return path
    from curate.config import load

    return load(name).folder_out


def _overrides(output: Any, inputs: Any, workers: Any, memory: Any, settings: Any) -> Any:
    from curate.config import Overrides

    return Overrides(output, tuple(inputs or ()), workers, memory, tuple(settings or ()))


def _spread(arguments: list[str]) -> list[str]:
    """`--input a b c`, as a shell expands a glob, means `--input a --input b --input c`; so for others that repeat."""
    spread: list[str] = []
    option, positionals = "", 0
    for argument in arguments:
        if argument.startswith("-"):
            option = ""
            spread.append(argument)
            if argument in ("--input", "--set", "--positive", "--negative", "--against", "--tasks"):
                option, first = argument, True
        elif option:
            spread += [argument] if first else [option, argument]
            first = False
            # the pipeline file has not come yet: it is the next word
            option = (
                option if positionals >= 2 or option in ("--positive", "--negative", "--against", "--tasks") else ""
            )
        else:
            positionals += 1
            spread.append(argument)
    return spread


def _stop(number: int, frame: FrameType | None) -> None:
    raise InterruptedRun("", "stopped; what was committed is kept", "run the same command again to go on from there")


def main() -> None:
    """The `curate` command. Errors are told in words; the exit code says their kind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app(_spread(sys.argv[1:]))
    except CurateError as error:
        print(error if isinstance(error, ConfigError | InterruptedRun) else f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}\n\nhint: what was committed is kept", file=sys.stderr)
        sys.exit(CurateError.exit_code)
