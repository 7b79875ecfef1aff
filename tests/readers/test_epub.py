"""EPUB: reading order, navigation left out, metadata, and books that are broken or locked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from curate.readers import FORMATS
from curate.readers.reader import ReadSettings, Tally

CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
OPF = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>On Rivers</dc:title><dc:creator>A. Writer</dc:creator><dc:creator>B. Writer</dc:creator>
<dc:language>en-GB</dc:language><dc:date>1899-05-01</dc:date><dc:identifier>urn:x</dc:identifier></metadata>
<manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/><item id="b" href="text/tw%20o.xhtml" media-type="application/xhtml+xml"/>
<item id="c" href="cover.xhtml" media-type="application/xhtml+xml"/><item id="i" href="p.png" media-type="image/png"/>
<item id="x" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="c" linear="no"/><itemref idref="n"/><itemref idref="b"/><itemref idref="a"/><itemref idref="x"/><itemref idref="i"/></spine></package>"""
PAGE = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>t</title><style>p {{}}</style></head><body>{}</body></html>"


def book(**changes: str | None) -> bytes:
    members = {
        "mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/content.opf": OPF,
        "OEBPS/nav.xhtml": PAGE.format("<nav><ol><li>Contents</li></ol></nav>"),
        "OEBPS/cover.xhtml": PAGE.format("<p>Cover</p>"),
        "OEBPS/text/one.xhtml": PAGE.format("<h2>Two</h2><p>Second chapter, caf\u00e9.</p>"),
        "OEBPS/text/tw o.xhtml": PAGE.format("<nav>Back</nav><h2>One</h2><p>First <i>chapter</i>.</p>"),
    } | changes  # fmt: skip
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            if content is not None:
                file.writestr(name, content)
    return made.getvalue()


def read(path: Path, content: bytes, limit: int = 1 << 20) -> tuple[dict[str, Any], Tally]:
    path.write_bytes(content)
    tally = Tally()
    (piece,) = FORMATS["epub"].pieces(str(path))
    (batch,) = FORMATS["epub"].read(piece, ReadSettings("s", "epub", max_document_bytes=limit), tally)
    (row,) = batch.to_pylist()
    return row, tally


def test_chapters_stand_in_the_order_of_the_spine(tmp_path: Path) -> None:
    row, tally = read(tmp_path / "a.epub", book())
    assert row["text"] == "One\n\nFirst chapter.\n\nTwo\n\nSecond chapter, caf\u00e9."
    assert (row["title"], row["lang"], row["date"]) == ("On Rivers", "en", "1899-05-01")
    assert '"authors": ["A. Writer", "B. Writer"]' in row["metadata"]
    assert tally.skipped == {"chapter that is not in the book": 1}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"PK\x03\x04 broken", "not an EPUB"),
        (book()[:-40], "not an EPUB"),
        (book(**{"META-INF/container.xml": None, "OEBPS/content.opf": None}), "neither META-INF"),
        (book(**{"OEBPS/content.opf": "<package"}), "is not XML"),
        (
            book(**{"OEBPS/text/one.xhtml": None, "OEBPS/text/tw o.xhtml": PAGE.format("<img src='p.png'/>")}),
            "without text",
        ),
        (
            book(**{"META-INF/encryption.xml": '<e xmlns="x"><CipherReference URI="OEBPS/text/one.xhtml"/></e>'}),
            "encrypted",
        ),
        (book(**{"OEBPS/text/one.xhtml": PAGE.format("<p>x</p>" * 300_000)}), "the limit"),
    ],
)
def test_a_book_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, error: str) -> None:
    row, _ = read(tmp_path / "a.epub", content)
    assert row["text"] is None and error in row["error"]


def test_a_broken_member_says_which(tmp_path: Path) -> None:
    content = bytearray(book())
    at = content.find(b"OEBPS/text/one.xhtml") + 30
    content[at : at + 8] = b"\xff" * 8
    assert "one.xhtml" in read(tmp_path / "a.epub", bytes(content))[0]["error"]


def test_an_entity_bomb_is_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha"}">' for i in range(12))
    opf = f"<!DOCTYPE p [{entities}]><package>&a11;</package>"
    assert "is not XML" in read(tmp_path / "a.epub", book(**{"OEBPS/content.opf": opf}))[0]["error"]
