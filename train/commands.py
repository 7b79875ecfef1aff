"""What the verbs `tokenize` and `tokenizer` do with what was typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from curate.errors import ConfigError, Problem
from curate.train.chat import Answers, ChatSettings
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
    if Path(template).suffix and Path(template).is_file():
        template = Path(template).read_text("utf-8")
    chosen: Answers = "last" if answers == "last" else "all"
    settings = TokenizeSettings(tokenizer, eos, by, text, ChatSettings(template, chosen) if chat else None)
    count = workers or len(os.sched_getaffinity(0))
    found = tokenize(shards, output, settings, workers=count, note=lambda line: print(line, file=sys.stderr))
    print("\n".join(summary(found)))


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
