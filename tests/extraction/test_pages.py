"""Pages to blocks, and blocks to text: what the scanner makes of markup, and that no markup can harm it."""

from __future__ import annotations

import gzip
import html
import html.entities
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.extraction.blocks import read_blocks
from curate.extraction.engine import Extracted, extract
from curate.extraction.model import shipped
from curate.extraction.scratch import known, one_page
from curate.kernels.html_scan import scan_page
from curate.kernels.html_state import BLOCKS, ELEMENTS, OUT, STEPS

#: markup -> the blocks of text in it
BLOCKS_OF = {
    "": [],
    "plain": ["plain"],
    "a < b && c > d <3 </ x": ["a < b && c > d <3"],
    "<p>One<p>two": ["One", "two"],
    "<p> one \n\t <b>bo</b>ld </p> tail": ["one bold", "tail"],
    "one<br>two<br> <br>three": ["one\ntwo", "three"],
    "<ul><li>a<li>b<ul><li>c</ul><li>d</ul>": ["a", "b", "c", "d"],
    "<dl><dt>a<dd>b<dt>c</dl>": ["a", "b", "c"],
    "<table><tr><td>a<td>b<tr><th>c</table>d": ["a", "b", "c", "d"],
    "<table><tr><td><div>a</td><td>b</td></tr></table></div>c": ["a", "b", "c"],
    "<pre>\n  a\n\tb \r\n</pre>": ["  a\n\tb"],
    "<pre>a\rb\r\nc&#13;d</pre>": ["a\nb\nc\nd"],
    "<script>if (a<b) '<p>'</script><style>p{}</style>x": ["x"],
    "<script>never closed <p>x": [],
    "<SCRIPT></sCript >x<!-- <p> --><!-->y<!--->z<![CDATA[q]]>": ["xyz"],
    "<!-- never closed <p>x": [],
    "<svg><title>no</title><path/><text>no</text></svg>yes": ["yes"],
    "<template><p>no</p></template>yes": ["yes"],
    "<div><template shadowrootmode=open><p>shown</p></template>yes": ["shown", "yes"],
    "<p>a</p><svg><g><svg><path d=x><p>not closed": ["a", "not closed"],
    "<svg viewBox='0 0 1 1'/>yes<math/>and <svg><svg/></svg>no": ["yesand no"],
    "<svg><foreignObject><p>no</p></foreignObject><foreignobject><p>no<svg>no</svg></foreignobject>no</svg>yes": [
        "yes"
    ],
    "<svg><foreignObject><p>never closed</svg>yes": ["yes"],
    "<math><mi>x</mi><annotation-xml><mi>no</mi></annotation-xml></math>yes": ["xyes"],
    "<textarea><p>no</textarea><title>no</title>yes": ["yes"],
    "<b>one<p>two</b> three": ["one", "two three"],
    "<a href=x>one<a href=y>two</a></a> three": ["onetwo three"],
    "</p></div></table>x</td>y": ["x", "y"],
    "<p title='a>b' data-x=\"'>\" hidden2=<>x": ["x"],
    "<p hidden>no<p>yes": ["no", "yes"],
    "a<span style='color:red; display : none'>no</span>b<i aria-hidden=true>no</i>": ["ab"],
    "<my-card>a</my-card><font>b</font><my-card>c": ["a", "b", "c"],
    "soft\u00adhyphen no\u00a0break \u3000wide\ufeff": ["soft\u00adhyphen no break wide"],
    "&lt;p&gt; &amp;amp; &copy2020 &notit; &notin; &#x41;&#66 &#128; &#0; &nosuch; &": [
        "<p> &amp; ©2020 ¬it; ∉ AB € \ufffd &nosuch; &"
    ],
    "<p": [],
    "<p class='": [],
    "x<": ["x<"],
    "x</": ["x"],
    "<p>a\x00b\x01c": ["abc"],
}


@pytest.mark.parametrize(("markup", "blocks"), BLOCKS_OF.items())
def test_blocks(markup: str, blocks: list[str]) -> None:
    assert read_blocks(markup.encode()).texts == blocks


XHTML = '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html><script src="x"/>'


@pytest.mark.parametrize(("head", "blocks"), [(XHTML, ["a", "b c"]), ("<html>", ["a", "b c"])])
def test_empty_elements_of_xhtml_end_at_once(head: str, blocks: list[str]) -> None:
    markup = head + "<div/><p>a</p><p>b<a name='x'/> c</p>"
    assert read_blocks(markup.encode()).texts == blocks


def test_what_is_hidden_does_not_count_unless_little_else_is_there() -> None:
    text = "A sentence that says something, and goes on for a while. " * 6
    markup = f"<nav>menu</nav><div style='visibility:hidden'>{text}</div><p>%s</p><footer>foot</footer>"
    blocks = read_blocks((markup % text).encode())
    assert (list(blocks.active), blocks.relaxed) == ([False, False, True, False], False)
    blocks = read_blocks((markup % "little").encode())
    assert (list(blocks.active), blocks.relaxed) == ([True] * 4, True)


def test_a_dialog_counts_if_it_is_open() -> None:
    page = f"<p>{'Some words. ' * 40}</p><dialog><p>no</p></dialog><dialog open><p>yes</p></dialog>"
    assert list(read_blocks(page.encode()).active) == [True, False, True]


@pytest.mark.parametrize(
    ("numbers", "active"), [("1\n2\n3", False), (" 9\n10", False), ("1\n3", True), ("7", True), ("1\n2 x", True)]
)
def test_the_numbers_of_lines_of_code_are_no_text(numbers: str, active: bool) -> None:
    page = f"<table><tr><td><pre>{numbers}</pre><td><pre>def f():\n    pass</pre></table><pre>{numbers}</pre>"
    assert list(read_blocks(page.encode()).active) == [active, True, True]


@pytest.mark.parametrize(("size", "active"), [(400, False), (600, True)])
def test_a_long_text_for_browsers_without_scripts_is_the_page(size: int, active: bool) -> None:
    page = f"<p>{'Some words. ' * 40}</p><noscript><p>{'x' * size}</p></noscript><p>end"
    assert list(read_blocks(page.encode()).active) == [True, active, True]


def test_tables_of_data_are_known() -> None:
    cell, long = "<td>cell", f"<td>{'word ' * 70}"
    page = f"<table><tr>{cell * 4}</table><table><tr>{long * 4}</table><table><tr>{cell * 3}</table>"
    assert [bool(table) for table in read_blocks(page.encode()).table] == [True] * 4 + [False] * 7


@pytest.mark.parametrize("name", [*list(html.entities.html5)[::7], "amp", "lt;", "nbsp", "NotEqualTilde;"])
def test_references_are_those_of_the_standard(name: str) -> None:
    if len(html.entities.html5[name].encode()) > len(name) + 1:
        return
    for markup in (f"x&{name}y", f"x&{name};y", f"x&{name}"):
        want = " ".join(html.unescape(markup).split())
        assert "".join(read_blocks(markup.encode()).texts) == want


# a tree of elements, and the blocks that it must give: a slow twin of the scanner for markup with all its end tags
INLINE, BLOCK = ("b", "i", "span", "font", "code"), ("div", "section", "blockquote", "article", "h2")
_words = st.text("abcé日 \n", max_size=6)
_tree: Any = st.recursive(
    _words, lambda inner: st.tuples(st.sampled_from(INLINE + BLOCK), st.lists(inner, max_size=4)), max_leaves=20
)


def _markup(tree: Any) -> str:
    if isinstance(tree, str):
        return html.escape(tree)
    return f"<{tree[0]}>{''.join(map(_markup, tree[1]))}</{tree[0]}>"


def _pieces(tree: Any) -> str:
    if isinstance(tree, str):
        return tree
    inside = "".join(map(_pieces, tree[1]))
    return f"\x00{inside}\x00" if tree[0] in BLOCK else inside


@settings(max_examples=40, deadline=None)
@given(st.lists(_tree, max_size=6))
def test_blocks_part_at_block_elements_only(trees: list[Any]) -> None:
    pieces = "".join(map(_pieces, trees)).split("\x00")
    want = [text for text in (" ".join(piece.split()) for piece in pieces) if text]
    assert read_blocks("".join(map(_markup, trees)).encode()).texts == want


def run(*pages: bytes, **options: Any) -> Extracted:
    return extract(pa.array(pages, pa.binary()).cast(pa.string()), shipped(), **options)


STRUCTURE = (
    "<h2>Head<br>line</h2><p>One<br>two</p><ul><li>a<li><p>b</p><p>more</p><ol><li>q<li>r</ol></ul>"
    "<table><tr><td>c1<td>c|2<tr><td>c3<td>c4</table><pre>\n x\n  y</pre><blockquote><p>quoted<br>too</blockquote>"
    "<dl><dt>t<dd>d</dl>"
)
TEXT = "Head line\n\nOne\ntwo\n\n- a\n- b\n  more\n  1. q\n  2. r\n\nc1\tc|2\nc3\tc4\n\n x\n  y\n\nquoted\ntoo\n\nt\nd"
MARKDOWN = (
    "## Head line\n\nOne\ntwo\n\n- a\n- b\n  more\n  1. q\n  2. r\n\n| c1 | c\\|2 |\n| --- | --- |\n| c3 | c4 |\n\n"
    "```\n x\n  y\n```\n\n> quoted\n> too\n\nt\nd"
)


def test_structure_stays_readable() -> None:
    page = STRUCTURE.encode()
    assert run(page, whole=True).text.to_pylist() == [TEXT]
    assert run(page, whole=True, markdown=True).text.to_pylist() == [MARKDOWN]
    assert run(page, whole=True, bullets=False).text[0].as_py() == re.sub(r"(?m)^ *(- |\d\. )|^ +(?=more)", "", TEXT)


@pytest.mark.parametrize(
    ("page", "text", "markdown"),
    [
        ("<ol start=5><li>a<li>b<li value=9>c<li>d</ol>", "5. a\n6. b\n9. c\n10. d", "5. a\n6. b\n9. c\n10. d"),
        ("<ol start=x><li>a<li value=-1>b</ol>", "1. a\n2. b", "1. a\n2. b"),
        (
            "<table><tr><td><td>h<td> <td>k<tr><td>a<td>b<tr><td></td><td></td><td>c</table>",
            "\th\t\tk\na\tb\n\t\tc",
            "|  | h |  | k |\n| --- | --- | --- | --- |\n| a | b |\n|  |  | c |",
        ),
        (
            "<table><tr><td><img><td>a<td>b<tr><td><img><td><td>c</table>",
            "a\tb\n\tc",
            "| a | b |\n| --- | --- |\n|  | c |",
        ),
        (
            "<table><tr><td><pre>1\n2</pre><td><pre>def f():\n    pass</pre></table>",
            "def f():\n    pass",
            "```\ndef f():\n    pass\n```",
        ),
    ],
)
def test_numbers_of_items_empty_cells_and_lines_of_code_stay_in_place(page: str, text: str, markdown: str) -> None:
    assert run(page.encode(), whole=True).text.to_pylist() == [text]
    assert run(page.encode(), whole=True, markdown=True).text.to_pylist() == [markdown]


def test_tables_for_the_layout_are_no_tables() -> None:
    cell = "A long paragraph that no table of figures would hold in one of its cells. " * 4
    page = f"<table><tr><td><p>{cell}</p><p>{cell}</p></td><td>side</td></tr></table>".encode()
    assert run(page, whole=True, markdown=True).text.to_pylist() == [f"{cell.strip()}\n\n{cell.strip()}\n\nside"]


def test_what_the_head_says() -> None:
    page = (
        b"<html lang=pt-BR><svg><title>icon</title></svg><title>\n A &lt;\n title </title><title>second</title>"
        b"<meta property='og:title' content=other><meta content='J. D&ouml;' name=Author>"
        b"<meta name=date content=2020-01-02><meta property='article:published_time' content='2021-02-03'>"
        b"<link href='https://a.example/x?a=1&amp;b=2' rel=canonical><a href='http://creativecommons.org/licenses/by/4.0/'>"
        b'<script type=\'application/ld+json\'>{"datePublished" : "1999"}</script>'
    )
    fields = {name: values.to_pylist() for name, values in run(page, b"<p>x").fields.items()}
    assert fields == {
        "title": ["A < title", ""], "lang": ["pt-BR", ""], "date": ["2021-02-03", ""], "author": ["J. D\u00f6", ""],
        "canonical": ["https://a.example/x?a=1&b=2", ""],
        "license": ["http://creativecommons.org/licenses/by/4.0/", ""],
    }  # fmt: skip
    assert run(page[-70:]).fields["date"].to_pylist() == ["1999"]


def test_text_is_composed() -> None:
    decomposed = "cafe\u0301 \u1100\u1161\u11a8 \u0995\u09c7\u09be \u212b"
    text = run(f"<p>{decomposed}".encode(), b"<p>plain", whole=True).text.to_pylist()
    assert text == ["caf\u00e9 \uac01 \u0995\u09cb \u00c5", "plain"]


def everything(found: Extracted) -> list[Any]:
    return [
        found.text.to_pylist(), {name: values.to_pylist() for name, values in found.fields.items()},
        *(list(values) for values in found[2:]),
    ]  # fmt: skip


LETTERS = re.compile(r"[^\W\d]+")


def check(page: bytes) -> None:
    """What must hold for any page in UTF-8."""
    text = page.decode()
    guarded = b"<p hidden>&amp" + page + b"amp;<b>guard</p>-->\"'>"
    data = np.frombuffer(guarded, np.uint8)
    _, here = one_page(len(page), page.count(b"<"))
    scan_page(data, 14, 14 + len(page), known(), here)
    state = here.state
    # no byte beside the page is read, no more elements, steps or text than it has bytes for
    assert bytes(here.text[: state[OUT]]).decode() == "".join(read_blocks(page).texts)
    assert state[OUT] <= len(page)
    assert state[ELEMENTS] <= page.count(b"<") + 1 and state[STEPS] <= state[ELEMENTS]
    assert state[BLOCKS] <= page.count(b"<") + 1
    whole, *parts = (
        run(page, **options).text[0].as_py() for options in ({"whole": True}, {}, {"favor": "recall", "markdown": True})
    )
    for part in parts:
        assert not Counter(LETTERS.findall(part)) - Counter(LETTERS.findall(whole)) or max(text) >= "\u0300"
    assert len(re.findall(r"\w+", whole)) <= len(page)
    assert everything(run(page, page)) == [
        value + value if isinstance(value, list) else {name: one + one for name, one in value.items()}
        for value in everything(run(page))
    ]


TAGS = [
    "<p>", "</p>", "<div class=content>", "</div>", "<table>", "<td>", "<tr>", "</table>", "<a href=x>", "</a>", "<ul>", "<li>",
    "</ul>", "<svg>", "</svg>", "<script>", "</script>", "<!--", "-->", "<title>", "</title>", "<pre>", "</pre>", "<br>", "&amp;",
    "&#x10ffff;", "&", "<", ">", '"', "'", "</", "<b hidden>", "<x-y>", "</x-y>", "<article>", "<h1>", "</h2>", "\n", " ", "word",
    "\u00e9\u0301", "\u65e5\u672c", "<p style='display:none'>", "<nav>", "</nav>", "<option>", "<blockquote>",
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(TAGS), max_size=60))
def test_any_sequence_of_tags(parts: list[str]) -> None:
    check("".join(parts).encode())


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    check(content.decode("utf-8", "replace").encode())


def mutated(page: bytes, rng: random.Random) -> bytes:
    """The page with pieces cut out, doubled, moved, and bytes replaced."""
    made = bytearray(page)
    for _ in range(rng.randint(1, 12)):
        if not made:
            break
        at, size = rng.randrange(len(made)), rng.randint(1, 400)
        kind = rng.randrange(4)
        if kind == 0:
            del made[at : at + size]
        elif kind == 1:
            made[at:at] = made[at : at + size]
        elif kind == 2:
            made[at] = rng.choice(b"<>&\"'/!-=; \xff\x00ap")
        else:
            del made[at:]
            made += page[: rng.randint(0, 400)]
    return bytes(made).decode("utf-8", "replace").encode()


def broken_pages(shared_data: Path, size: int) -> tuple[int, int]:
    """Check mutated real pages and random bytes, `size` bytes in all at least: (pages, bytes)."""
    rng, pages, count, read = random.Random(5), [], 0, 0
    for name in ("trafilatura_eval_a", "debian_handbook"):
        with gzip.open(shared_data / "html" / f"{name}.jsonl.gz") as file:
            pages += [json.loads(line)["html"].encode("utf-8", "replace") for line in file][:80]
    while read < size:
        page = mutated(rng.choice(pages)[:60_000], rng)
        noise = rng.randbytes(rng.randint(0, 3000)).decode("utf-8", "replace").encode()
        for one in (page, noise, noise[:500] + page[: rng.randint(0, 2000)]):
            check(one.decode("utf-8", "replace").encode())
            count, read = count + 1, read + len(one)
    return count, read


def test_broken_pages(shared_data: Path) -> None:
    pages, read = broken_pages(shared_data, 200_000)
    assert pages >= 9 and read >= 200_000


@pytest.mark.faults
def test_ten_million_bytes_of_broken_pages(shared_data: Path) -> None:
    pages, read = broken_pages(shared_data, 10_000_000)
    print(f"\n{pages:,} broken pages of {read:,} bytes in all")
    assert read >= 10_000_000


@pytest.mark.parametrize(
    "part",
    ["<b>", "<p>x", "<div><a href=x>y", "</p>", "<title>", "<x-1>", "</x>", "<table><tr><td>", "&am", "<!--", "<p a='", "<br>x",
     "<i></p></b>", "<li><ul>", "<pre>\n", "<svg>", "<a>", "<h1>z", "<script"],
)  # fmt: skip
def test_work_grows_with_the_page(part: str) -> None:
    """Elements opened and closed, blocks and text of a page of one thing: at most what its length allows."""
    counts = []
    for times in (2_000, 4_000):
        page = (part * times).encode()
        _, here = one_page(len(page), page.count(b"<"))
        scan_page(np.frombuffer(page, np.uint8), 0, len(page), known(), here)
        counts.append(here.state[[ELEMENTS, STEPS, BLOCKS, OUT]] + 10)
    assert (counts[1] <= 2.1 * counts[0]).all()


def test_a_page_of_ten_million_bytes() -> None:
    paragraph = "<div><p class=x>Some words of a long page, one after another, <a href=y>linked</a>.</p></div>"
    page = (paragraph * (10_000_000 // len(paragraph))).encode()
    found = run(page)
    assert found.blocks[0] == 10_000_000 // len(paragraph) and len(found.text[0].as_py()) > 5_000_000
