"""The table of input formats, and how a file's format is known by its name."""

from __future__ import annotations

from curate.readers.arc import Arc
from curate.readers.arrow import ArrowIpc
from curate.readers.codecs import CODECS
from curate.readers.environment import Docstrings, Metadata
from curate.readers.jsonl import JsonLines
from curate.readers.parquet import Parquet
from curate.readers.plain import OneFile
from curate.readers.reader import Reader
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
    ".txt": "text", ".md": "text", ".rst": "text", ".text": "text",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf",
}  # fmt: skip
# formats that are compressed inside: `x.parquet.gz` is none of them
UNPACKED = ("parquet", "arrow")


def format_of(path: str) -> str | None:
    """The format that the name of a file tells, behind a suffix of compression; None for a name that tells none."""
    name = path.rsplit("/", 1)[-1].lower()
    packed = next((suffix for suffix in CODECS if name.endswith(suffix)), "")
    inner = name.removesuffix(packed)
    found = next((format for suffix, format in SUFFIXES.items() if inner.endswith(suffix)), None)
    return None if packed and found in UNPACKED else found
