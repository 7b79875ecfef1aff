"""The text that every Python environment carries: `path: "python:"` reads package READMEs, licences, docs, docstrings.

Real documents with real near-duplicates, for a first run without any download. A package's README stands in its
METADATA; a module is one document, its docstrings one after the other.
"""

from __future__ import annotations

import ast
import email
import email.policy
import os
import sysconfig
from abc import ABC, abstractmethod
from collections.abc import Iterator, Set
from pathlib import Path

import pyarrow as pa

from curate.documents import record_id
from curate.readers.reader import Piece, ReadSettings, Tally
from curate.readers.rows import Rows
from curate.text import clean_surrogates

SCHEME = "python:"
# a module below this size has little to say
SMALLEST_MODULE = 4096
SKIPPED_FOLDERS = frozenset({"test", "tests", "testing", "__pycache__", "idle_test", "_vendor"})
TEXTS = {".md": "text", ".rst": "text", ".txt": "text", ".html": "html"}
# lists for installers, not text
SKIPPED_NAMES = frozenset({"entry_points.txt", "top_level.txt", "SOURCES.txt", "requires.txt", "dependency_links.txt"})
LICENCES = ("license", "licence", "copying", "notice", "authors")


def environment_files() -> list[tuple[str, str, str, int]]:
    """(path as shown, path to open, format, bytes) of each file of the running environment that holds text, sorted."""
    roots = {"site-packages": sysconfig.get_path("purelib"), "stdlib": sysconfig.get_path("stdlib")}
    found = []
    for name, root in roots.items():
        skipped = SKIPPED_FOLDERS | ({"site-packages"} if name == "stdlib" else set())
        for place in _files(root, skipped):
            if (kind := _format(place.name)) and place.is_file():
                size = place.stat().st_size
                if kind != "docstrings" or size >= SMALLEST_MODULE:
                    inside = Path(place.path).relative_to(root).as_posix()
                    found.append((f"{SCHEME}{name}/{inside}", place.path, kind, size))
    return sorted(found)


def _files(folder: str, skipped: Set[str]) -> Iterator[os.DirEntry[str]]:
    """All that is no folder, down to any depth: an environment has tens of thousands, a path object for each is slow."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield entry
            elif entry.name not in skipped:
                yield from _files(entry.path, skipped)


def _format(name: str) -> str | None:
    if name in SKIPPED_NAMES:
        return None
    if name == "METADATA":
        return "metadata"
    suffix = os.path.splitext(name)[1]
    if suffix == ".py":
        return "docstrings"
    if name.lower().split(".")[0] in LICENCES:
        return "text" if suffix in ("", ".txt", ".md", ".rst", ".apache", ".bsd", ".mit") else None
    return TEXTS.get(suffix)


class _TextOfFile(ABC):
    """One document a file, made of its text; a file that gives none is no document."""

    raw = False

    def pieces(self, path: str) -> list[Piece]:
        """The whole file."""
        return [Piece(path)]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        """Nothing can be wrong before reading."""
        return None

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        """See Reader.read."""
        rows = Rows(piece.path, settings, tally, raw=False)
        content = Path(piece.path).read_bytes()
        try:
            text, replaced = clean_surrogates(self._text(content))
        except (SyntaxError, ValueError, RecursionError) as error:
            rows.add_error(0, f"{type(error).__name__}: {error}")
        else:
            tally.replaced += replaced
            if text.strip():
                rows.add(0, record_id(settings.source, content), size=len(content), text=text)
        yield rows.take()

    @abstractmethod
    def _text(self, content: bytes) -> str: ...


class Docstrings(_TextOfFile):
    """A Python module -> its docstrings in order, each under the name of what it documents."""

    def _text(self, content: bytes) -> str:
        tree = ast.parse(content)
        parts = [ast.get_docstring(tree) or ""]
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
                doc := ast.get_docstring(node)
            ):
                parts.append(f"{node.name}\n\n{doc}")
        return "\n\n".join(part for part in parts if part)


class Metadata(_TextOfFile):
    """The METADATA of an installed package -> its README, or its summary where it has none."""

    def _text(self, content: bytes) -> str:
        message = email.message_from_bytes(content, policy=email.policy.compat32)
        body = message.get_payload()
        readme = body if isinstance(body, str) and body.strip() else str(message.get("Description", ""))
        return readme.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
