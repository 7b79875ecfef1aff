"""Do our filters decide as datatrove's do? `python -m benchmarks.agreement [--same-words]`

Prints for each filter on how many documents of `corpus/oracle` the decisions agree, and the classes of disagreement:
what datatrove said, what we said. With `--same-words` spaCy's words are passed to our kernels (the peers' environment
makes them), without it our own splitter's.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common import parser, run_peer, shared_file
from curate.documents import document_batch
from curate.kernels import quality, repetition
from curate.kernels.words import Words, split_words
from curate.steps import step_class
from curate.steps.quality import GOPHER_STOP_WORDS
from curate.steps.step import Bound, Step
from curate.text import buffers

Fails = dict[str, npt.NDArray[np.bool_]]
FILTERS = ("gopher_rep", "gopher_quality", "fineweb_quality", "fineweb_quality_fineweb_cfg", "c4", "c4_fineweb_cfg")


class Corpus(NamedTuple):
    """The documents that the oracle judged, in the order of their ids."""

    ids: list[str]
    text: pa.Array


def corpus(limit: int | None = None) -> Corpus:
    """The documents of the oracle that are in the Parquet file, or the first `limit` of them."""
    judged = shared_file("corpus/oracle/all_ids.txt").read_text().split()
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["id", "text"])
    table = table.filter(pc.is_in(table["id"], pa.array(judged))).slice(0, limit)
    return Corpus(table["id"].to_pylist(), table["text"].combine_chunks())


def dropped(name: str) -> dict[str, str]:
    """What datatrove dropped with this filter: id -> reason."""
    reasons = json.loads(shared_file(f"corpus/oracle/datatrove_{name}.reasons.json").read_text())
    return {key: reason.split("|")[1] for key, reason in reasons.items() if isinstance(reason, str)}


def failures(values: Mapping[str, npt.NDArray[Any]], bounds: Mapping[str, Bound]) -> Fails:
    """Rule -> which documents it drops."""
    return {
        name: (values[name] < (-np.inf if bound.min is None else bound.min))
        | (values[name] > (np.inf if bound.max is None else bound.max))
        for name, bound in bounds.items()
    }


def our_failures(name: str, text: pa.Array, words: Words) -> Fails:
    """What our filter of that name drops, by rule."""
    data, offsets = buffers(text)
    if name == "gopher_rep":
        step = step_class("repetition").model_validate({})
        values = repetition.repetition_signals(data, offsets, words)
        return failures(dict(zip(repetition.COLUMNS, values.T, strict=True)), step.bounds())
    if name.startswith("c4"):
        return _line_failures(
            step_class("lines").model_validate({"preset": "c4_datatrove" if name == "c4" else "c4_fineweb"}), text
        )
    presets = {"gopher_quality": "gopher", "fineweb_quality": "fineweb", "fineweb_quality_fineweb_cfg": "fineweb_paper"}
    strict = step_class("quality").model_validate({"preset": presets[name]})
    signals = quality.quality_signals(data, offsets, words, {"": GOPHER_STOP_WORDS})
    return failures(dict(zip(quality.COLUMNS, signals.T, strict=True)), strict.bounds())


def _line_failures(step: Step, text: pa.Array) -> Fails:
    batch = document_batch([{"row": 0, "id": "", "source": "", "path": "", "offset": 0}] * len(text))
    batch = batch.set_column(batch.schema.get_field_index("text"), "text", text)
    signals = step.process(batch).column(step.name)
    bounds = step.bounds()
    return failures({name: signals.field(name).to_numpy() for name in bounds}, bounds)


def agreement(name: str, documents: Corpus, words: Words) -> tuple[float, Counter[tuple[str, str]]]:
    """(the share of documents on which we agree, how often datatrove said one thing and we another)."""
    theirs = dropped(name)
    ours = our_failures(name, documents.text, words)
    classes: Counter[tuple[str, str]] = Counter()
    for place, key in enumerate(documents.ids):
        rules = [rule for rule, failed in ours.items() if failed[place]]
        if (key in theirs) != bool(rules):
            classes[theirs.get(key, "kept"), "+".join(rules) or "kept"] += 1
    return 1 - classes.total() / len(documents.ids), classes


def spacy_words(documents: Corpus) -> Words:
    """The words of spaCy's English tokenizer as datatrove uses it, made in the peers' environment."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "text.parquet"), Path(folder, "words.npz")
        pq.write_table(pa.table({"text": documents.text}), source)
        run_peer("words_spacy.py", [source, target])
        with np.load(target) as made:
            return Words(made["start"], made["stop"], made["first"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rates and the classes."""
    command = parser(__doc__)
    command.add_argument("--same-words", action="store_true", help="pass spaCy's words to our kernels (minutes)")
    command.add_argument("--limit", type=int, help="only the first documents")
    chosen = command.parse_args(arguments)
    documents = corpus(500 if chosen.quick else chosen.limit)
    own = not chosen.same_words
    words = split_words(*buffers(documents.text)) if own else spacy_words(documents)
    print(f"{len(documents.ids)} documents, words by {'curate' if own else 'spaCy'}")
    worst = 1.0
    for name in FILTERS:
        if name.startswith("c4") and not own:
            continue  # sentences are counted in edited lines, whose words we split ourselves
        rate, classes = agreement(name, documents, words)
        worst = min(worst, rate)
        print(f"{name:30} {rate:8.3%}  {classes.total()} disagreements")
        for (theirs, ours), count in classes.most_common(8):
            print(f"    {count:4}  datatrove: {theirs:32} curate: {ours}")
    print(f"ratio: {worst:.4f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
