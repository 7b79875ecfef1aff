"""PDF: columns, whole words, ligatures, no headers and footers; what cannot be read says why."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from corpora import curate, manifest, pipeline, run_ok
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from curate.readers import FORMATS, PACKAGES
from curate.readers.reader import Piece, ReadSettings, Tally
from curate.steps.pdf import UnreadablePdf, read_pdf
from curate.steps.pdf_layout import Segment, blocks, lines, paragraphs, segments, whole_words

WIDTH, HEIGHT = 595.0, 842.0
WORDS = (
    "rivers carry sand and stones down from the high mountains to the quiet plains where people have built their towns "
    "and every spring the water rises over the banks and leaves a layer of dark fertile soil upon the open fields"
).split()


def filled(canvas: Any, words: list[str], width: float, size: float) -> list[str]:
    """Words set in lines no wider than `width`."""
    made = [""]
    for word in words:
        longer = f"{made[-1]} {word}".strip()
        if canvas.stringWidth(longer, "Helvetica", size) <= width:
            made[-1] = longer
        else:
            made.append(word)
    return made


def drawn(draw: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT), **options)
    draw(canvas)
    canvas.save()
    return file.getvalue()


def paper(canvas: Any) -> None:
    """Four pages in two columns, drawn line by line across both; a title over them; headers, footers, numbers."""
    canvas.setTitle("On Rivers")
    for page in range(4):
        canvas.setFont("Helvetica", 8)
        canvas.drawString(
            60, HEIGHT - 40, "Journal of Slow Waters" if page % 2 else f"A. Author and B. Author, part {page}"
        )
        canvas.drawCentredString(WIDTH / 2, 30, f"Page {page + 1} of 4")
        top = HEIGHT - 80
        if page == 0:
            canvas.setFont("Helvetica-Bold", 18)
            canvas.drawCentredString(WIDTH / 2, top, "On rivers and what they carry with them")
            top -= 40
        canvas.setFont("Helvetica", 10)
        columns = [
            filled(
                canvas,
                [f"{side}{page}x{i}" if i % 9 == 0 else WORDS[i % len(WORDS)] for i in range(280)] + ["end."],
                220,
                10,
            )
            for side in "LR"
        ]
        for row, (left, right) in enumerate(zip(*columns, strict=False)):
            canvas.drawString(60, top - 12 * row, left)
            canvas.drawString(310, top - 12 * row, right)
        canvas.showPage()


def test_columns_titles_headers_and_footers() -> None:
    found = read_pdf(drawn(paper))
    assert found.title == "On Rivers" and found.date and found.date[:2] == "20"
    assert found.text.startswith("On rivers and what they carry with them\n\nL0x0 carry sand")
    marks = [word for word in found.text.split() if word[0] in "LR" and word[1].isdigit()]
    assert marks == [f"{side}{page}x{i}" for page in range(4) for side in "LR" for i in range(0, 280, 9)]
    for repeated in ("Journal", "Author", "Page", "of 4"):
        assert repeated not in found.text
    assert found.text.count("\n\n") == 8  # the title, and one paragraph a column


@pytest.mark.parametrize("count", [3, 4])
def test_many_narrow_columns(count: int) -> None:
    width = 500 / count - 20

    def draw(canvas: Any) -> None:
        canvas.setFont("Helvetica", 9)
        for column in range(count):
            words = [f"c{column}"] + [WORDS[(i * (column + 3)) % len(WORDS)] for i in range(150)]
            for row, line in enumerate(filled(canvas, words, width, 9)):
                canvas.drawString(50 + 500 / count * column, HEIGHT - 80 - 12 * row, line)

    text = read_pdf(drawn(draw)).text
    assert "\t" not in text
    assert [word for word in text.split() if word in ("c0", "c1", "c2", "c3")] == [f"c{i}" for i in range(count)]
    for column in range(count):
        assert " ".join(WORDS[(i * (column + 3)) % len(WORDS)] for i in range(150)) in " ".join(text.split())


def test_a_table_of_phrases_in_three_columns_is_read_by_rows() -> None:
    cells = [("the name of the thing", "what it is good for", "since when there are some"), ("a short remark", "rarely of use", "from 1990 on"),
             ("stones from the hills", "building walls", "always there"), ("timber from the woods", "roofs and doors of houses", "the bronze age")]  # fmt: skip

    def draw(canvas: Any) -> None:
        canvas.setFont("Helvetica", 9)
        for row in range(12):
            for column, cell in enumerate(cells[row % 4]):
                canvas.drawString(60 + 180 * column, HEIGHT - 80 - 14 * row, cell)

    assert "stones from the hills\tbuilding walls\talways there" in read_pdf(drawn(draw)).text


def test_one_column_paragraphs_and_words_cut_at_lines() -> None:
    text = [
        "The first paragraph of this page runs over several lines, and it has one word that is div-",
        "ided where the line ends, another that is well-",
        "known for its hyphen, as a well-known word should be, and an Anglo-",
        "Saxon name. It ends here.",
        "    The second one is indented, and goes on for another line so that it is a paragraph, which",
        "is all there is to it.",
    ]

    def draw(canvas: Any) -> None:
        canvas.setFont("Helvetica", 10)
        for row, line in enumerate(text):
            canvas.drawString(90 if line.startswith(" ") else 60, HEIGHT - 80 - 12 * row, line.strip())
        canvas.drawString(60, HEIGHT - 80 - 12 * 8, "1. A list after a gap")
        canvas.drawString(60, HEIGHT - 80 - 12 * 9, "2. has its items apart")

    found = read_pdf(drawn(draw)).text.split("\n\n")
    assert len(found) == 4 and found[2:] == ["1. A list after a gap", "2. has its items apart"]
    assert "word that is divided where the line ends, another that is well-known for its hyphen" in found[0]
    assert "an Anglo-Saxon name. It ends here." in found[0] and found[1].startswith("The second one")


def test_a_table_is_read_by_rows() -> None:
    def draw(canvas: Any) -> None:
        canvas.setFont("Helvetica", 10)
        for row in range(12):
            canvas.drawString(60, HEIGHT - 80 - 14 * row, f"Item {row}")
            canvas.drawString(300, HEIGHT - 80 - 14 * row, f"{row * 10} kg")

    assert "Item 3\t30 kg\nItem 4\t40 kg" in read_pdf(drawn(draw)).text


def test_ligatures_and_turned_pages() -> None:
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))

    def draw(canvas: Any) -> None:
        canvas.setFont("Vera", 10)
        canvas.drawString(60, 700, "The \ufb01rst \ufb02ood of \u00e9t\u00e9")
        canvas.showPage()
        canvas.setPageRotation(90)
        canvas.translate(100, 100)
        canvas.rotate(90)
        canvas.setFont("Vera", 10)
        canvas.drawString(0, 0, "A page that lies on its side")
        canvas.drawString(0, -20, "has two lines")

    found = read_pdf(drawn(draw)).text
    assert found.startswith("The first flood of \u00e9t\u00e9")
    assert found.index("A page that lies on its side") < found.index("has two lines")


def test_what_cannot_be_read_says_why() -> None:
    locked = drawn(paper, encrypt=StandardEncryption("secret", canPrint=0))
    cases = {
        locked: "an encrypted PDF: it needs its password", b"%PDF-1.4 and nothing else": "a broken PDF",
        b"": "a broken PDF", drawn(lambda canvas: canvas.rect(10, 10, 100, 100)): "a PDF of 1 pages without text",
    }  # fmt: skip
    for content, why in cases.items():
        with pytest.raises(UnreadablePdf, match=why):
            read_pdf(content)
    # readable by all, closed for changes
    assert "rivers" in read_pdf(drawn(paper, encrypt=StandardEncryption("", ownerPassword="o"))).text


SOUND = drawn(paper)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6),
    st.integers(0, len(SOUND)),
)
def test_a_damaged_file_is_read_or_says_why(damage: list[tuple[int, bytes]], cut: int) -> None:
    content = bytearray(SOUND)
    for at, new in damage:
        content[at : at + len(new)] = new
    for damaged in (bytes(content), bytes(content[:cut])):
        try:
            found = read_pdf(damaged)
        except UnreadablePdf as error:
            assert str(error)
        else:
            found.text.encode()


boxes = st.builds(
    lambda text, x, y, width, size: Segment(text, x, x + width, y, y + size),
    st.text("ab cd", min_size=1, max_size=40), st.floats(0, 500), st.floats(0, 800), st.floats(1, 300), st.floats(4, 30),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(boxes, max_size=40))
def test_nothing_is_lost_or_doubled_on_the_way(parts: list[Segment]) -> None:
    placed = [part for block in blocks(parts) for part in block]
    assert sorted(placed) == sorted(parts)
    letters = sorted("".join(part.text for part in parts).replace(" ", ""))
    texts = [text for block in blocks(parts) for text in paragraphs(block)], [line.text for line in lines(parts)]
    assert [sorted("".join("".join(text).split())) for text in texts] == [letters, letters]


def test_turned_text_beside_the_page_is_left_out() -> None:
    upright = [(ord(c), 100.0 + 5 * i, 105.0 + 5 * i, 500.0, 510.0) for i, c in enumerate("body")]
    turned = [(ord(c), 20.0, 30.0, 300.0 + 12 * i, 310.0 + 12 * i) for i, c in enumerate("arXiv:1234")]
    assert [segment.text for segment in segments([*turned, *upright])] == ["body"]


def test_a_hyphen_of_its_own_stays() -> None:
    assert whole_words("a well\u00adknown fact, so well-known, and some div\u00adided thing") == (
        "a well-known fact, so well-known, and some divided thing"
    )


def test_from_files_and_archives_to_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(drawn(paper))
    (tmp_path / "in" / "b.pdf").write_bytes(drawn(paper, encrypt=StandardEncryption("secret")))
    body = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n" + drawn(paper)
    head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: {len(body)}\r\n"
    (tmp_path / "in" / "c.warc").write_bytes(
        head.encode() + b"WARC-Target-URI: http://e.com/c.pdf\r\n\r\n" + body + b"\r\n\r\n"
    )
    path = pipeline(
        tmp_path, "[extract]", inputs='[{name: a, path: "in/*"}]', output="{path: out, quarantine_limit: 50%}"
    )
    run_ok(path)
    assert manifest(tmp_path / "out")["documents"] == {"in": 3, "made": 0, "kept": 2, "dropped": 0, "quarantined": 1}
    told = curate(
        "sql", tmp_path / "out", "SELECT title, error FROM ledger LEFT JOIN quarantine USING (path) ORDER BY path"
    )
    assert (
        "needs its password" in told.stdout
        or "needs its password" in curate("sql", tmp_path / "out", "SELECT * FROM quarantine").stdout
    )
    rows, _ = FORMATS["pdf"].read(Piece(str(tmp_path / "in" / "a.pdf")), ReadSettings("s", "pdf"), Tally()), None
    assert next(iter(rows))["media_type"].to_pylist() == ["application/pdf"]


def test_a_missing_package_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.checks import check
    from curate.config import load
    from curate.errors import ConfigError

    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / f"{name}.pdf").write_bytes(b"%PDF")
    monkeypatch.setitem(PACKAGES, "pdf", ("no_such_module", "pdf"))
    with pytest.raises(ConfigError) as error:
        check(load(str(pipeline(tmp_path, "[extract]", inputs='[{name: a, path: "in/*"}]'))))
    assert str(error.value).count("pip install 'curate[pdf]'") == 1
