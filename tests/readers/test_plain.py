"""Folders of text and HTML, and how formats are known."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from curate.readers import FORMATS, format_of
from curate.readers.reader import ReadSettings, Tally


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a/CC-MAIN.warc.gz", "warc"), ("x.warc.wet.gz", "wet"), ("x.warc.wat.gz", None), ("x.arc", "arc"),
        ("s3://b/x.JSONL.zst", "jsonl"), ("x.json", "jsonl"), ("x.parquet", "parquet"), ("x.parquet.gz", None),
        ("x.arrow", "arrow"), ("README.md", "markdown"), ("x.txt.gz", "text"), ("a.epub", "epub"), ("a.epub.gz", None), ("a.en.vtt.gz", "subtitles"), ("index.html", "html"), ("x.xhtml", "html"),
        ("x.pdf", "pdf"), ("x.PDF.gz", "pdf"), ("noname", None),
    ],
)  # fmt: skip
def test_format_of(name: str, format: str | None) -> None:
    assert format_of(name) == format


def read(path: Path, format: str, limit: int = 1 << 20) -> tuple[list[dict[str, object]], Tally]:
    tally = Tally()
    (piece,) = FORMATS[format].pieces(str(path))
    batches = list(FORMATS[format].read(piece, ReadSettings("s", format, max_document_bytes=limit), tally))
    return [row for batch in batches for row in batch.to_pylist()], tally


def test_text(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for content, text, replaced in (
        (b"\xef\xbb\xbfcaf\xc3\xa9\r\n", "caf\u00e9\r\n", 0),
        (b"caf\xe9\0", "caf\u00e9\0", 0),
        ("Gr\u00f6\u00dfe: ".encode() + b"caf\xe9", "Gr\u00f6\u00dfe: caf\ufffd", 1),
        (
            "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3067\u3059\u3002".encode("shift_jis"),
            "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3067\u3059\u3002",
            0,
        ),
        ("\ufffd".encode(), "\ufffd", 0),
        ("\ufeffcaf\u00e9".encode("utf-16-le"), "caf\u00e9", 0),
    ):
        path.write_bytes(content)
        rows, tally = read(path, "text")
        assert [row["text"] for row in rows] == [text] and tally.replaced == replaced
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"packed"))
    assert read(tmp_path / "x.txt.gz", "text")[0][0]["text"] == "packed"
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"packed")[:-5])
    assert "cut off" in str(read(tmp_path / "x.txt.gz", "text")[0][0]["error"])
    path.write_bytes(b"")
    rows, tally = read(path, "text")
    assert rows == [] and tally.skipped == {"empty file": 1}


def test_html_of_100_mb_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    with open(path, "wb") as file:
        file.write(b"<p>")
        file.truncate(100_000_000)
    rows, _ = read(path, "html")
    assert rows[0]["content"] is None and "limit" in str(rows[0]["error"])
    path.write_bytes(b"<p>x")
    assert read(path, "html")[0][0]["content"] == b"<p>x"


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        read(tmp_path / "none.txt", "text")
