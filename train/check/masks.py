"""What the loss is of: by source, in every row, and whether answers end in a token that ends them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich.text import Text

from curate.train.batch import IGNORE, Batch
from curate.train.check.finding import Finding, Subject
from curate.train.text_tokenizer import load_tokenizer
from curate.train.token_set import TOKENIZER, Document, TokenSet

# Documents of each source that are looked at.
SAMPLE = 200
# Below this share of the tokens of a source most of the work is for nothing.
FEW = 0.05
SHOWN = 320


def check_shares(subject: Subject) -> Finding:
    """The share of the tokens that the loss is of, by source, exactly."""
    facts: dict[str, list[int]] = {}
    for found in subject.sets:
        for name, held in found.sources.items():
            total = facts.setdefault(name, [0, 0])
            total[0] += held["tokens"]
            total[1] += held["trained"]
    width = max(map(len, facts))
    lines = tuple(
        f"{name:{width}}  {tokens:>13,} tokens  {trained / max(tokens, 1):6.1%} trained"
        for name, (tokens, trained) in sorted(facts.items(), key=lambda item: -item[1][0])[:20]
    )
    few = [name for name, (tokens, trained) in facts.items() if trained < FEW * tokens]
    tokens, trained = (sum(values[i] for values in facts.values()) for i in (0, 1))
    what = f"the loss is of {trained:,} of {tokens:,} tokens ({trained / max(tokens, 1):.1%})"
    if few:
        what += f", of less than {FEW:.0%} of {', '.join(few[:5])}"
        return Finding(
            "trained tokens", "note", what, "shorten what stands before the answers, or leave the source out", lines
        )
    return Finding("trained tokens", "ok", what, "", lines)


def check_rows(batches: Sequence[Batch], *, prompts: bool = False) -> Finding:
    """Every row has a token that the loss is of; `prompts` count where the objective gives them a weight."""

    def labels(batch: Batch) -> Any:
        return batch.whole_labels if prompts else batch.labels

    empty = [
        (batch.step, row) for batch in batches for row in np.flatnonzero((labels(batch) == IGNORE).all(axis=1)).tolist()
    ]
    rows = sum(len(batch.tokens) for batch in batches)
    if not empty:
        return Finding("masked rows", "ok", f"each of the first {rows:,} rows has tokens that the loss is of")
    step, row = empty[0]
    what = f"{len(empty):,} of the first {rows:,} rows have no token that the loss is of; the first is row {row} of step {step}"
    mend = "raise `context` above the length of the prompts, or write `long: drop`; look at the masks of the set"
    return Finding("masked rows", "broken", what, mend)


def check_ends(subject: Subject) -> Finding:
    """Answers end in a special token that the loss is of; texts in the token that ends a text."""
    answers = ended = 0
    worst: Document | None = None
    for found in subject.sets:
        ends = _end_tokens(found)
        if not ends:
            return Finding("ends", "note", f"{found.folder} has no tokenizer: the token that ends a turn is not known")
        for document in sampled(found):
            for last in _last_tokens(document):
                answers, ended = answers + 1, ended + (last in ends)
                worst = document if last not in ends and worst is None else worst
    kind = "answers" if any(found.masked for found in subject.sets) else "texts"
    if worst is None:
        return Finding("ends", "ok", f"each of {answers:,} {kind} ends in a token that ends it, and the loss is of it")
    what = (
        f"{answers - ended:,} of {answers:,} {kind} do not end in a special token: the model would not learn to stop; "
    )
    what += f"the first is {worst.id} ({worst.path} at {worst.offset})"
    return Finding("ends", "broken", what, "tokenise again: `curate tokenize --chat --template chatml`, or with --eos")


def sampled(found: TokenSet, most: int = SAMPLE, *, tokens: int | None = None) -> Iterator[Document]:
    """Documents of each source at equal distances: at most so many, and about so many tokens of the set in all."""
    total = max(1, int(found.manifest["tokens"]))
    for name, held in found.sources.items():
        count = min(most, held["documents"])
        if tokens is not None:
            # of a source that has this share of the tokens, this share of its documents
            count = min(count, math.ceil(held["documents"] * tokens / total))
        for i in range(count):
            yield found.document(name, i * held["documents"] // count)


def _end_tokens(found: TokenSet) -> set[int]:
    folder = found.folder / TOKENIZER
    if not folder.is_dir():
        return set()
    tokenizer = load_tokenizer(str(folder))
    eos = found.manifest["tokenizer"].get("eos")
    return set(tokenizer.special.values()) if found.masked else {eos} if eos is not None else set()


def _last_tokens(document: Document) -> list[int]:
    """The last token of each run of trained tokens; of a text its last one."""
    if document.mask is None:
        return [int(token) for token in document.tokens[-1:]]
    ends = np.flatnonzero(np.diff(np.append(document.mask, 0).astype(np.int8)) == -1)
    last: list[int] = document.tokens[ends].tolist()
    return last


def telling_row(batch: Batch) -> int:
    """The row whose beginning tells most: both what is learnt and what is not, several documents; else the first."""
    labels, documents = batch.labels[:, :SHOWN], batch.documents[:, :SHOWN]

    def told(row: int) -> tuple[int, int]:
        inside = documents[row] >= 0
        # the first token of a document is never learnt
        learnt = (labels[row] != IGNORE)[inside]
        apart = len(np.unique(documents[row][inside]))
        return int(0 < learnt.sum() < inside.sum() - apart), min(apart, 3)

    return max(range(len(labels)), key=told)


def decoded(batch: Batch, found: TokenSet, *, row: int = 0) -> Text | None:
    """The beginning of a row as text: green what the loss is of, dim and in ⟦⟧ what not, ┃ between documents."""
    folder = found.folder / TOKENIZER
    if not folder.is_dir():
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokens, labels, documents = batch.tokens[row, :SHOWN], batch.labels[row, :SHOWN], batch.documents[row, :SHOWN]
    text = Text()
    state = list(zip((labels != IGNORE).tolist(), documents.tolist(), strict=True))
    start = 0
    for stop in range(1, len(state) + 1):
        if stop < len(state) and state[stop] == state[start]:
            continue
        trained, document = state[start]
        if start and document != state[start - 1][1]:
            text.append(" ┃ ", style="bold red")
        part = tokenizer.decode(tokens[start:stop].tolist(), skip_special_tokens=False) if document >= 0 else "padding"
        text.append(part if trained else f"⟦{part}⟧", style="green" if trained else "dim")
        start = stop
    if batch.tokens.shape[1] > SHOWN:
        text.append(" …")
    return text
