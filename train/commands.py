"""What the verbs `tokenize` and `tokenizer` do with what was typed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from curate.errors import ConfigError, Problem, gathering
from curate.files import read_json
from curate.settings import TokenizerTraining, TokensOutput, parse_share
from curate.train.chat import Answers, Chat, ChatSettings, Prompts
from curate.train.text_tokenizer import end_of, load_tokenizer, need
from curate.train.token_set import HELD_OUT, TOKENIZER, TOKENS, TokenSet
from curate.train.token_units import UNKNOWN
from curate.train.tokenising import TokenizeSettings, tokenize
from curate.train.tokenizer_training import TRAINING, train_tokenizer


def tokenize_shards(
    shards: Sequence[str],
    output: Path,
    *,
    tokenizer: str,
    by: str,
    text: str,
    eos: str | None,
    chat: bool,
    template: str,
    answers: str,
    prompts: str,
    held_out: str,
    scores: str | None,
    workers: int | None,
) -> None:
    """`curate tokenize`. Raises ConfigError."""
    problems = []
    for option, value, default in (
        ("--template", template, "auto"),
        ("--answers", answers, "all"),
        ("--prompts", prompts, "kept"),
    ):
        if not chat and value != default:
            problems.append(Problem(option, "is for --chat"))
    if prompts not in ("kept", "empty"):
        problems.append(Problem("--prompts", f"kept or empty, got {prompts}"))
    if answers not in ("all", "last"):
        problems.append(Problem("--answers", f"all or last, got {answers}"))
    share = 0.0
    try:
        share = float(parse_share(held_out))
        if not 0 <= share < 1:
            raise ValueError(f"`{held_out}` is not a share below 1; write 2%")
    except ValueError as error:
        problems.append(Problem("--held-out", str(error)))
    if problems:
        with gathering(problems):
            load_tokenizer(tokenizer, eos=eos)
        raise ConfigError(problems)
    template = _template(template, Path())
    chosen: Answers = "last" if answers == "last" else "all"
    turns: Prompts = "empty" if prompts == "empty" else "kept"
    rendering = ChatSettings(template, chosen, turns) if chat else None
    settings = TokenizeSettings(tokenizer, eos, by, text, rendering, share, scores=scores)
    count = workers or len(os.sched_getaffinity(0))
    found = tokenize(shards, output, settings, workers=count, note=lambda line: print(line, file=sys.stderr))
    if by != "source" and list(found.sources) == [UNKNOWN]:
        print(f"note: no document has a `{by}`: all are of the source `{UNKNOWN}`", file=sys.stderr)
    print("\n".join(summary(found)))


def _template(name: str, folder: Path) -> str:
    """A template, given it, its name, or its file."""
    path = folder / name if len(name) < 256 and "{" not in name else folder
    return path.read_text("utf-8") if path.is_file() else name


def check_tokens(output: TokensOutput, folder: Path) -> None:
    """What can be checked of `output.tokens` of a pipeline file in `folder` before its run. Raises ConfigError, MissingAsset."""
    if isinstance(output.tokenizer, str):
        tokens_settings(output, folder, output.tokenizer)
    else:
        need("tokenizers", "output.tokens.tokenizer")


def tokens_settings(output: TokensOutput, folder: Path, tokenizer_name: str) -> TokenizeSettings:
    """`output.tokens` of a pipeline file in `folder`, with a tokenizer that is there. Raises ConfigError, MissingAsset."""
    name = str(folder / tokenizer_name) if (folder / tokenizer_name).exists() else tokenizer_name
    tokenizer = load_tokenizer(name, where="output.tokens.tokenizer", eos=output.eos)
    chat = ChatSettings(_template(output.template, folder), output.answers, output.prompts) if output.chat else None
    if chat:
        Chat(tokenizer, chat)
    else:
        end_of(tokenizer, "output.tokens")
    return TokenizeSettings(name, output.eos, output.by, chat=chat, held_out=output.held_out)


def tokenize_run(output: TokensOutput, folder: Path, run: Path, workers: int, note: Callable[[str], None]) -> TokenSet:
    """The tokens of a run that was just published, in its folder `tokens`."""
    if isinstance(output.tokenizer, str):
        settings = tokens_settings(output, folder, output.tokenizer)
    else:
        made = own_tokenizer(run, output.tokenizer.train, note)
        settings = tokens_settings(output, folder, str(made.absolute()))
    return tokenize([str(run)], run / TOKENS, settings, workers=workers, note=lambda line: note(f"tokens: {line}"))


def own_tokenizer(run: Path, settings: TokenizerTraining, note: Callable[[str], None]) -> Path:
    """The tokenizer of a run's shards in its folder `tokenizer`, trained unless it is that of these shards already."""
    folder = run / TOKENIZER
    asked = {"vocabulary": settings.vocabulary, "special": settings.special, "bytes": settings.size}
    shards = [entry["sha256"] for entry in read_json(run / "manifest.json")["shards"]]
    known = read_json(folder / TRAINING)
    if known and known["asked"] == asked and [entry["sha256"] for entry in known["corpus"]] == shards:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    said = train_tokenizer(
        [str(run)], folder, vocabulary=settings.vocabulary, special=settings.special, size=settings.size
    )
    note(f"tokenizer: {said.splitlines()[0]}")
    return folder


def summary(found: TokenSet) -> list[str]:
    """What a user reads of a set that was made."""
    total, counts = found.manifest, found.manifest["counts"]
    left = ", ".join(f"{reason} {n:,}" for reason, n in counts.items() if reason not in ("in", "kept") and n)
    lines = [f"{counts['in']:,} in = {counts['kept']:,} kept" + (f" + {left}" if left else "")]
    lines.append(
        f"{total['tokens']:,} tokens, the loss is of {total['trained']:,} ({total['trained'] / total['tokens']:.1%})"
    )
    width = max(len(name) for name in found.sources)
    for name, held in sorted(found.sources.items(), key=lambda item: -item[1]["tokens"])[:20]:
        share = held["tokens"] / total["tokens"]
        lines.append(
            f"  {name:<{width}}  {held['documents']:>9,} documents  {held['tokens']:>13,} tokens  {share:6.1%}"
        )
    if len(found.sources) > 20:
        lines.append(f"  and {len(found.sources) - 20} more sources")
    if (found.folder / HELD_OUT).exists():
        apart = TokenSet.open(found.folder / HELD_OUT).manifest
        lines.append(f"held out: {apart['documents']:,} documents, {apart['tokens']:,} tokens")
    return [*lines, f"{found.folder}: {found.hash}"]
