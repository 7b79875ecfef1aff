"""Do the data hold what the model will be evaluated on? Documents of the sets are decoded and searched for its n-grams."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from curate.contamination.index import Index
from curate.contamination.measure import Meter
from curate.contamination.search import index_texts, load
from curate.train.check.finding import Finding, Subject
from curate.train.check.masks import sampled
from curate.train.evaluation.command import LIMIT
from curate.train.token_set import TOKENIZER, Document, TokenSet

# So much of the data is searched: documents of each source, and tokens in all.
DOCUMENTS, TOKENS = 2000, 4_000_000
AT_ONCE = 256
Decode = Callable[[Sequence[Document]], list[str]]


def check_overlap(subject: Subject) -> Finding:
    """The held-out documents and the test sets, in a sample of the data."""
    indexes = [*held_out_index(subject), *_test_sets(subject)]
    if not indexes:
        return Finding("contamination", "note", "nothing to look for: there are neither held-out documents nor tests",
                       "name test sets: --against 'tests/*.jsonl'")  # fmt: skip
    meters, share = measured(subject.sets, indexes)
    lines, over = [], []
    for meter in meters:
        found = meter.result()
        for row in found.benchmarks:
            lines.append(f"{row.name}: {row.contaminated:,} of {row.searched:,} examples ({row.share:.2%})")
            if row.share > LIMIT:
                over.append(row.name)
        lines += [f"  {e.benchmark} {e.id}: {e.share:.0%} of it in {e.document}" for e in found.examples[:2]]
    what = f"{share:.0%} of the data searched" + (", a sample" if share < 1 else "")
    if over:
        what += f": it holds more than {LIMIT:.0%} of the examples of {', '.join(over)}"
        mend = "put `decontaminate` and `minhash` into the pipeline, or evaluate on other documents"
        return Finding("contamination", "broken", what, mend, tuple(lines))
    if not share:
        return Finding("contamination", "note", "the sets have no tokenizer: their texts are not known")
    return Finding("contamination", "ok", f"{what}: nothing above {LIMIT:.0%}", "", tuple(lines))


def held_out_index(subject: Subject) -> Iterator[Index]:
    """Of the documents that the training evaluates on, if their texts are known."""
    if subject.held_out is not None and subject.settings.evaluate:
        decode = decoder(subject.held_out)
        if decode:
            # the first of each source, as in `Evaluation`
            most, held = subject.settings.evaluate.documents, subject.held_out
            documents = [found for name in held.sources for found in itertools.islice(held.documents(name), most)]
            yield index_texts("held-out documents", decode(documents))


def _test_sets(subject: Subject) -> Iterator[Index]:
    tasks = subject.settings.evaluate.tasks if subject.settings.evaluate else []
    paths = [*tasks, *subject.against]
    if paths:
        yield load(paths)


def measured(sets: Sequence[TokenSet], indexes: Sequence[Index]) -> tuple[list[Meter], float]:
    """A meter of each index over a sample of the sets, and the share of their tokens that the sample is."""
    meters = [Meter(index) for index in indexes]
    total, searched = sum(int(found.manifest["tokens"]) for found in sets), 0
    for found in sets:
        decode = decoder(found)
        if decode is None:
            continue
        for group in _groups(found, TOKENS * int(found.manifest["tokens"]) // max(total, 1)):
            searched += sum(len(document.tokens) for document in group)
            names = [f"{document.id} ({document.path} at {document.offset:,})" for document in group]
            for meter in meters:
                meter.add(pa.array(decode(group), pa.string()), names)
    return meters, searched / max(total, 1)


def _groups(found: TokenSet, most: int) -> Iterator[list[Document]]:
    chosen = sampled(found, DOCUMENTS, tokens=most)
    while group := list(itertools.islice(chosen, AT_ONCE)):
        yield group


def decoder(found: TokenSet) -> Decode | None:
    """A function from documents of a set to their texts, without special tokens; None where the set has no tokenizer."""
    from tokenizers import Tokenizer

    path = found.folder / TOKENIZER / "tokenizer.json"
    if not path.is_file():
        return None
    tokenizer = Tokenizer.from_file(str(path))

    def decode(documents: Sequence[Document]) -> list[str]:
        ids = [document.tokens.tolist() for document in documents]
        return list(tokenizer.decode_batch(ids, skip_special_tokens=True))

    return decode
