"""The table of input formats, and how a file's format is known by its name."""

from __future__ import annotations

import re

from curate.readers.arc import Arc
from curate.readers.arrow import ArrowIpc
from curate.readers.code import parse_code
from curate.readers.codecs import CODECS
from curate.readers.environment import Docstrings, Metadata
from curate.readers.epub import parse_epub
from curate.readers.jsonl import JsonLines
from curate.readers.markdown import parse_markdown
from curate.readers.mediawiki import MediaWiki
from curate.readers.parquet import Parquet
from curate.readers.plain import OneFile, ParsedFile
from curate.readers.reader import Reader
from curate.readers.subtitles import parse_subtitles
from curate.readers.warc import Warc

FORMATS: dict[str, Reader] = {
    "warc": Warc(raw=True),
    "wet": Warc(raw=False),
    "arc": Arc(),
    "jsonl": JsonLines(),
    "parquet": Parquet(),
    "arrow": ArrowIpc(),
    "text": OneFile(),
    "html": OneFile("text/html"),
    "pdf": OneFile("application/pdf"),
    "markdown": ParsedFile(parse_markdown),
    "epub": ParsedFile(parse_epub),
    "subtitles": ParsedFile(parse_subtitles),
    "code": ParsedFile(parse_code),
    "mediawiki": MediaWiki(),
    "docstrings": Docstrings(),
    "metadata": Metadata(),
}

# format -> (module, extra) of a package that is not always installed
PACKAGES = {"pdf": ("pypdfium2", "pdf")}

SUFFIXES = {
    ".warc": "warc", ".wet": "wet", ".arc": "arc",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow", ".arrows": "arrow",
    ".txt": "text", ".rst": "text", ".text": "text",
    ".md": "markdown", ".markdown": "markdown", ".qmd": "markdown", ".rmd": "markdown",
    ".epub": "epub", ".srt": "subtitles", ".vtt": "subtitles",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf",
}  # fmt: skip
# formats that are compressed inside: `x.parquet.gz` is none of them
UNPACKED = ("parquet", "arrow", "epub")
# `.xml` may be anything; dumps of wikis are named enwiki-20260101-pages-articles.xml.bz2, or a wiki's name and date
_DUMP = re.compile(r"(?:wiki|wiktionary|pages-(?:articles|meta|full)|wiki\w+)[^/]*\.xml(?:-p\d+p\d+)?$")


def format_of(path: str) -> str | None:
    """The format that the name of a file tells, behind a suffix of compression; None for a name that tells none."""
    name = path.rsplit("/", 1)[-1].lower()
    packed = next((suffix for suffix in CODECS if name.endswith(suffix)), "")
    inner = name.removesuffix(packed)
    found = next((format for suffix, format in SUFFIXES.items() if inner.endswith(suffix)), None)
    if found is None and _DUMP.search(inner):
        return "mediawiki"
    return None if packed and found in UNPACKED else found
