"""Every row-wise step of the filters, and every reader, alone: documents/s, MB/s, and how time grows with documents.

    python -m benchmarks.steps [--quick] [--only NAME ...]

One process, one core, processor time, the best of three runs. Texts are real documentation (`corpus/debian_docs.parquet`), pages
those of `corpus/debian_pages.warc.gz`, files of the other formats are made of them and of novels (`benchmarks.readers`); MB are
those of the input, of PDF files their own.
Growth is the time of 2n documents over that of n of them, every second one by script and size, so that both have texts alike;
at most 2.2 is wanted. `text` is how much more text that is. Models are made beforehand: word 5-grams and a fastText classifier of novels, MiniLM (or, where its package
is not installed, nothing) with a head of random weights; global steps are timed from collecting to applying. Kernels are
loaded before. The last line is the greatest growth.
"""

from __future__ import annotations

import functools
import io
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, shared_file
from benchmarks.models import classifier_of, ngrams_of, novels
from benchmarks.readers import make_files, read
from curate.dedup.memory import resolve_here
from curate.dedup.step import GlobalStep
from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.select.encoder import MINILM, find_encoder
from curate.steps import step_class
from curate.steps.step import Step
from curate.work import with_findings

ROWS = 500
#: what documents are: the column, its media type
KINDS = {"texts": ("text", ""), "pages": ("content", "text/html"), "papers": ("content", "application/pdf")}
REPEATS = 3


class Case(NamedTuple):
    """A step with settings, on some of the documents."""

    kind: str
    settings: dict[str, Any] = {}
    documents: int = 8000
    on: str = "texts"

    @property
    def name(self) -> str:
        """The step and the settings that are not its defaults."""
        shown = [
            str(value) for value in self.settings.values() if isinstance(value, str | bool) and "/" not in str(value)
        ]
        return " ".join([self.kind, *shown, *(["pdf"] if self.on == "papers" else [])])


def cases(folder: Path) -> Iterator[Case]:
    """All of them; models are in `folder`."""
    yield from (Case("robots", documents=2400, on="pages"), Case("extract", documents=2400, on="pages"))
    yield from (Case("extract", {"engine": "resiliparse"}, 600, "pages"), Case("extract", {}, 64, "papers"))
    yield from map(Case, ("normalize", "canonical_url", "url_rules", "language", "paragraph_language", "script"))
    yield Case("normalize", {"form": "NFKC", "indic": True})
    yield from (Case("repetition"), Case("quality", {"preset": ["gopher", "c4", "fineweb"]}), Case("setu"))
    yield from (Case("redpajama"), Case("redpajama", {"per_line": True}), Case("dolma"))
    yield from (Case("lines", {"preset": "c4"}), Case("lines", {"preset": "refinedweb"}), Case("setu_lines"))
    yield from (Case("flagged_words"), Case("toxicity"), Case("nsfw"), Case("tag", {"threshold": 0.05}), Case("pii"))
    yield Case("decontaminate", {"against": str(shared_file("benchmarks"))})
    yield Case("perplexity", {"model": str(folder / "ngrams")})
    yield Case("classifier", {"model": str(folder / "model.bin")})
    if (folder / "minilm").is_dir():
        yield Case("classifier", {"engine": "transformers", "model": str(folder / "minilm")}, 32)
    yield Case("datatrove", {"block": "GopherQualityFilter"}, 300)
    yield from (Case("quantiles", {"by": "score.x"}), Case("ensemble", {"scores": ["score.x", "score.y"]}))
    yield from (Case("site_boilerplate"), Case("paragraph_dedup"), Case("domain_cap", {"max_documents": 20}))
    yield from (Case("exact_dedup"), Case("minhash"))


class Run(NamedTuple):
    """What a step or a reader did."""

    seconds: float
    documents: int
    size: int  # bytes of text


def every_second(texts: Sequence[bytes]) -> list[int]:
    """Half of the texts, in order: every second one by how much of it is beyond ASCII, then by size."""
    wide = [(10 * np.count_nonzero(np.frombuffer(text, np.int8) < 0) // max(len(text), 1), len(text)) for text in texts]
    return sorted(sorted(range(len(texts)), key=wide.__getitem__)[::2])


def batches(texts: Sequence[Any], on: str) -> list[pa.RecordBatch]:
    """Documents with addresses on 500 hosts."""
    column, media_type = KINDS[on]
    rows = [
        {"row": i % ROWS, "id": str(i), "offset": i, "source": "docs", "path": "docs", column: text,
         "media_type": media_type, "url": f"https://www.h{i % 500}.example.org/a/{i}?utm_source=x"}
        for i, text in enumerate(texts)
    ]  # fmt: skip
    return [document_batch(rows[at : at + ROWS], raw=column == "content") for at in range(0, len(rows), ROWS)]


@functools.cache
def documents(on: str) -> Sequence[Any]:
    """All documents of a kind."""
    if on == "pages":
        return read("warc", [shared_file("corpus/debian_pages.warc.gz")])[1]
    if on == "papers":
        return papers(novels(64))
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"]
    chosen = np.sort(np.random.default_rng(7).permutation(len(table))[:8000])
    found: list[str] = table.take(pa.array(chosen)).to_pylist()
    return found


def papers(chapters: Sequence[str]) -> list[bytes]:
    """Chapters as PDF files, sixty lines a page."""
    from reportlab.pdfgen.canvas import Canvas

    made = []
    for chapter in chapters:
        file = io.BytesIO()
        canvas, lines = Canvas(file), textwrap.wrap(chapter, 90)
        for page in range(0, len(lines), 60):
            for row, line in enumerate(lines[page : page + 60]):
                canvas.drawString(60, 780 - 12 * row, line)
            canvas.showPage()
        canvas.save()
        made.append(file.getvalue())
    return made


def timed(step: Step, given: Sequence[pa.RecordBatch]) -> float:
    """Seconds from documents to signals and texts."""
    scores = [np.modf(np.arange(batch.num_rows) * 0.618)[0] for batch in given]
    start = time.process_time()
    if isinstance(step, GlobalStep):
        tables = [pa.table({"row": batch["row"], **dict(step.collect(batch))}) for batch in given]
        signals = dict.fromkeys(step.reads().values(), scores)
        found = resolve_here(step, tables, lambda unit, rows: given[unit]["text"].take(pa.array(rows)), signals)
        if step.FINDINGS is None:
            return time.process_time() - start
        given = [with_findings(batch, table) for batch, table in zip(given, found, strict=True)]
    for batch in given:
        step.process(batch)
    return time.process_time() - start


def grown(run: Callable[[str], Run]) -> tuple[Run, float, float]:
    """The best run over all documents, its time over that of half of them, and its text over theirs; they take turns."""
    best: dict[str, Run] = {}
    for _ in range(REPEATS):
        for part in ("half", "all"):
            best[part] = min((run(part), *([best[part]] if part in best else [])))
    return best["all"], best["all"].seconds / best["half"].seconds, best["all"].size / max(best["half"].size, 1)


def of_steps(folder: Path, only: Sequence[str], quick: bool) -> Iterator[tuple[str, Run, float, float]]:
    """(name, run over all documents, growth, times the text) of each step."""
    for case in cases(folder):
        if only and case.kind not in only:
            continue
        given = documents(case.on)[: case.documents // (8 if quick else 1)]
        raw = [text if isinstance(text, bytes) else text.encode() for text in given]
        half, sizes = every_second(raw), list(map(len, raw))
        parts = {"all": batches(given, case.on), "half": batches([given[i] for i in half], case.on)}
        counted = {"all": (len(given), sum(sizes)), "half": (len(half), sum(sizes[i] for i in half))}
        step = step_class(case.kind).model_validate(case.settings)
        step.assets()
        timed(step, [part.slice(0, 2) for part in parts["half"][:1]])

        def run(part: str) -> Run:
            return Run(timed(step, parts[part]), *counted[part])  # noqa: B023  called before the next turn

        yield case.name, *grown(run)


def of_readers(folder: Path, only: Sequence[str], quick: bool) -> Iterator[tuple[str, Run, float, float]]:
    """(name, run over all files, growth, times the text) of each reader."""
    for format, files in make_files(folder, quick).items():
        if only and format not in only:
            continue
        markup = {"markup": "strip"} if format == "mediawiki" else {}
        parts = {"all": files, "half": [files[i] for i in every_second([file.read_bytes() for file in files])]}
        read(format, files[:1], **markup)

        def run(part: str) -> Run:
            seconds, texts = read(format, parts[part], **markup)  # noqa: B023  called before the next turn
            return Run(seconds, len(texts), sum(len(t if isinstance(t, bytes) else t.encode()) for t in texts))

        yield f"read {format}", *grown(run)


def make_models(folder: Path, quick: bool) -> None:
    """What the steps that ask a model need."""
    books = novels(60 if quick else 240)
    ngrams_of(folder / "ngrams", books)
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"]
    classifier_of(folder, books, table.slice(0, 6000).to_pylist())
    try:
        encoder = find_encoder("steps", MINILM)
    except MissingAsset as error:
        print(f"without MiniLM: {error}")
        return
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2).save_pretrained(folder / "minilm")
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder / "minilm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Time all, a line each."""
    options = parser(__doc__)
    options.add_argument("--only", nargs="*", default=[], help="these steps and formats alone")
    asked = options.parse_args(arguments)
    pin_to_one_core()
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not asked.only or {"perplexity", "classifier"} & set(asked.only):
            make_models(folder, asked.quick)
        (folder / "files").mkdir()
        print(f"{'':<34} {'documents':>9} {'MB':>7} {'documents/s':>12} {'MB/s':>8} {'growth':>7} {'text':>5}")
        for of in (of_steps(folder, asked.only, asked.quick), of_readers(folder / "files", asked.only, asked.quick)):
            for what, done, growth, text in of:
                size, speed = done.size / 1e6, done.documents / done.seconds
                shown = f"{speed:12,.0f} {size / done.seconds:8.1f} {growth:7.2f} {text:5.2f}"
                print(f"{what:<34} {done.documents:9,} {size:7.1f} {shown}", flush=True)
                worst = max(worst, growth)
    print(f"ratio: {worst:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
