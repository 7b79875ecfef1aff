"""`extract`: charsets, limits, what passes unchanged, and pages that parsers die of."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import watch
from curate.documents import DOCUMENT, document_batch
from curate.errors import MissingAsset
from curate.steps.charset import decode_page
from curate.steps.extract import Extract
from curate.steps.nesting import deeper_than

ARTICLE = """<!DOCTYPE html><html lang="en-GB"><head><title> A
 title</title><meta property="article:published_time" content="2021-02-03"></head><body><nav><a href="/">Home</a></nav>
<main><article><h1>Heading</h1><p>{}</p><p>Second paragraph of the article, with <b>bold</b> words in it.</p></article>
</main><footer>Imprint</footer></body></html>"""
LONG = "The first paragraph is long enough to be taken for the content of the page by any engine. " * 4


def extract(*pages: dict[str, Any] | str | bytes, **settings: Any) -> list[dict[str, Any]]:
    rows = []
    for number, page in enumerate(pages):
        known = page if isinstance(page, dict) else {"content": page.encode() if isinstance(page, str) else page}
        row = {
            "row": number,
            "id": str(number),
            "source": "s",
            "path": "p",
            "offset": number,
            "media_type": "text/html",
        }
        rows.append(row | known)
    batch = Extract(**settings).process(document_batch(rows, raw=True))
    assert batch.schema.names == [*DOCUMENT.names, "extract"]
    found: list[dict[str, Any]] = batch.to_pylist()
    return found


@pytest.mark.parametrize("engine", ["curate", "resiliparse", "trafilatura"])
def test_main_text_title_date_and_language(engine: str) -> None:
    if engine == "trafilatura":
        pytest.importorskip("trafilatura")
    page = ARTICLE.format(LONG)
    (row,) = extract(page, engine=engine)
    assert LONG.strip() in row["text"] and "Second paragraph" in row["text"] and "Imprint" not in row["text"]
    assert (row["title"], row["date"], row["error"]) == ("A title", "2021-02-03", None)
    signals = {"html_bytes": len(page), "html_lang": "en-gb", "encoding": "utf-8", "replaced": 0}
    assert {name: row["extract"][name] for name in signals} == signals
    (row,) = extract({"content": page.encode(), "date": "1999", "title": "own"}, engine=engine)
    assert (row["title"], row["date"]) == ("own", "1999")


def test_what_is_not_html() -> None:
    rows = extract(
        {"content": "caf\u00e9 <b>".encode("latin-1"), "media_type": "text/plain", "charset": "iso-8859-1"},
        {"content": b"%PDF-1.4", "media_type": "application/pdf"},
        {"text": "text already"},
        {"error": "lost"},
        "",
        "<html><body></body></html>",
    )
    assert [row["text"] for row in rows] == ["caf\u00e9 <b>", None, "text already", None, "", ""]
    assert [row["error"] for row in rows] == [
        None,
        "extract: a broken PDF (Failed to load document (PDFium: Data format error).)",
        None,
        "lost",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("content", "stated", "text", "encoding"),
    [
        ("\u00e9".encode(), "windows-1252", "\u00e9", "utf-8"),
        (b"\xef\xbb\xbf\xc3\xa9", None, "\u00e9", "utf-8"),
        ("\u00e9".encode("utf-16"), None, "\u00e9", "utf-16-le"),
        (b"\xe9\x80", "iso-8859-1", "\u00e9\u20ac", "cp1252"),
        ("\u041f\u0440".encode("cp1251"), "windows-1251", "\u041f\u0440", "cp1251"),
        (b"<meta charset='koi8-r'>" + "\u041f\u0440".encode("koi8-r"), None, "<meta charset='koi8-r'>\u041f\u0440", "koi8-r"),
        (b'<meta http-equiv="x" content="text/html; charset=shift_jis">' + "\u65e5".encode("sjis"), None, None, "cp932"),
        ("\u65e5\u672c".encode("iso-2022-jp"), "iso-2022-jp", "\u65e5\u672c", "iso2022_jp"),
        ("gr\u00fcn ".encode() * 30 + b"\xff", "utf-8", "gr\u00fcn " * 30 + "\ufffd", "utf-8"),
        (("\u042d\u0442\u043e \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0442\u0435\u043a\u0441\u0442. " * 9).encode("cp1251"), None, None, "cp1251"),
        (b"\xe9", "no-such-charset", None, None),
        (b"", None, "", "utf-8"),
    ],
)  # fmt: skip
def test_charsets(content: bytes, stated: str | None, text: str | None, encoding: str | None) -> None:
    characters, name, replaced = decode_page(content, stated)
    assert text is None or characters == text
    assert encoding is None or name == encoding
    assert replaced == characters.count("\ufffd")


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([None, "utf-8", "utf-16", "shift_jis", "gb18030", "x", "utf-7", "base64"])
)
def test_any_bytes_are_decoded(content: bytes, stated: str | None) -> None:
    text = decode_page(content, stated)[0]
    assert text.encode("utf-8").decode("utf-8") == text


def test_limits() -> None:
    rows = extract("<p>" + "x" * 2000, "<p>" + LONG, max_bytes=1000)
    assert rows[0]["error"] == "extract: a page of 2003 bytes, above max_bytes: 1000" and rows[0]["text"] is None
    assert rows[1]["error"] is None


@pytest.mark.parametrize("tag", ["div", "b", "table><tr><td", "ul><li", "a href='x>y'"])
def test_10_000_nested_tags(tag: str) -> None:
    page = "<html><body>" + f"<{tag}>" * 10_000 + "deep text"
    (row,) = extract(page, engine="resiliparse")
    assert row["error"] == "extract: elements nested deeper than max_depth: 2000"
    # no parser of trees, no trouble
    assert extract(page)[0]["text"].endswith("deep text")


def test_a_page_of_nothing_but_tags() -> None:
    rows = extract("<p>" * 1_000_001, "<p>" + LONG)
    assert (rows[0]["error"], rows[0]["text"]) == ("extract: more than 1,000,000 tags", "") and rows[1]["error"] is None


def test_our_own_signals_and_markdown() -> None:
    head = "<link rel=canonical href=https://a.example/x><meta name=author content=Ada>"
    page = f"{head}<nav>Home</nav><div class=article><p>{LONG}<h2>Head</h2><p>{LONG}</div>"
    (row,) = extract(page)
    assert row["text"].count("The first") == 8 and 0.5 < row["extract"]["confidence"] <= 1
    wanted = {"blocks": 4, "hidden_used": False, "author": "Ada", "canonical": "https://a.example/x", "license": ""}
    assert {name: row["extract"][name] for name in wanted} == wanted and row["extract"]["kept_blocks"] in (2, 3)
    (row,) = extract(page, output="markdown", main_content=False)
    assert "\n\n## Head\n\n" in row["text"] and row["extract"]["kept_blocks"] == 3
    with pytest.raises(ValueError, match="output: markdown needs engine: curate or trafilatura"):
        Extract(engine="resiliparse", output="markdown")


def test_wide_pages_are_not_deep() -> None:
    wide = "<div><br><img src=x><p>x<li>y</div>" * 10_000 + "<script>" + "<div>" * 5000 + "</script>"
    assert not deeper_than(wide.encode(), 100)
    assert deeper_than(b"<div>" * 101, 100) and not deeper_than(b"<div>" * 100, 100)
    assert not deeper_than(b"</div>" * 500 + b"<i>" * 100 + b"<", 100) and not deeper_than(b"", 0)
    (row,) = extract("<html><body>" + wide)
    assert row["error"] is None


HANG = """
import sys
from curate import watch
from curate.documents import document_batch
from curate.steps.extract import Extract
watch.attach(sys.argv[1])
page = "<div>" * 60_000
known = {"id": "", "source": "", "path": "", "offset": 0, "media_type": "text/html"}
rows = [known | {"row": row, "content": content} for row, content in ((3, b"<p>fine"), (4, page.encode()))]
Extract(engine='resiliparse', max_depth=10**6, timeout=0.5).process(document_batch(rows, raw=True))
"""


def test_a_page_that_hangs_ends_the_worker_and_is_named(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HANG, str(tmp_path / "slot")], check=False, timeout=100)
    assert done.returncode == -watch.SIGNAL
    assert watch.read(tmp_path / "slot") == 4


def test_a_missing_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("curate.steps.extract.version", missing)
    with pytest.raises(MissingAsset, match=r"curate\[trafilatura\]"):
        Extract(engine="trafilatura").assets()


def test_surrogates_and_nul_in_pages() -> None:
    (row,) = extract("<title>&#xD800;t</title><p>a\0b &#0; &#xDFFF; " + LONG)
    assert row["error"] is None and row["text"].encode() and row["title"].encode()


def test_gold(shared_data: Path) -> None:
    """On news pages the default engine finds nearly all of the gold words."""
    with gzip.open(shared_data / "html/article_extraction_benchmark_a.jsonl.gz") as file:
        pages = [json.loads(line) for _, line in zip(range(30), file, strict=False)]
    recalls = []
    for row, page in zip(extract(*(page["html"] for page in pages)), pages, strict=True):
        gold, found = Counter(page["gold_text"].split()), Counter(row["text"].split())
        recalls.append((gold & found).total() / gold.total())
    assert sum(recalls) / len(recalls) > 0.85
