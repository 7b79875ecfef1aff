"""What a reader is: it splits an input file into pieces, and reads a piece as batches of documents.

A piece is the part of a file that one unit covers: the whole file where the format cannot be split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

# A unit covers about this many bytes of a file that can be split, a batch at most this many bytes and rows of content.
PIECE_BYTES = 32 << 20
BATCH_BYTES = 8 << 20
BATCH_ROWS = 1024


@dataclass(frozen=True)
class Piece:
    """A part of a file: [start, stop) in the reader's own measure (bytes, row groups, batches); stop -1 is the end."""

    path: str
    start: int = 0
    stop: int = -1


@dataclass(frozen=True)
class ReadSettings:
    """How an input is read, from its entry in the pipeline file."""

    source: str
    format: str
    text: str = "text"
    id: str | None = None
    url: str | None = None
    date: str | None = None
    max_document_bytes: int = 16 << 20
    #: whether the text column holds raw HTML pages
    html: bool = False
    #: where conversations are: a column, or `auto`; empty if records are texts
    chat: str = ""
    #: columns to keep in `metadata`
    metadata: tuple[str, ...] = ()
    #: of Markdown and MediaWiki: whether marks are taken out of the text (`strip`) or stay (`keep`)
    markup: str = "keep"
    #: of MediaWiki: the namespaces whose pages are documents
    namespaces: tuple[int, ...] = (0,)
    #: of a Hugging Face dataset: the split that the file belongs to, for `metadata`
    split: str = ""


@dataclass
class Tally:
    """What a reader saw besides documents: records skipped by kind, and replaced invalid characters."""

    skipped: Counter[str] = field(default_factory=Counter)
    replaced: int = 0


class Reader(Protocol):
    """A format. Registered by name in `curate.readers.FORMATS`."""

    #: whether documents come as raw `content` that `extract` must turn into text
    raw: bool

    def pieces(self, path: str) -> list[Piece]:
        """How the file is cut; a function of the file alone. Must be cheap: metadata only."""
        ...

    def check(self, path: str, settings: ReadSettings) -> str | None:
        """A look at the head of the file before any work: the problem in words (name the columns found), or None."""
        ...

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Batches of `documents.DOCUMENT` (with `RAW` columns if `raw`), `row` counting from 0 through the piece.

        A record that cannot be read is a row whose `error` says why (and `text` and `content` are null); what is
        lost at the end of a truncated file is one such row. Never raises for bad content; OSError only when the file
        cannot be opened or read at all.
        """
        ...
