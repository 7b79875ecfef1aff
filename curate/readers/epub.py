"""EPUB books: the chapters in reading order as one text, without navigation; title, language and author from the package.

EPUB 2 and 3 (W3C EPUB 3.3): META-INF/container.xml names the package document, its `spine` the chapters in order.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from curate.documents import metadata_json
from curate.readers.plain import Unreadable, decode_any
from curate.readers.reader import ReadSettings, Tally

CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
CHAPTER_TYPES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")
# what is no prose in a chapter: tables of contents, lists and numbers of printed pages
SKIPPED = ["nav", '[role="doc-pagebreak"]', '[role="doc-toc"]']
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def parse_epub(content: bytes, path: str, settings: ReadSettings, tally: Tally) -> dict[str, Any]:
    """A book -> its document. Raises Unreadable."""
    try:
        book = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as error:
        raise Unreadable(f"not an EPUB: {error}") from error
    with book:
        return _book(_Zip(book, settings.max_document_bytes), tally)


class _Zip:
    """The members of a zip by name; what is read in all stays below a limit, whatever the zip says."""

    def __init__(self, file: zipfile.ZipFile, limit: int) -> None:
        self._file, self._limit, self._left = file, limit, limit
        self.names = set(file.namelist())

    def read(self, name: str) -> bytes:
        try:
            with self._file.open(name) as member:
                content = member.read(self._left + 1)
        except _BROKEN as error:
            raise Unreadable(f"a broken EPUB: {name}: {error}") from error
        self._left -= len(content)
        if self._left < 0:
            raise Unreadable(f"a book of more than {self._limit} bytes of chapters, the limit")
        return content

    def xml(self, name: str) -> ElementTree.Element:
        try:
            return ElementTree.fromstring(self.read(name))
        except (ElementTree.ParseError, LookupError, ValueError) as error:
            raise Unreadable(f"a broken EPUB: {name} is not XML: {error}") from error


def _book(files: _Zip, tally: Tally) -> dict[str, Any]:
    package_path = _package_path(files)
    package = files.xml(package_path)
    chapters = [unquote(href).partition("#")[0] for href in _spine(package)]
    names = [posixpath.normpath(posixpath.join(posixpath.dirname(package_path), name)) for name in chapters]
    if locked := _encrypted(files) & set(names):
        raise Unreadable(f"an encrypted EPUB: {sorted(locked)[0]} cannot be read without its key")
    texts = []
    for name in dict.fromkeys(names):
        if name in files.names:
            texts.append(_text(files.read(name)))
        else:
            tally.skipped["chapter that is not in the book"] += 1
    text = "\n\n".join(part for part in texts if part)
    if not text:
        raise Unreadable(f"a book of {len(names)} chapters without text: pictures need character recognition first")
    return {"text": text, **_metadata(package)}


def _package_path(files: _Zip) -> str:
    """Where the package document is; the only .opf where the container does not say it."""
    if CONTAINER in files.names:
        for element in files.xml(CONTAINER).iter():
            if _local(element) == "rootfile" and element.get("full-path") in files.names:
                return str(element.get("full-path"))
    found = sorted(name for name in files.names if name.endswith(".opf"))
    if not found:
        raise Unreadable(f"not an EPUB: neither {CONTAINER} nor a package document (.opf)")
    return found[0]


def _spine(package: ElementTree.Element) -> Iterator[str]:
    """The chapters in reading order, less navigation and what stands outside of it (`linear="no"`)."""
    items = {element.get("id"): element for element in package.iter() if _local(element) == "item"}
    aside = {
        str(element.get("href")).partition("#")[0]
        for element in package.iter()
        if _local(element) == "reference" and element.get("type") == "toc"
    }
    for element in package.iter():
        item = items.get(element.get("idref")) if _local(element) == "itemref" else None
        if item is None or element.get("linear") == "no" or item.get("media-type") not in CHAPTER_TYPES:
            continue
        if "nav" not in (item.get("properties") or "").split() and item.get("href") not in aside:
            yield item.get("href") or ""


def _encrypted(files: _Zip) -> set[str]:
    if ENCRYPTION not in files.names:
        return set()
    uris = (element.get("URI") for element in files.xml(ENCRYPTION).iter() if _local(element) == "CipherReference")
    return {unquote(uri) for uri in uris if uri}


def _text(content: bytes) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    page, _ = decode_any(content)
    return str(extract_plain_text(page, main_content=False, alt_texts=False, skip_elements=SKIPPED)).strip()


def _metadata(package: ElementTree.Element) -> dict[str, Any]:
    """Title, date, language; author, publisher, identifier, rights and subjects in `metadata`."""
    found: dict[str, list[str]] = {}
    for element in package.iter():
        if "purl.org/dc/" in element.tag and (value := " ".join("".join(element.itertext()).split())):
            found.setdefault(_local(element), []).append(value)
    first = {name: values[0] for name, values in found.items()}
    more: dict[str, Any] = {name: first.get(name) for name in ("publisher", "identifier", "rights")}
    return {
        "title": first.get("title"),
        "date": first.get("date"),
        "lang": first.get("language", "").lower().partition("-")[0] or None,
        "metadata": metadata_json({"authors": found.get("creator"), **more, "subjects": found.get("subject")}),
    }


def _local(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]
