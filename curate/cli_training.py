"""The verbs of training: tokens, the trainer and what is done with models. Part of `curate.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.errors import ConfigError, Problem

training = typer.Typer()

WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Processes to use; default: all cores.")]


@training.command()
def tokenize(
    shards: Annotated[list[str], typer.Argument(metavar="SHARDS...", help="Output folders, shards, files; NAME=GLOB.")],
    tokenizer: Annotated[str, typer.Option(help="tokenizer.json, a folder, or a name of the hub's cache.")],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="The folder of tokens; kept up to date.")],
    by: Annotated[str, typer.Option(help="What the mixture weighs: a column, a signal, metadata.KEY.")] = "source",
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column or key that holds the text.")] = "text",
    eos: Annotated[str | None, typer.Option(metavar="TOKEN", help="Ends a document; default: the tokenizer's.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Conversations: the loss is of the answers.")] = False,
    template: Annotated[
        str, typer.Option(help="With --chat: auto, tokenizer, chatml, plain, or a file of a Jinja template.")
    ] = "auto",
    answers: Annotated[str, typer.Option(help="With --chat: all or last.")] = "all",
    prompts: Annotated[str, typer.Option(help="With --chat: kept, or empty for response tuning.")] = "kept",
    held_out: Annotated[
        str, typer.Option("--held-out", metavar="P%", help="Keep a share of the documents apart, in DIR/held_out.")
    ] = "0%",
    scores: Annotated[
        str | None, typer.Option(metavar="STEP", help="Tokens take the scores of segments of this step `tag`.")
    ] = None,
    workers: WorkersOption = None,
) -> None:
    """Turn documents or conversations into token ids on disk, for training."""
    from curate.train.commands import tokenize_shards

    tokenize_shards(
        shards, output, tokenizer=tokenizer, by=by, text=text, eos=eos, chat=chat, template=template, answers=answers,
        prompts=prompts, held_out=held_out, scores=scores, workers=workers,
    )  # fmt: skip


tokenizers = typer.Typer(no_args_is_help=True, help="Tokenizers of your own.")
training.add_typer(tokenizers, name="tokenizer")


@tokenizers.command("train")
def train_tokenizer(
    corpus: Annotated[list[str], typer.Argument(metavar="CORPUS...", help="Output folders, files, folders or globs.")],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="A new folder for the tokenizer.")],
    vocabulary: Annotated[int, typer.Option(help="How many tokens, special ones with them.")] = 32000,
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column or key that holds the text.")] = "text",
    special: Annotated[list[str] | None, typer.Option(help="One more special token; may be repeated.")] = None,
    size: Annotated[str, typer.Option("--bytes", help="Of a larger corpus, each file gives its head.")] = "1GB",
) -> None:
    """Train a byte-level BPE on a corpus."""
    from curate.settings import parse_size
    from curate.train.tokenizer_training import train_tokenizer as train

    print(train(corpus, output, vocabulary=vocabulary, text=text, special=special or (), size=parse_size(size)))


@tokenizers.callback()
def _tokenizers() -> None:
    """Tokenizers of your own."""


@training.command()
def train(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A training file, or a pipeline file with `train:`.")],
    output: Annotated[str | None, typer.Option("--output", help="Write to this folder instead of the file's.")] = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: optimizer.lr=3e-4")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Begin anew: forget the checkpoints of the folder.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Train nothing: prove resume and masks, count tokens, estimate memory and time."),
    ] = False,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="PATH", help="With --check: test sets to look for in the data."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --check: the findings as one JSON list.")] = False,
) -> None:
    """Train on tokenised shards; goes on from the newest checkpoint. For many GPUs: torchrun -m curate train FILE."""
    if check:
        from curate.train.check.command import check_file

        if output is not None or force:
            raise ConfigError(
                [Problem("--force" if force else "--output", "is for a training; --check writes nothing")]
            )
        check_file(file, settings=set or (), against=against or (), as_json=json)
        return
    if against or json:
        raise ConfigError([Problem("--against" if against else "--json", "is for --check")])
    from curate.train.start import train_file

    train_file(file, output=output, settings=set or (), force=force)


@training.command()
def curve(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A training file, or a pipeline file with train:.")],
    output: Annotated[
        str | None, typer.Option("--output", metavar="DIR", help="The folder of parts, runs and figures.")
    ] = None,
    fractions: Annotated[str, typer.Option("--fractions", help="Parts of the data.")] = "1/8,1/4,1/2,1",
    seeds: Annotated[int, typer.Option("--seeds", help="Runs on each part.")] = 1,
    steps: Annotated[
        str, typer.Option("--steps", help="epochs: each part is seen as often as the whole; same: as many steps.")
    ] = "epochs",
    set: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")] = None,
) -> None:
    """What more data would bring: the same training on nested parts of its data, and a power law."""
    from curate.train.curve_command import curve_of_file

    curve_of_file(file, output=output, fractions=fractions, seeds=seeds, steps=steps, settings=set or ())


@training.command()
def merge(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="soup, greedy, arithmetic, residual, lines or ties.")],
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS...", help="Folders of models; residual: INSTRUCT, then MODEL.")
    ],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="A new folder for the model.")],
    base: Annotated[
        str | None, typer.Option("--base", metavar="DIR", help="The model that the others began from.")
    ] = None,
    scale: Annotated[
        list[float] | None, typer.Option("--scale", help="Of what is added to the base; repeat it: one of each model.")
    ] = None,
    alpha: Annotated[float | None, typer.Option("--alpha", help="lines: the share of the lowest layer.")] = None,
    density: Annotated[
        float | None, typer.Option("--density", help="ties: the share of changes that counts; 0.2 if absent.")
    ] = None,
    evaluate: Annotated[
        str | None, typer.Option("--evaluate", metavar="TOKENS", help="Choose by the loss on these held-out tokens.")
    ] = None,
    dtype: Annotated[str | None, typer.Option("--dtype", help="Of the result: float32, bfloat16, float16.")] = None,
) -> None:
    """Make a model of the weights of others: soups, task arithmetic, instruction residual, LiNeS, TIES."""
    from curate.train.merge.command import merge_models

    merge_models(
        kind, models, output, base=base, scale=scale or (), alpha=alpha, density=density, evaluate=evaluate, dtype=dtype
    )


@training.command()
def evaluate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The output folder of a training, a checkpoint, a model.")
    ],
    tasks: Annotated[
        list[str] | None, typer.Option("--tasks", metavar="PATH", help="Test examples: files, folders, globs.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="TOKENS", help="Held-out documents: loss and bits a byte by source.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="The first so many of each task, and of each source.")] = 500,
    generate: Annotated[
        int, typer.Option(min=0, help="Go on from so many held-out beginnings: ends, repetition, toxicity.")
    ] = 0,
    harness: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Tasks of lm-evaluation-harness or YAML files of such, with commas between."
        ),
    ] = None,
    limit: Annotated[str, typer.Option(help="Exit code 6 where the data hold more of a task's examples.")] = "1%",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
) -> None:
    """Measure a model: multiple choice and cloze by likelihood, held-out loss, what it writes; and whether it saw the tests."""
    from curate.train.evaluation.command import evaluate_model

    evaluate_model(
        model, tasks=tasks or (), data=data, examples=examples, generate=generate, harness=harness, limit=limit,
        device=device, as_json=json,
    )  # fmt: skip


@training.command()
def trace(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="The output folder of a training run, or a checkpoint of it.")
    ],
    step: Annotated[int | None, typer.Option("--step", min=0, help="The step, from 0.")] = None,
    around: Annotated[
        str,
        typer.Option(
            "--around",
            metavar="N|spike",
            help="So many steps before and after; spike: the nearest that the guard noted, without --step all.",
        ),
    ] = "0",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a document.")] = False,
) -> None:
    """List the documents that a training step was made of: source, place, URL, what part was used."""
    from curate.train.trace import trace as trace_steps

    trace_steps(Path(directory), step, around=around, as_json=json)
