"""`robots`: what headers and pages say, that an HTML parser sees the same tags, and a run from a WARC file."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from corpora import curate, manifest, run_ok
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import document_batch
from curate.steps.robots import Robots, metas


def said(page: str | bytes | None, header: str | None = None, **options: Any) -> str:
    content = page.encode() if isinstance(page, str) else page
    batch = document_batch([{"row": 0, "content": content, "directives": header}], raw=True)
    row = Robots(**options).process(batch)["robots"][0].as_py()
    found: str = row["directives"]
    assert [name for name in ("noindex", "noarchive", "noai") if row[name]] == [
        name for name in ("noindex", "noarchive", "noai") if name in found.split(", ")
    ]
    assert row["tdm_reserved"] == ("tdm-reservation: 1" in found)
    return found


@pytest.mark.parametrize(
    ("page", "header", "expected"),
    [
        ('<meta name="robots" content="NOAI, noimageai">', None, "noai, noimageai"),
        ("<META CONTENT=none NAME=Robots>", None, "nofollow, noindex"),
        ("<meta name='robots' content='index, all'>", None, "index"),
        ("<meta name=robots content=noindex><meta name=robots content=noai/>", None, "noai/, noindex"),
        ("", "x-robots-tag: noindex, noarchive\nx-robots-tag: noai", "noai, noarchive, noindex"),
        ("", "x-robots-tag: otherbot: noai, noindex", ""),
        ("", "x-robots-tag: GPTBot: noai", "noai"),
        ("", "x-robots-tag: max-snippet: 0, noai", "max-snippet: 0, noai"),
        ('<meta name="gptbot" content="noai"><meta name=other content="noindex">', None, "noai"),
        ('<meta name="tdm-reservation" content=" 1 ">', None, "tdm-reservation: 1"),
        ("", "tdm-reservation: 1\ntdm-policy: https://a.com/P", "tdm-policy: https://a.com/p, tdm-reservation: 1"),
        ("", "tdm-reservation: 0", "tdm-reservation: 0"),
        ('<!-- <meta name="robots" content="noai"> -->', None, ""),
        ("<script>'<meta name=robots content=noai>'</script>", None, ""),
        ('<meta name="robots" content="no&#97;i"', None, ""),
        ('<meta name="robots" content="no&#97;i">', None, "noai"),
        ("robots", None, ""),
        (None, None, ""),
    ],
)
def test_directives(page: str | None, header: str | None, expected: str) -> None:
    assert said(page, header, agents=["GPTBot"]) == expected


def test_utf_16() -> None:
    assert said("\ufeff<meta name=robots content=noai>".encode("utf-16-le")) == "noai"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"<meta ", b'"', b"'", b">", b"<!--", b"-->", b"<script", b"</script", b"name=robots",
                                 b" content=", b"noai", b"\xff", b"="]), max_size=30).map(b"".join))  # fmt: skip
def test_any_bytes(page: bytes) -> None:
    """Nothing is said that does not stand there, and nothing behind a tag unsays it."""
    found = said(page)
    assert "noai" not in found or (b"noai" in page and b"name=robots" in page)
    assert "noai" in said(b"<meta name=robots content=noai>" + page)


def test_a_hostile_page_ends() -> None:
    for part in (b'<meta "', b"<meta '>", b"<!--", b"<script>", b"<meta name=robots ", b"<meta " + b"a" * 7000 + b">"):
        assert said(b"robots" + part * 300) == ""


def test_a_parser_sees_the_same_tags(shared_data: Path) -> None:
    from resiliparse.parse.html import HTMLTree

    seen = 0
    for name in ("article_extraction_benchmark_a", "readability_pages_a", "trafilatura_eval_a"):
        with gzip.open(shared_data / f"html/{name}.jsonl.gz", "rt") as file:
            for line in file:
                page = json.loads(line)["html"]
                tags = HTMLTree.parse(page).document.query_selector_all("meta[name]")
                expected = [tag.getattr("content") or "" for tag in tags if tag.getattr("name").lower() == "robots"]
                found = [content for name, content in metas(page.encode(), ("robots",)) if name == "robots"]
                assert found == expected
                seen += len(found)
    assert seen > 50


def _warc(path: Path) -> None:
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    pages = [
        ([("X-Robots-Tag", "noarchive"), ("x-robots-tag", "noai")], b"<p>One page of some words.</p>"),
        ([("TDM-Reservation", "1")], b"<p>Another page of some words.</p>"),
        ([], b"<meta name=robots content=noindex><p>A third page of some words.</p>"),
    ]
    with open(path, "wb") as file:
        writer = WARCWriter(file, gzip=True)
        for i, (headers, body) in enumerate(pages):
            http = StatusAndHeaders("200 OK", [("Content-Type", "text/html"), *headers], protocol="HTTP/1.1")
            record = writer.create_warc_record(f"http://a.com/{i}", "response", io.BytesIO(body), http_headers=http)
            writer.write_record(record)


def test_a_run_from_an_archive(tmp_path: Path) -> None:
    pytest.importorskip("warcio")
    _warc(tmp_path / "a.warc.gz")
    steps = "[url_rules, {robots: {refuse: [noai, noarchive, tdm_reserved]}}, extract]"
    file = tmp_path / "p.yaml"
    file.write_text(
        f"name: r\ninputs: [{{name: w, path: a.warc.gz}}]\nsteps: {steps}\noutput: {{path: out, quarantine_limit: 0%}}\n"
    )
    run_ok(file)
    assert manifest(tmp_path / "out")["documents"]["kept"] == 1
    rules = "SELECT url, array_to_string(rule, '+') AS rule FROM ledger ORDER BY url"
    shown = curate("sql", tmp_path / "out", rules).stdout
    assert "noarchive+noai" in shown or "noai+noarchive" in shown
    assert "tdm_reserved" in shown
    file.write_text(file.read_text().replace(steps, "[extract, robots]"))
    wrong = curate("check", file)
    assert wrong.returncode == 2 and "put `robots` before `extract`" in wrong.stderr + wrong.stdout
