"""Markdown: front matter to metadata, marks kept or taken out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.readers import FORMATS
from curate.readers.markdown import front_matter, without_marks
from curate.readers.reader import ReadSettings, Tally


def read(path: Path, content: str, markup: str = "keep") -> tuple[dict[str, Any], Tally]:
    path.write_text(content)
    tally = Tally()
    (piece,) = FORMATS["markdown"].pieces(str(path))
    (batch,) = FORMATS["markdown"].read(piece, ReadSettings("s", "markdown", markup=markup), tally)
    (row,) = batch.to_pylist()
    return row, tally


def test_front_matter_becomes_metadata(tmp_path: Path) -> None:
    row, _ = read(
        tmp_path / "a.md",
        "---\ntitle: A day\ndate: 2024-05-01\ntags: [x, y]\nlang: de-AT\n---\n\n# Head\n\nText *here*.\n",
    )
    assert row["text"] == "# Head\n\nText *here*.\n"
    assert (row["title"], row["date"], row["lang"]) == ("A day", "2024-05-01", "de")
    assert json.loads(row["metadata"])["tags"] == ["x", "y"]
    row, _ = read(tmp_path / "a.md", '+++\ntitle = "T"\ndraft = true\n+++\nText\n')
    assert (row["title"], row["text"], json.loads(row["metadata"])) == ("T", "Text\n", {"title": "T", "draft": True})


@pytest.mark.parametrize(
    ("content", "title", "metadata"),
    [
        ("Intro\n\n# The title #\n", "The title", None),
        ("The title\n=========\n", "The title", None),
        ("---\nnot: [closed\n---\ntext\n", None, None),
        ("---\na: &x [1]\nb: *x\n---\ntext\n", None, None),
        ("---\n\ntext between rules\n\n---\n", None, None),
        ("no front matter\n---\nmore\n", None, None),
        ("", None, None),
    ],
)
def test_what_is_no_front_matter_stays_text(tmp_path: Path, content: str, title: str | None, metadata: None) -> None:
    if not content:
        (tmp_path / "a.md").write_text("")
        assert (
            list(
                FORMATS["markdown"].read(
                    FORMATS["markdown"].pieces(str(tmp_path / "a.md"))[0], ReadSettings("s", "markdown"), Tally()
                )
            )
            == []
        )
        return
    row, _ = read(tmp_path / "a.md", content)
    assert (row["text"], row["title"], row["metadata"]) == (content, title, metadata)


def test_broken_front_matter_is_counted(tmp_path: Path) -> None:
    assert read(tmp_path / "a.md", "---\nnot: [closed\n---\ntext\n")[1].skipped == {
        "front matter that is neither YAML nor TOML": 1
    }


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("# Title\n\nSome *text* with [a link](http://x) and `code`.", "Title\n\nSome text with a link and code.\n"),
        ("- one\n- two\n  - deep\n\nAfter", "- one\n- two\n  - deep\n\nAfter\n"),
        ("3. three\n4. four", "3. three\n4. four\n"),
        ("```py\nx = 1\n```\n\n> quoted", "x = 1\n\nquoted\n"),
        ("| a | b |\n|---|---|\n| 1 | *2* |", "a\tb\n1\t2\n"),
        ("<div>\n<b>raw</b> &amp; html\n</div>\n\n![alt](p.png) ~~gone~~", "raw & html\n\nalt gone\n"),
        ("a<br>b &copy; \\* c", "ab © * c\n"),
    ],
)
def test_marks_are_taken_out(marked: str, plain: str) -> None:
    assert without_marks(marked) == plain


@given(st.text(st.sampled_from("-+ab:[]{}&*#`|<>\n\t 1."), max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read(text: str) -> None:
    front, body = front_matter(text)
    assert text.endswith(body) or front is None
    without_marks(text)
