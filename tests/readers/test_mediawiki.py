"""MediaWiki dumps: pieces that join to the whole, what is skipped, damage, and the text of the markup."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from corpora import manifest, pipeline, run_ok
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.readers import FORMATS, format_of
from curate.readers.mediawiki import MediaWiki
from curate.readers.reader import Piece, ReadSettings, Tally
from curate.readers.wikitext import plain_text

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
  <siteinfo><sitename>Wikipedia</sitename><base>https://de.wikipedia.org/wiki/Wikipedia:Hauptseite</base>
    <namespaces><namespace key="0" case="first-letter" /><namespace key="6" case="first-letter">Datei</namespace>
    <namespace key="14" case="first-letter">Kategorie</namespace></namespaces>
  </siteinfo>
"""
DROPPED = frozenset({"file", "image", "media", "category", "datei", "kategorie"})


def page(number: int, title: str, text: str, *, ns: int = 0, redirect: bool = False, model: str = "wikitext") -> str:
    turned = '    <redirect title="X" />\n' if redirect else ""
    return (
        f"  <page>\n    <title>{escape(title)}</title>\n    <ns>{ns}</ns>\n    <id>{number}</id>\n{turned}    <revision>\n"
        f"      <id>{number}9</id>\n      <timestamp>2024-01-0{number % 9 + 1}T00:00:00Z</timestamp>\n      <model>{model}</model>\n"
        f'      <text bytes="9" xml:space="preserve">{escape(text)}</text>\n    </revision>\n  </page>\n'
    )


def dump(count: int = 30) -> tuple[list[str], list[dict[str, Any]]]:
    """The pages, and what is to become of them."""
    made, wanted = [], []
    for i in range(1, count + 1):
        if i % 5 == 0:
            made.append(page(i, f"R{i}", "#REDIRECT [[X]]", redirect=True))
        elif i % 7 == 0:
            made.append(page(i, f"Talk:{i}", "talk", ns=1))
        else:
            made.append(page(i, f"Über & {i}", f"'''Page {i}''' &ndash; <b>text</b> [[a|über]].\n" * (i % 4 + 1)))
            wanted.append({"id": str(i), "title": f"Über & {i}", "text": f"Page {i} – text über.\n" * (i % 4 + 1)})
    return made, wanted


def read(path: Path, pieces: list[Piece] | None = None, **options: Any) -> tuple[list[dict[str, Any]], Tally]:
    tally, reader = Tally(), MediaWiki()
    given_settings = ReadSettings("s", "mediawiki", **{"markup": "strip", **options})
    rows = []
    for piece in pieces or reader.pieces(str(path)):
        for batch in reader.read(piece, given_settings, tally):
            rows += batch.to_pylist()
    return rows, tally


def test_names() -> None:
    assert isinstance(FORMATS["mediawiki"], MediaWiki)
    for name in (
        "dewiki-20240101-pages-articles.xml.bz2",
        "enwiki-latest-pages-articles-multistream1.xml-p1p41242.bz2",
        "simplewiktionary-20240101.xml",
    ):
        assert format_of(name) == "mediawiki"
    assert format_of("feed.xml") is None


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zst"])
def test_a_dump_in_any_compression(tmp_path: Path, suffix: str) -> None:
    import zstandard

    pages, wanted = dump()
    whole = (HEAD + "".join(pages) + "</mediawiki>\n").encode()
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard.compress}[suffix]
    path = tmp_path / f"dewiki.xml{suffix}"
    path.write_bytes(pack(whole))
    rows, tally = read(path)
    assert [{name: row[name] for name in ("id", "title", "text")} for row in rows] == wanted
    assert tally.skipped == {"redirect": 6, "namespace 1": 4}
    assert rows[0]["url"] == "https://de.wikipedia.org/wiki/%C3%9Cber_%26_1" and rows[0]["lang"] == "de"
    assert rows[0]["date"] == "2024-01-02T00:00:00Z" and json.loads(rows[0]["metadata"]) == {"page": 1}
    first = rows[0]["offset"]
    assert whole[first:].startswith(b"<page>") if not suffix else first == 1
    assert FORMATS["mediawiki"].check(str(path), ReadSettings("s", "mediawiki")) is None


@given(st.lists(st.integers(1, 8000), max_size=4), st.integers(1, 9), st.sampled_from(["", ".bz2"]), st.booleans())
@settings(max_examples=30, deadline=None)
def test_pieces_join_to_the_whole(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], each: int, suffix: str, torn: bool
) -> None:
    pages, wanted = dump()
    path = tmp_path_factory.mktemp("wiki") / f"x.xml{suffix}"
    if suffix:
        whole = (HEAD + "".join(pages) + "</mediawiki>\n").encode()
        # as the wikis do it, so many pages a stream; or, as pbzip2 does it, so many bytes
        parts = (
            [whole[i : i + 97 * each] for i in range(0, len(whole), 97 * each)]
            if torn
            else [
                HEAD.encode(),
                *("".join(pages[i : i + each]).encode() for i in range(0, len(pages), each)),
                b"</mediawiki>\n",
            ]
        )
        path.write_bytes(b"".join(bz2.compress(part) for part in parts))
    else:
        path.write_text(HEAD + "".join(pages) + "</mediawiki>\n")
    edges = [0, *sorted({cut for cut in cuts if cut < path.stat().st_size}), -1]
    pieces = [Piece(str(path), a, b) for a, b in zip(edges, edges[1:], strict=False)]
    rows, tally = read(path, pieces)
    assert [row["error"] for row in rows if row["error"]] == []
    assert [row["id"] for row in rows] == [row["id"] for row in wanted]
    assert [row["text"] for row in rows] == [row["text"] for row in wanted]
    assert tally.skipped == {"redirect": 6, "namespace 1": 4}


def test_damage_costs_what_it_hits(tmp_path: Path) -> None:
    pages, wanted = dump()
    streams = [bz2.compress(part.encode()) for part in (HEAD, *pages)]
    path = tmp_path / "x.xml.bz2"
    broken = bytearray(b"".join(streams))
    broken[len(streams[0]) + len(streams[1]) + 30] ^= 0xFF  # in page 2
    path.write_bytes(bytes(broken))
    rows, _ = read(path)
    assert [row["id"] for row in rows if not row["error"]] == [row["id"] for row in wanted if row["id"] != "2"]
    assert len([row for row in rows if row["error"]]) == 1 and "corrupt" in next(
        row["error"] for row in rows if row["error"]
    )
    path.write_bytes(b"".join(streams)[:-10])
    assert "cut off" in read(path)[0][-1]["error"]
    path.write_bytes(b"this is no bzip2")
    assert "no bzip2 data" in read(path)[0][0]["error"]
    plain = tmp_path / "x.xml"
    plain.write_text(HEAD + pages[0] + pages[1][:300])
    rows, _ = read(plain)
    assert [bool(row["error"]) for row in rows] == [False, True] and "cut off" in rows[1]["error"]


def test_a_page_of_100_mb_is_one_error_and_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    with path.open("w") as file:
        file.write(HEAD + page(1, "A", "a") + "  <page>\n<title>Long</title><text>")
        for _ in range(100):
            file.write("x" * 1_000_000)
        file.write("</text></page>\n" + page(3, "B", "b") + "</mediawiki>")
    rows, _ = read(path, max_document_bytes=1 << 20)
    assert [row["title"] for row in rows] == ["A", None, "B"] and "above the limit" in rows[1]["error"]


def test_other_pages_and_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(HEAD + page(1, "M", "x", model="css") + page(2, "C", "raw '''x'''", ns=4) + "</mediawiki>")
    rows, tally = read(path, namespaces=(0, 4), markup="keep")
    assert [row["text"] for row in rows] == ["raw '''x'''"] and tally.skipped == {"page of css": 1}
    (tmp_path / "feed.xml").write_text("<rss></rss>")
    assert "not a MediaWiki dump" in str(
        FORMATS["mediawiki"].check(str(tmp_path / "feed.xml"), ReadSettings("s", "mediawiki"))
    )


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("'''Bold''' and ''italic'', '''''both'''''.", "Bold and italic, both."),
        ("a {{cite|x={{y|[[z]]}}|b}} c", "a c"),
        ("born {{lang|fr|''né''}} in {{nowrap|New York}}, {{convert|5|km|mi}} away", "born né in New York, 5 km away"),
        ("{{Infobox\n| a = {{b}}\n| c = [[d|e]]\n}}\nText.", "Text."),
        ("before\n{| class=x\n|-\n! h\n|\n{| \n| in\n|}\n|}\nafter", "before\n\nafter"),
        ("[[Datei:X.jpg|mini|Ein [[Bild]] von {{b}}]]Text [[:Kategorie:Y|Y]].[[Kategorie:Z]]", "Text Y."),
        ("[[Rome]], [[Rome|the city]], [[Rome (city)|]], [[a|b|c]]", "Rome, the city, Rome, b|c"),
        ("see [https://x.org the site], [https://y.org] and https://z.org", "see the site, and https://z.org"),
        ("a [//x.org b] c [mailto:x@y.z d] [e]", "a b c [mailto:x@y.z d] [e]"),
        ("x<ref name=\"a\">{{c}} <b>d</b></ref>y<ref name=b />z<references/>", "xyz"),
        ("a<!-- gone -->b <nowiki>[[kept]] '''</nowiki> c<br />d", "ab [[kept]] ''' c\nd"),
        ("<syntaxhighlight lang=py>\na = {{1}}\n</syntaxhighlight>", "a = {{1}}"),
        ("== One ==\ntext\n=== Sub ===\n{{gone}}\n== Refs ==\n{{reflist}}\n== Last ==\nend", "One\n\ntext\n\nLast\n\nend"),
        ("== One ==\n=== Sub ===\nx", "One\n\nSub\n\nx"),
        ("* a\n** b\n# c\n: d\n; e", "- a\n- b\n- c\nd\ne"),
        ("formula {{chem|x}}, of {{y}} . NET and .NET", "formula, of. NET and .NET"),
        ("Paris ({{IPA|x}}; {{lang-grc|Λ}}) and ({{y}})", "Paris (Λ) and"),
        ("__NOTOC__a&nbsp;b &amp;lt; -{zh-hans:简;zh-hant:繁}-", "a b &lt; 简"),
        ("open {{never closed [[link]] {{x}} end", "open {{never closed link end"),
        ("]] [[open }} |}", "]] [[open }} |}"),
        ("", ""),
    ],
)  # fmt: skip
def test_markup(markup: str, text: str) -> None:
    assert plain_text(markup, DROPPED).rstrip("\n") == text


@given(st.text(st.sampled_from("[]{}|<>/'=*#:!\n- arefnowiki"), max_size=120))
@settings(max_examples=250, deadline=None)
def test_any_markup_is_read(markup: str) -> None:
    assert {char for char in plain_text(markup, DROPPED) if char.isalpha()} <= set(markup)


@pytest.mark.parametrize(
    "piece", ["{{", "[[", "<ref>", "{|\n", "{{a|", "[[a|", "<nowiki>", "}}", "''", "<!--", "[http://a ", "(", "=="]
)
def test_time_is_linear_in_the_page(piece: str) -> None:
    """A thousand times as many open brackets come to an end, and leave a thousand times as many."""
    few, many = (plain_text(piece * count, DROPPED).count(piece.strip()) for count in (100, 100_000))
    assert many == 1000 * few


def test_a_dump_through_a_pipeline(tmp_path: Path) -> None:
    pages, wanted = dump()
    (tmp_path / "dewiki-pages-articles.xml.bz2").write_bytes(
        bz2.compress((HEAD + "".join(pages) + "</mediawiki>").encode())
    )
    run_ok(pipeline(tmp_path, "[normalize]", inputs="[{name: wiki, path: '*.bz2'}]"))
    assert manifest(tmp_path / "out")["documents"]["kept"] == len(wanted)
    assert manifest(tmp_path / "out")["skipped"] == {"namespace 1": 4, "redirect": 6}
