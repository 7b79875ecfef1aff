"""What the verbs `tokenize` and `tokenizer` do with what was typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from curate.errors import ConfigError, Problem
from curate.settings import TokensOutput
from curate.train.chat import Answers, Chat, ChatSettings
from curate.train.text_tokenizer import end_of, load_tokenizer
from curate.train.token_set import TokenSet
from curate.train.tokenising import TokenizeSettings, tokenize


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
    workers: int | None,
) -> None:
    """`curate tokenize`. Raises ConfigError."""
    problems = []
    if not chat and (template, answers) != ("auto", "all"):
        problems.append(Problem("--template" if template != "auto" else "--answers", "is for --chat"))
    if answers not in ("all", "last"):
        problems.append(Problem("--answers", f"all or last, got {answers}"))
    if problems:
        raise ConfigError(problems)
    template = _template(template, Path())
    chosen: Answers = "last" if answers == "last" else "all"
    settings = TokenizeSettings(tokenizer, eos, by, text, ChatSettings(template, chosen) if chat else None)
    count = workers or len(os.sched_getaffinity(0))
    found = tokenize(shards, output, settings, workers=count, note=lambda line: print(line, file=sys.stderr))
    print("\n".join(summary(found)))


def _template(name: str, folder: Path) -> str:
    """A template, given it, its name, or its file."""
    path = folder / name if len(name) < 256 and "{" not in name else folder
    return path.read_text("utf-8") if path.is_file() else name


def tokens_settings(output: TokensOutput, folder: Path) -> TokenizeSettings:
    """`output.tokens` of a pipeline file in `folder`, with a tokenizer that is there. Raises ConfigError, MissingAsset."""
    name = str(folder / output.tokenizer) if (folder / output.tokenizer).exists() else output.tokenizer
    tokenizer = load_tokenizer(name, where="output.tokens.tokenizer", eos=output.eos)
    chat = ChatSettings(_template(output.template, folder), output.answers) if output.chat else None
    if chat:
        Chat(tokenizer, chat)
    else:
        end_of(tokenizer, "output.tokens")
    return TokenizeSettings(name, output.eos, output.by, chat=chat)


def tokenize_run(output: TokensOutput, folder: Path, run: Path, workers: int, note: Callable[[str], None]) -> TokenSet:
    """The tokens of a run that was just published, in its folder `tokens`."""
    settings = tokens_settings(output, folder)
    return tokenize([str(run)], run / "tokens", settings, workers=workers, note=lambda line: note(f"tokens: {line}"))


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
    return [*lines, f"{found.folder}: {found.hash}"]
