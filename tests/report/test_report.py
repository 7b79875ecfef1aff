"""The report and the card of real versions: every section, hostile text, nothing kept, the same bytes twice."""

from __future__ import annotations

import copy
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from corpora import documents, manifest, pipeline, run_ok, write_jsonl

from curate.report.card import write_card
from curate.report.page import write_report
from curate.report.query import records
from curate.report.texts import texts

STEPS = (
    "[{quality: {word_count: {min: 40}}}, {repetition: {rules: ['repetition.char_count > 9 OR "
    "repetition.dup_line_frac < 2']}}, exact_dedup, minhash]"
)
HOSTILE = "</pre><script>alert(1)</script><img src=http://example.org/x onerror=alert(2)>\x00\u202e & <b>" + " short"
VOID = {"meta", "br", "img", "link"}


class Page(HTMLParser):
    """Which elements a page has, and whether each is closed where it must be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run over duplicates, short documents, hostile ones and broken lines."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "0.jsonl", documents(1, 120))
    hostile = [{"id": "<i>&", "text": HOSTILE + str(i)} for i in range(4)]
    path = write_jsonl(folder / "in" / "1.jsonl", hostile)
    path.write_text(path.read_text() + '{"id": broken 17\n{"id": broken 23\n')
    run_ok(pipeline(folder, STEPS, output="{path: out, quarantine_limit: 50%}"), "--workers", 1)
    return folder / "out"


@pytest.fixture(scope="module")
def page(out: Path) -> str:
    return (out / "report.html").read_text(encoding="utf-8")


def plain(page: str) -> str:
    """The words of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_page_is_well_formed_and_loads_and_runs_nothing(page: str) -> None:
    found = Page(page)
    assert not found.tags & {"script", "img", "iframe", "object", "embed", "base", "form", "a\x00"}
    assert not {name for name in found.attributes if name.startswith("on")} | (found.attributes & {"src", "srcset"})
    assert "default-src 'none'" in page and not re.search(r"url\(|@import|<link", page)
    assert "&lt;script&gt;alert(1)" in page and "\u202e" not in page and "\x00" not in page


def test_the_page_tells_the_counts_of_the_manifest(page: str, out: Path) -> None:
    facts, words = manifest(out), plain(page)
    for name in ("in", "kept", "dropped", "quarantined"):
        assert f"{facts['documents'][name]:,} " in words
    for step in facts["steps"]:
        assert f"{step['in']:,} in, {step['out']:,} out" in words
    for rule in facts["rules"]:
        assert rule["sql"].split()[0] in words
    steps = {step["name"]: step for step in facts["steps"]}
    assert f"{steps['quality']['rules']['word_count']:,} fail" in words
    for anchor in ("steps", "rules", "signals", "duplicates", "languages", "sources", "quarantine", "skipped", "speed"):
        assert f'<section id="{anchor}">' in page and f'href="#{anchor}"' in page


def test_examples_show_place_signal_and_text(page: str) -> None:
    rule = page[page.index("quality.word_count &gt;= 40") :]
    example = rule[rule.index('<div class="example') : rule.index("</div>", rule.index('<div class="example'))]
    assert re.search(r"in/[01]\.jsonl:\d+", example)
    assert re.search(r"quality\.word_count</code> = <b>\d+</b>", example)
    assert re.search(r'<pre dir="auto">.{5,}', example)


def test_duplicates_show_the_kept_document_and_like_errors_are_one_line(page: str) -> None:
    cluster = page[page.index('<section id="duplicates">') : page.index('<section id="languages">')]
    assert "exact_dedup" in cluster and "minhash" in cluster
    assert "· kept" in cluster and "dropped, similarity 1<" in cluster and "dropped, similarity 0.9" in cluster
    quarantine = page[page.index('<section id="quarantine">') : page.index('<section id="skipped">')]
    assert quarantine.count("<tr>") == 2 and quarantine.count("in/1.jsonl:") == 2


def test_the_same_ledger_gives_the_same_bytes(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out / "ledger", tmp_path / "ledger")
    write_report(tmp_path, manifest(out), out / ".store")
    assert (tmp_path / "report.html").read_bytes() == (out / "report.html").read_bytes()
    write_card(tmp_path, manifest(out))
    assert (tmp_path / "README.md").read_bytes() == (out / "README.md").read_bytes()


def test_texts_are_found_until_they_are_collected(out: Path, tmp_path: Path) -> None:
    facts = manifest(out)
    with records(out, facts) as ledger:
        assert ledger is not None
        rows = ledger.query("SELECT id, unit, row FROM ledger WHERE fate <> 'quarantined' ORDER BY id")
        broken = ledger.query("SELECT unit, row FROM ledger WHERE fate = 'quarantined'")
    places = [(row["unit"], row["row"]) for row in rows]
    found = texts(out / ".store", facts, places)
    given = {row["id"]: row["text"] for row in documents(1, 120)}
    assert len(found) == len(places) == 124
    assert all(found[row["unit"], row["row"]] == given[row["id"]] for row in rows if row["id"] in given)
    assert texts(out / ".store", facts, [(row["unit"], row["row"]) for row in broken]) == {}
    assert texts(tmp_path, facts, places) == {}
    shutil.copytree(out / "ledger", tmp_path / "ledger")
    write_report(tmp_path, facts, tmp_path / "nowhere")
    assert "no longer in the store" in (tmp_path / "report.html").read_text()


def front(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    return loaded


def test_the_card_says_what_the_hub_asks_for(out: Path) -> None:
    facts = front(out)
    assert facts["size_categories"] == ["n<1K"] and facts["task_categories"] == ["text-generation"]
    assert facts["configs"][0]["data_files"] == [{"split": "train", "path": "shards/*.arrow"}]
    card = (out / "README.md").read_text()
    assert all(f"`{name}`" in card for name in ("id", "text", "quality.word_count", "repetition.dup_line_frac"))
    assert manifest(out)["fingerprint"] in card and "no step looked for personal data" in card


@pytest.mark.parametrize(
    ("kept", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**9, "1B<n<10B"), (10**13, "n>1T")],
)
def test_size_category_is_one_of_the_hub(out: Path, tmp_path: Path, kept: int, category: str) -> None:
    facts = copy.deepcopy(manifest(out))
    facts["documents"]["kept"] = kept
    write_card(tmp_path, facts)
    assert front(tmp_path)["size_categories"] == [category]


@pytest.mark.parametrize("name", ["polars", "pyarrow", "duckdb", "datasets"])
def test_the_loading_lines_of_the_card_work(
    out: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip(name)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.chdir(out)
    lines = re.search(rf"With {name}:\n\n```python\n(.*?)```", (out / "README.md").read_text(), re.DOTALL)
    assert lines
    scope: dict[str, Any] = {}
    exec(lines[1], scope)
    if name == "datasets":
        assert scope["data"].num_rows == manifest(out)["documents"]["kept"]


def test_languages_are_named_from_a_share_on(out: Path, tmp_path: Path) -> None:
    facts = copy.deepcopy(manifest(out))
    write_card(tmp_path, facts | {"languages": None})
    assert "language" not in front(tmp_path)
    rare = {"en": {"in": 900, "kept": 100}, "unknown": {"in": 5, "kept": 4}, "de": {"in": 9, "kept": 0}}
    write_card(tmp_path, facts | {"languages": rare})
    assert front(tmp_path)["language"] == ["en"]


@pytest.mark.parametrize(
    ("rows", "steps"),
    [
        ([], "[normalize]"),
        ([{"id": "a", "text": "short"}], "[{quality: {word_count: {min: 9}}}]"),
        ([{"id": "a", "text": ""}, {"id": "b", "text": "kept as it is"}], "[normalize]"),
    ],
    ids=["no documents", "none kept", "no rules"],
)
def test_little_or_nothing_to_report(tmp_path: Path, rows: list[dict[str, Any]], steps: str) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "0.jsonl", rows)
    run_ok(pipeline(tmp_path, steps), "--workers", 1)
    words = plain((tmp_path / "out" / "report.html").read_text())
    assert f"{len(rows)} documents read" in words and "Every document could be read" in words
    Page((tmp_path / "out" / "report.html").read_text())
    shown = (tmp_path / "out" / "README.md").read_text()
    assert ("no shard to load" in shown) == (manifest(tmp_path / "out")["documents"]["kept"] == 0)
