"""The text of PDF files by PDFium: reading order, whole words, no repeated headers, footers and page numbers."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from curate.steps.pdf_layout import Segment, blocks, join, lines, paragraphs, segments, whole_words

INSTALL = "pip install 'curate[pdf]'"
PACKAGE = "pypdfium2"
# Headers and footers stand in the outer share of a page's height, and are among its outermost lines.
MARGIN, MARGIN_LINES = 0.12, 3
# Pages of a document in which two lines alike are enough.
SHORT = 6
_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b")
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)(\d\d))?")
# Titles that programs make up.
_NO_TITLE = re.compile(r"(?i)untitled|microsoft \w+ - .*|.*\.(docx?|tex|dvi|indd|qxd|rtf|pdf|pptx?)")


class Pdf(NamedTuple):
    """What a PDF says."""

    text: str
    title: str | None
    date: str | None


class UnreadablePdf(Exception):
    """The file is encrypted, broken, or pictures of pages."""


def installed() -> str | None:
    """The version of the package that reads PDF; None if it is not there."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def read_pdf(content: bytes) -> Pdf:
    """The text of a PDF. Raises UnreadablePdf."""
    try:
        import pypdfium2
    except ImportError as error:
        raise UnreadablePdf(f"a PDF, and {PACKAGE} is not installed: {INSTALL}") from error
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower() or "security" in str(error).lower()
        why = "an encrypted PDF: it needs its password" if locked else f"a broken PDF ({error})"
        raise UnreadablePdf(why) from error
    try:
        pages = list(_pages(document))
        if not any(page.parts for page in pages):
            raise UnreadablePdf(f"a PDF of {len(pages)} pages without text: pictures need character recognition first")
        known = document.get_metadata_dict()
    finally:
        document.close()
    title = " ".join(known.get("Title", "").split())
    return Pdf(_text(pages), None if not title or _NO_TITLE.fullmatch(title) else title, _date(known))


class _PdfPage(NamedTuple):
    parts: list[Segment]
    height: float


def _pages(document: Any) -> Iterator[_PdfPage]:
    """The segments of each page as it is shown; a page that cannot be loaded has none."""
    from pypdfium2 import PdfiumError

    for index in range(len(document)):
        try:
            page = document[index]
        except PdfiumError:
            yield _PdfPage([], 0.0)
            continue
        try:
            width, height = page.get_size()
            text = page.get_textpage()
            turned = page.get_rotation()
            try:
                yield _PdfPage(segments(_characters(text, turned, width, height)), height)
            finally:
                text.close()
        except PdfiumError:
            yield _PdfPage([], 0.0)
        finally:
            page.close()


def _characters(
    text: Any, turned: int, width: float, height: float
) -> Iterator[tuple[int, float, float, float, float]]:
    """(code point, left, right, bottom, top) of each character, the page turned as it is shown."""
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()
    at, handle = ctypes.byref(box), text.raw
    code_of, box_of = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetLooseCharBox
    for index in range(text.count_chars()):
        code = code_of(handle, index)
        if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            code = 0xFFFD
        box_of(handle, index, at)
        left, right, bottom, top = box.left, box.right, box.bottom, box.top
        if turned == 90:
            left, right, bottom, top = bottom, top, height - right, height - left
        elif turned == 270:
            left, right, bottom, top = width - top, width - bottom, left, right
        elif turned == 180:
            left, right, bottom, top = width - right, width - left, height - top, height - bottom
        yield code, left, right, bottom, top


def _text(pages: Sequence[_PdfPage]) -> str:
    repeated = _repeated(pages)
    made: list[str] = []
    for page in pages:
        marginal = [(line.bottom, line.top) for key, line in _margins(page) if key in repeated]
        parts = [part for part in page.parts if not any(low <= part.middle <= high for low, high in marginal)]
        found = [text for block in blocks(parts) for text in paragraphs(block)]
        # a sentence goes on over the page
        if made and found and found[0][:1].islower() and made[-1][-1:] not in ".!?:;\u3002":
            made[-1] = join(made[-1], found.pop(0))
        made += found
    return whole_words("\n\n".join(made))


def _margins(page: _PdfPage) -> list[tuple[tuple[bool, str], Segment]]:
    """The lines of a page that a gap parts from the rest, each with its side and its text with numbers left open."""
    found = lines(page.parts)
    upper = [line for line in _apart(found) if line.middle > (1 - MARGIN) * page.height]
    lower = [line for line in _apart(found[::-1]) if line.middle < MARGIN * page.height]
    return [
        ((side, _NUMBER.sub("#", " ".join(line.text.lower().split()))), line)
        for side, zone in ((True, upper), (False, lower))
        for line in zone
    ]


def _apart(found: Sequence[Segment]) -> Sequence[Segment]:
    """The first lines up to a gap of more than half a line; none if there is no gap soon."""
    for count, (line, following) in enumerate(zip(found[:MARGIN_LINES], found[1:], strict=False), 1):
        gap = max(line.bottom - following.top, following.bottom - line.top)
        if gap > 0.6 * line.size:
            return found[:count]
    return found if len(found) <= MARGIN_LINES else ()


def _repeated(pages: Sequence[_PdfPage]) -> set[tuple[bool, str]]:
    """What stands in the margins of several pages: two of a short document, or with a number at an end; else three."""
    counts = Counter(key for page in pages for key in {key for key, _ in _margins(page)})
    short = len(pages) <= SHORT
    return {key for key, n in counts.items() if n >= (2 if short or "#" in (key[1][:1], key[1][-1:]) else 3)}


def _date(known: dict[str, str]) -> str | None:
    """`D:20200131235959+01'00'` -> 2020-01-31T23:59:59, as far as it goes."""
    found = _DATE.match(known.get("CreationDate", "") or known.get("ModDate", ""))
    if not found:
        return None
    day = "-".join(part for part in found.groups()[:3] if part)
    return f"{day}T{':'.join(found.groups()[3:])}" if found[4] and found[3] else day
