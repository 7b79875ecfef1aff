"""`curate train-ngram`: a language model of n-grams from a corpus, for the step `perplexity`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from curate.corpus import corpus_files, texts
from curate.errors import ConfigError, Problem
from curate.files import committed_folder, file_sha256, write_json
from curate.kernels.ngrams import MOST_ORDER
from curate.ngrams.tokenizer import Kind, Tokenizer, processor
from curate.ngrams.training import TrainSettings, train, train_pieces


def train_model(
    paths: Sequence[str],
    output: Path,
    settings: TrainSettings,
    *,
    tokens: str,
    normal: bool,
    sentencepiece: Path | None,
    pieces: int,
    text: str,
) -> None:
    """Train and write a model; say what it holds. Raises ConfigError with all that is wrong, before any work."""
    problems = list(_problems(output, settings, tokens, sentencepiece, pieces))
    files = []
    try:
        files = corpus_files(paths, text=text)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    if sentencepiece:
        processor(str(sentencepiece))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, committed_folder(output) as folder:
        if tokens == "pieces" and sentencepiece is None:
            sentencepiece = Path(scratch) / "pieces.model"
            sentencepiece.write_bytes(train_pieces(texts(files), pieces, normal=normal))
        tokenizer = Tokenizer(tokens, normal, str(sentencepiece) if sentencepiece else "")  # type: ignore[arg-type]
        facts = train(texts(files), tokenizer, settings, folder)
        corpus = [{"path": file.path, "sha256": file_sha256(Path(file.place))} for file in files]
        write_json(folder / "model.json", {"order": settings.order, "tokens": tokens, **facts, "corpus": corpus})
        size = sum(file.stat().st_size for file in folder.iterdir())
    counts = ", ".join(f"{count:,} {n}-grams" for n, count in enumerate(facts["counts"], 1))
    print(f"{facts['tokens']:,} tokens in {facts['lines']:,} lines: {counts}")
    print(f"{output}: {size / 1e6:,.1f} MB, {time.perf_counter() - start:.1f} s")
    print(f"use it:  - perplexity: {{model: {output}}}")


def _problems(
    output: Path, settings: TrainSettings, tokens: str, sentencepiece: Path | None, pieces: int
) -> Iterator[Problem]:
    if output.exists():
        yield Problem("--output", f"`{output}` exists", "name a new folder, or remove it")
    if not 1 <= settings.order <= MOST_ORDER:
        yield Problem("--order", f"from 1 to {MOST_ORDER}, got {settings.order}")
    if tokens not in get_args(Kind):
        yield Problem("--tokens", f"one of {', '.join(get_args(Kind))}, got {tokens}")
    if list(settings.prune) != sorted(settings.prune) or min(settings.prune) < 0:
        yield Problem("--prune", f"counts from 0 up that do not fall, got {','.join(map(str, settings.prune))}")
    if tokens != "pieces" and sentencepiece:
        yield Problem("--sentencepiece", "is for --tokens pieces")
    if sentencepiece and not sentencepiece.is_file():
        yield Problem("--sentencepiece", f"there is no file `{sentencepiece}`")
    if pieces < 16:
        yield Problem("--pieces", f"at least 16, got {pieces}")
