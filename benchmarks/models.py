"""Steps that ask a model, documents/s and growth: `python -m benchmarks.models [--quick] [--smollm2]`, against KenLM.

An n-gram model of words (order 5, trained on novels) and a fastText classifier (novels against documentation) are made
first. Then the steps `perplexity` and `classifier` score a quarter, a half and all of the documents. The peers are the
module `kenlm` on the ARPA file of the same model and the same normal form of each line, and fastText's own `predict` on the
same lines. `--smollm2` adds SmolLM2-135M on the first windows of a few documents. The last line is the ratio to KenLM.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, shared_file
from curate.classifiers import fasttext_model
from curate.classifiers.fasttext_model import TrainingSettings
from curate.classifiers.lines import line_of
from curate.documents import document_batch
from curate.files import write_json
from curate.ngrams import kenlm_model
from curate.ngrams.tokenizer import Tokenizer
from curate.ngrams.training import TrainSettings, train
from curate.steps import step_class

ROWS = 256


def novels(count: int) -> list[str]:
    """The first chapters of the novels."""
    with gzip.open(shared_file("prose/standardebooks.jsonl.gz"), "rt", encoding="utf-8") as lines:
        return [json.loads(next(lines))["text"] for _ in range(count)]


def ngrams_of(folder: Path, books: Sequence[str]) -> float:
    """Train word 5-grams of the books into a folder: MB/s, without compiling."""
    folder.mkdir()
    train([pa.array(books[:1])], Tokenizer(), TrainSettings(5), folder)  # compiles the kernels
    spent = timed(lambda: train([pa.array(books)], Tokenizer(), TrainSettings(5), folder))
    return sum(len(book.encode()) for book in books) / 1e6 / spent


def classifier_of(folder: Path, books: Sequence[str], texts: Sequence[str]) -> Path:
    """Train a fastText classifier, books against as many texts: the model file."""
    lines = [("__label__good", line_of(book[:8000], "plain")) for book in books]
    lines += [("__label__pool", line_of(text[:8000], "plain")) for text in texts[:: max(1, len(texts) // len(books))]]
    return fasttext_model.train(lines, TrainingSettings(dim=16), 0, folder)


def predicted(model: Path, texts: Sequence[str]) -> float:
    """Seconds in which fastText itself predicts lines that were made before."""
    import fasttext

    fasttext.FastText.eprint = lambda *_: None
    loaded = fasttext.load_model(str(model))
    lines = [line_of(text, "plain") for text in texts]
    return timed(lambda: [loaded.predict(line, k=2) for line in lines])


def timed(work: Callable[[], Any]) -> float:
    """Seconds of processor time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def batches(texts: Sequence[str]) -> list[pa.RecordBatch]:
    """The texts as documents."""
    rows = [{"row": row, "text": text} for row, text in enumerate(texts)]
    return [document_batch(rows[at : at + ROWS]) for at in range(0, len(rows), ROWS)]


def step_seconds(kind: str, settings: dict[str, Any], texts: Sequence[str]) -> list[float]:
    """Seconds for a quarter, a half and all of the texts; loading is left out."""
    step = step_class(kind).model_validate(settings)
    step.assets()
    step.process(document_batch([{"row": 0, "text": texts[0]}]))
    parts = [batches(texts[: len(texts) // share]) for share in (4, 2, 1)]
    return [timed(lambda part=part: [step.process(batch) for batch in part]) for part in parts]  # type: ignore[misc]


def figures(name: str, texts: Sequence[str], seconds: Sequence[float]) -> list[tuple[str, float, str]]:
    """Documents/s, MB/s and growth of a step."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    half = sum(len(text.encode()) for text in texts[: len(texts) // 2]) / 1e6
    return [
        (f"{name}, {len(texts):,} documents", len(texts) / seconds[-1], "documents/s"),
        (name, size / seconds[-1], "MB/s"),
        (
            f"{name}, time of all over time of half",
            seconds[2] / seconds[1],
            f"times, of {size / half:.2f} times the text",
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, score with both sides, print."""
    options = parser(__doc__)
    options.add_argument("--smollm2", action="store_true", help="also a causal model, half a minute")
    asked = options.parse_args(arguments)
    pin_to_one_core()
    count = 1000 if asked.quick else 6000
    column = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"]
    texts = column.slice(0, count).to_pylist()
    books = novels(60 if asked.quick else 240)
    rows: list[tuple[str, float, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "ngrams"
        rows.append((f"train-ngram, order 5, {len(books)} chapters", ngrams_of(folder, books), "MB/s"))
        ours = step_seconds("perplexity", {"model": str(folder)}, texts)
        rows += figures("perplexity, n-grams", texts, ours)
        share = texts[: count // 10]
        peer = kenlm_model.load(folder / "model.arpa", Tokenizer())
        kenlm = timed(lambda: peer.score(pa.array(share))) * len(texts) / len(share)
        rows.append((f"kenlm on the same lines, {len(share)} documents", len(texts) / kenlm, "documents/s"))
        model = classifier_of(Path(name), books, texts)
        named = {"model": str(model)}
        fasttext = step_seconds("classifier", named, texts)
        rows += figures("classifier, fastText", texts, fasttext)
        write_json(fasttext_model.report_path(model), {"form": "folded"})
        folded = step_seconds("classifier", named, texts)[-1]
        rows.append(("classifier, fastText, folded text", len(texts) / folded, "documents/s"))
        library = predicted(model, texts)
        rows.append(("fastText's predict on lines made before", len(texts) / library, "documents/s"))
        rows.append(("ratio to fastText's predict", library / fasttext[-1], "times"))
    if asked.smollm2:
        few = texts[:8]
        spent = step_seconds("perplexity", {"engine": "transformers", "window": 512}, few)[-1]
        rows.append(("perplexity, SmolLM2-135M, first 512 tokens", len(few) / spent, "documents/s"))
    report(rows, kenlm / ours[-1])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
