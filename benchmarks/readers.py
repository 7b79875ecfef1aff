"""Readers and the steps over passages, domains and Indic lines: documents a second, and how time grows with input.

    python -m benchmarks.readers [--quick] [--dump FILE]

Files of each format are made from the real data and read whole, on one core, half of them and all of them. Steps run over
the Debian documents in memory (collect, resolve and process of those that are global), with addresses of 500 hosts.
All times are processor times, the peer's too, so that a busy machine says little. The peer is mwparserfromhell, which
turns the same markup into text; `--dump` names a real dump of a wiki, without it the pages are real prose with markup put
in, links, templates, references and tables.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, run_peer, shared_file
from curate.dedup.memory import resolve_here
from curate.dedup.step import GlobalStep
from curate.documents import document_batch
from curate.readers import FORMATS
from curate.readers.reader import ReadSettings, Tally
from curate.steps import step_class
from curate.steps.step import Step
from curate.work import with_findings

UNIT_ROWS = 500
HEAD = '<mediawiki xml:lang="en"><siteinfo><base>https://en.example.org/wiki/Main</base></siteinfo>\n'
STEPS: dict[str, dict[str, Any]] = {
    "paragraph_dedup": {}, "site_boilerplate": {}, "domain_cap": {"max_documents": 20}, "setu_lines": {},
}  # fmt: skip


def prose() -> list[str]:
    """Chapters of books."""
    with gzip.open(shared_file("prose/standardebooks.jsonl.gz"), "rt") as file:
        return [json.loads(line)["text"] for line in file]


def epub(chapters: Sequence[str]) -> bytes:
    """A book of these chapters."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as book:
        items = "".join(
            f'<item id="c{i}" href="{i}.xhtml" media-type="application/xhtml+xml"/>' for i in range(len(chapters))
        )
        spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
        book.writestr("a.opf", f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>")
        for i, text in enumerate(chapters):
            body = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n") if part.strip())
            book.writestr(f"{i}.xhtml", f"<html><head><title>{i}</title></head><body>{body}</body></html>")
    return made.getvalue()


def subtitles(text: str) -> str:
    """SubRip of eight words a caption, two seconds each."""
    words, made = text.split(), []
    for i in range(0, len(words), 8):
        at = f"{i // 4 // 3600:02d}:{i // 4 // 60 % 60:02d}:{i // 4 % 60:02d}"
        made.append(f"{i // 8 + 1}\n{at},000 --> {at},900\n<i>{' '.join(words[i : i + 8])}</i>\n")
    return "\n".join(made)


def marked_up(text: str, rng: random.Random) -> str:
    """Prose with the markup that articles have: a link in ten words, a reference a paragraph, headings, a table."""
    parts = ["{{Infobox x\n| name = {{lang|fr|nom}}\n| image = [[File:a.jpg|thumb|with [[link]]]]\n}}"]
    for number, paragraph in enumerate(text.split("\n")):
        words = paragraph.split()
        for i in range(len(words)):
            if rng.random() < 0.1:
                words[i] = f"[[{words[i]} (topic)|{words[i]}]]"
        if number % 8 == 0:
            parts.append(f"== Section {number} ==")
        reference = f"<ref name=r{number}>{{{{cite web|url=https://example.org/{number}|title=T|date=2020}}}}</ref>"
        parts.append(" ".join(words) + reference)
    parts.append("{| class=wikitable\n|-\n! a !! b\n" + "|-\n| 1 || 2\n" * 20 + "|}")
    return "\n\n".join(parts)


def page(number: int, text: str) -> str:
    """A page of a dump."""
    inside = f"<revision><text xml:space='preserve'>{escape(text)}</text></revision>"
    return f"<page><title>Page {number}</title><ns>0</ns><id>{number}</id>{inside}</page>\n"


def make_files(folder: Path, quick: bool) -> dict[str, list[Path]]:
    """Format -> files of it, the more the larger."""
    chapters = prose()[: 100 if quick else 597]
    rng = random.Random(7)
    made: dict[str, list[Path]] = {name: [] for name in ("epub", "subtitles", "markdown", "code", "arrow", "mediawiki")}

    def put(format: str, name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        made[format].append(folder / name)

    for i in range(0, len(chapters), 10):
        put("epub", f"{i}.epub", epub(chapters[i : i + 10]))
    for i, text in enumerate(chapters):
        put("subtitles", f"{i}.srt", subtitles(text).encode())
        put("markdown", f"{i}.md", f"---\ntitle: Chapter {i}\ntags: [a, b]\n---\n\n# Chapter {i}\n\n{text}".encode())
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py"))
    made["code"] = sources[: 100 if quick else 1000]
    pages = [page(i, marked_up(text, rng)) for i, text in enumerate(chapters)]
    for i in range(0, len(pages), 50):
        streams = [HEAD, *("".join(pages[k : k + 10]) for k in range(i, min(i + 50, len(pages)), 10))]
        put("mediawiki", f"{i}.xml.bz2", b"".join(bz2.compress(part.encode()) for part in streams))
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["id", "text"])
    for i in range(0, 2000 if quick else 14000, 1000):
        with pa.ipc.new_stream(str(folder / f"{i}.arrow"), table.schema) as stream:
            stream.write_table(table.slice(i, 1000), max_chunksize=100)
        made["arrow"].append(folder / f"{i}.arrow")
    return made


def read(format: str, files: Sequence[Path], **options: Any) -> tuple[float, list[str]]:
    """Seconds and texts of all documents of these files."""
    reader, settings = FORMATS[format], ReadSettings("s", format, **options)
    start, texts = time.process_time(), []
    for file in files:
        for piece in reader.pieces(str(file)):
            texts += [batch["text"] for batch in reader.read(piece, settings, Tally())]
    seconds = time.process_time() - start
    return seconds, [text or "" for column in texts for text in column.to_pylist()]


def units(count: int) -> Iterator[pa.RecordBatch]:
    """The first documents of the corpus, with addresses."""
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["id", "text"]).slice(0, count)
    for start in range(0, count, UNIT_ROWS):
        rows = table.slice(start, UNIT_ROWS).to_pylist()
        yield document_batch(
            [{"row": i, "url": f"https://h{(start + i) % 500}.example.org/{i}", **row} for i, row in enumerate(rows)]
        )


def apply(step: Step, batches: Sequence[pa.RecordBatch]) -> float:
    """Seconds that a step takes for these units, from texts to texts and signals."""
    start = time.process_time()
    if isinstance(step, GlobalStep):
        tables = [pa.table({"row": batch["row"], **dict(step.collect(batch))}) for batch in batches]
        found = resolve_here(step, tables, lambda *_: pa.nulls(0), {})
        batches = [with_findings(batch, table) for batch, table in zip(batches, found, strict=True)]
    for batch in batches:
        step.process(batch)
    return time.process_time() - start


def grown(run: Callable[[float], tuple[float, int, float]], what: str) -> list[tuple[str, float, str]]:
    """Documents and MB a second of all input, and its time over that of half of it, less the doubling."""
    half, whole = (min((run(part) for _ in range(2)), key=lambda done: done[0]) for part in (0.5, 1.0))
    growth = whole[0] / half[0] / (whole[1] / half[1])
    return [
        (what, whole[1] / whole[0], "documents/s"),
        ("", whole[2] / 1e6 / whole[0], "MB/s of text"),
        ("", growth, "times the time a document of half of it"),
    ]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--dump", type=Path, help="a dump of a wiki, for the comparison with the peer")
    options = arguments.parse_args()
    pin_to_one_core()
    rows: list[tuple[str, float, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for format, files in make_files(folder, options.quick).items():
            read(format, files[:1])

            def run(part: float, format: str = format, files: list[Path] = files) -> tuple[float, int, float]:
                markup = {"markup": "strip"} if format == "mediawiki" else {}
                seconds, texts = read(format, files[: max(1, int(len(files) * part))], **markup)
                return seconds, len(texts), float(sum(len(text.encode()) for text in texts))

            rows += grown(run, f"read {format}")
        batches = list(units(2000 if options.quick else 14000))
        for kind, settings in STEPS.items():
            step = step_class(kind).model_validate(settings)
            apply(step, batches[:1])

            def run_step(part: float, step: Step = step) -> tuple[float, int, float]:
                chosen = batches[: int(len(batches) * part)]
                size = sum(batch["text"].nbytes for batch in chosen)
                return apply(step, chosen), sum(batch.num_rows for batch in chosen), float(size)

            rows += grown(run_step, f"step {kind}")
        dumps = [options.dump] if options.dump else sorted(folder.glob("*.xml.bz2"))[:2]
        with_reading, markup = min(
            (read("mediawiki", dumps, markup="keep") for _ in range(2)), key=lambda done: done[0]
        )
        ours = min(read("mediawiki", dumps, markup="strip")[0] for _ in range(2)) - with_reading
        (folder / "pages.jsonl").write_text("".join(json.dumps(text) + "\n" for text in markup))
        peer = run_peer("mwparserfromhell_text.py", [folder / "pages.jsonl"])["seconds"]
        size = sum(len(text.encode()) for text in markup) / 1e6
        rows += [
            ("markup to text", size, "MB"),
            ("ours, without reading the dump", size / ours, "MB/s"),
            ("mwparserfromhell", size / peer, "MB/s"),
        ]
    report(rows, peer / ours)


if __name__ == "__main__":
    main()
