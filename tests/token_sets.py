"""Small sets of tokenised documents of known lengths, without a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from curate.train.token_files import TokenFile, write_manifest
from curate.train.token_set import TOKENS, TokenSet

VOCABULARY = 60000


def make_set(
    folder: Path,
    lengths: Mapping[str, Sequence[int]],
    *,
    files: int = 2,
    width: int = 2,
    answers: float = 0.0,
    vocabulary: int = VOCABULARY,
    scored: bool = False,
) -> TokenSet:
    """Documents of these lengths by source, dealt out to files; with `answers`, the loss is of that share at their end;
    with `scored`, a token's score is 1 where its id is odd.

    Token t of document d of source s is a hash of the three, so that a token says where it comes from.
    """
    (folder / TOKENS).mkdir(parents=True)
    parts = [TokenFile(width, masked=answers > 0, scored=scored) for _ in range(files)]
    for number, (source, sizes) in enumerate(sorted(lengths.items())):
        for d, size in enumerate(sizes):
            tokens = (np.arange(size) * 7 + d * 1009 + number * 50021) % vocabulary
            mask = (np.arange(size) >= size * (1 - answers)).astype(np.uint8) if answers > 0 else None
            part = parts[d * files // len(sizes)]
            part.add(source, f"{source}-{d}", f"{source}.jsonl", d, tokens, mask, tokens % 2 if scored else None)
    facts = []
    for i, part in enumerate(parts):
        path = folder / TOKENS / f"{i:05d}.arrow"
        facts.append({"path": f"{TOKENS}/{path.name}", **part.write(path)})
    tokenizer = {"name": "none", "sha256": "0" * 64, "vocabulary": vocabulary}
    write_manifest(folder, facts, tokenizer=tokenizer, width=width, masked=answers > 0, scored=scored)
    return TokenSet.open(folder)


def random_lengths(seed: int, count: int, *, mean: float = 300.0, least: int = 1) -> list[int]:
    """Lengths as documents have them: log-normal."""
    rng = np.random.default_rng(seed)
    return [int(x) for x in np.maximum(least, rng.lognormal(np.log(mean), 1.0, count))]
