"""Readers, files of each format made from the real data; `benchmarks.steps` times them all.

    python -m benchmarks.readers [--quick] [--dump FILE]

By itself it compares the text of wiki markup with mwparserfromhell, processor time on both sides: `--dump` names a real dump
of a wiki, without it the pages are real prose with markup put in, links, templates, references and tables.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecordType

from benchmarks.common import parser, pin_to_one_core, report, run_peer, shared_file
from curate.readers import FORMATS
from curate.readers.reader import ReadSettings, Tally

HEAD = '<mediawiki xml:lang="en"><siteinfo><base>https://en.example.org/wiki/Main</base></siteinfo>\n'


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
    """Format -> files of it, about as large as each other."""
    chapters = prose()[: 100 if quick else 597]
    rng = random.Random(7)
    made: dict[str, list[Path]] = {}

    def place(format: str, name: str) -> Path:
        made.setdefault(format, []).append(folder / name)
        return folder / name

    for i, part in enumerate(archive_parts(500 if quick else 2500)):
        place("warc", f"{i}.warc.gz").write_bytes(part)
    for i in range(0, len(chapters), 10):
        place("epub", f"{i}.epub").write_bytes(epub(chapters[i : i + 10]))
    for i, text in enumerate(chapters):
        place("subtitles", f"{i}.srt").write_bytes(subtitles(text).encode())
        place("markdown", f"{i}.md").write_bytes(
            f"---\ntitle: Chapter {i}\ntags: [a, b]\n---\n\n# Chapter {i}\n\n{text}".encode()
        )
        place("text", f"{i}.txt").write_bytes(text.encode())
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py"))
    made["code"] = sources[: 100 if quick else 1000]
    pages = [page(i, marked_up(text, rng)) for i, text in enumerate(chapters)]
    for i in range(0, len(pages), 50):
        streams = [HEAD, *("".join(pages[k : k + 10]) for k in range(i, min(i + 50, len(pages)), 10))]
        place("mediawiki", f"{i}.xml.bz2").write_bytes(b"".join(bz2.compress(part.encode()) for part in streams))
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["id", "text"])
    for i in range(0, 2000 if quick else 14000, 1000):
        rows = table.slice(i, 1000)
        with pa.ipc.new_stream(str(place("arrow", f"{i}.arrow")), table.schema) as stream:
            stream.write_table(rows, max_chunksize=100)
        pq.write_table(rows, place("parquet", f"{i}.parquet"), compression="zstd")
        lines = "".join(json.dumps(row) + "\n" for row in rows.to_pylist())
        place("jsonl", f"{i}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), 1))
    return made


def archive_parts(count: int, parts: int = 10) -> list[bytes]:
    """The first records of the archive of pages, a tenth of them a file."""
    content = shared_file("corpus/debian_pages.warc.gz").read_bytes()
    records = ArchiveIterator(io.BytesIO(content), record_types=WarcRecordType.response, parse_http=False)
    at = [record.stream_pos for record in records]
    cuts = [*at[: count : -(-min(count, len(at)) // parts)], at[count] if count < len(at) else len(content)]
    return [content[start:stop] for start, stop in zip(cuts, cuts[1:], strict=False)]


def read(format: str, files: Sequence[Path], **options: Any) -> tuple[float, list[str]]:
    """Seconds and texts of all documents of these files."""
    reader, settings = FORMATS[format], ReadSettings("s", format, **options)
    column = "content" if format == "warc" else "text"
    start, texts = time.process_time(), []
    for file in files:
        for piece in reader.pieces(str(file)):
            texts += [batch[column] for batch in reader.read(piece, settings, Tally())]
    seconds = time.process_time() - start
    return seconds, [text or "" for part in texts for text in part.to_pylist()]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--dump", type=Path, help="a dump of a wiki, for the comparison with the peer")
    options = arguments.parse_args()
    pin_to_one_core()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = make_files(folder, options.quick)["mediawiki"]
        dumps = [options.dump] if options.dump else files[:2]
        with_reading, markup = min(
            (read("mediawiki", dumps, markup="keep") for _ in range(2)), key=lambda done: done[0]
        )
        ours = min(read("mediawiki", dumps, markup="strip")[0] for _ in range(2)) - with_reading
        (folder / "pages.jsonl").write_text("".join(json.dumps(text) + "\n" for text in markup))
        peer = run_peer("mwparserfromhell_text.py", [folder / "pages.jsonl"])["seconds"]
        size = sum(len(text.encode()) for text in markup) / 1e6
    rows = [
        ("markup to text", size, "MB"),
        ("ours, without reading the dump", size / ours, "MB/s"),
        ("mwparserfromhell", size / peer, "MB/s"),
    ]
    report(rows, peer / ours)


if __name__ == "__main__":
    main()
