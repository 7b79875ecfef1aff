"""`url_rules`: what is blocked, what is not, and that lists from files count in the fingerprint."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import DOCUMENT
from curate.errors import MissingAsset
from curate.steps.url_lists import MOST_CATEGORIES
from curate.steps.url_rules import UrlRules
from curate.urls import addresses


def signals(urls: list[str | None], **settings: Any) -> list[dict[str, Any]]:
    batch = pa.RecordBatch.from_pydict({"url": urls}, schema=pa.schema([DOCUMENT.field("url")]))
    rows: list[dict[str, Any]] = UrlRules(**settings).process(batch)["url_rules"].to_pylist()
    return rows


@pytest.mark.parametrize(
    ("url", "blocked"),
    [
        ("http://b.com/x", True),
        ("https://a.B.com:8080/", True),
        ("https://user:b@c.d.b.com", True),
        ("//b.com./x", True),
        ("b.com/path", True),
        ("http://ab.com/", False),
        ("http://b.com.au/", False),
        ("http://x.org/b.com", False),
        ("http://[::1]:80/b.com", False),
        ("", False),
        (None, False),
    ],
)
def test_domains(url: str | None, blocked: bool) -> None:
    assert signals([url], block_domains=["B.com "])[0]["blocked_domain"] is blocked


def test_substrings_and_words() -> None:
    urls = ["http://x.org/Tag/porn-star", "http://x.org/adult/teen_education", "http://essex.ac.uk/sussex", None]
    rows = signals(urls, block_urls=["/Tag/"])
    assert [row["blocked_substring"] for row in rows] == [True, False, False, False]
    assert [row["hard_words"] for row in rows] == [1, 0, 0, 0]
    assert [row["soft_words"] for row in rows] == [0, 2, 0, 0]


def test_our_lists() -> None:
    urls = [
        "http://x.org/auckland-transport",
        "http://myxhamsterclub.com/",
        "http://x.org/sex-adult",
        "http://x.org/Fuck",
    ]
    rows = signals(urls)
    assert [row["blocked_substring"] for row in rows] == [False, True, False, False]
    assert [(row["hard_words"], row["soft_words"]) for row in rows] == [(0, 0), (0, 0), (0, 2), (1, 0)]


def test_our_lists_block_no_page_of_the_real_data(shared_data: Path) -> None:
    urls = []
    for name in ("article_extraction_benchmark_a", "trafilatura_eval_a", "debian_handbook"):
        with gzip.open(shared_data / f"html/{name}.jsonl.gz", "rt") as file:
            urls += [json.loads(line)["url"] for line in file]
    rows = signals(urls)
    assert len(rows) > 300
    assert not [url for url, row in zip(urls, rows, strict=True) if row["blocked_substring"] or row["hard_words"]]
    assert max(row["soft_words"] for row in rows) < 2


def lists(folder: Path, **files: dict[str, str]) -> str:
    """A folder of categories."""
    for category, kinds in files.items():
        (folder / "lists" / category).mkdir(parents=True)
        for kind, text in kinds.items():
            content = text.encode()
            (folder / "lists" / category / kind).write_bytes(
                gzip.compress(content) if kind.endswith(".gz") else content
            )
    (folder / "lists" / "LICENSE").write_text("CC BY-SA")
    return str(folder / "lists")


def test_categories(tmp_path: Path) -> None:
    folder = lists(
        tmp_path,
        adult={
            "domains": "Bad.com\nb\u00fccher.de\r\n1.2.3.4\n*.star.net.\n",
            "urls": "ok.com/~bad\nwww.p.com/x/?b=1&a=2",
        },
        games={"domains.gz": "bad.com\n# games.com\nplay.bad.com", "usage": "black"},
        empty={"domains": ""},
    )
    cases = {
        "http://bad.com": "adult,games", "https://a.play.BAD.com:8080/x": "adult,games", "http://notbad.com/": "",
        "http://xn--bcher-kva.de/": "adult", "http://B\u00fccher.de/a": "adult", "http://1.2.3.4/": "adult",
        "http://star.net": "adult", "http://games.com": "", "http://ok.com/~bad": "adult", "http://ok.com/%7Ebad/x": "adult",
        "http://www.ok.com/~bad?x": "adult", "http://ok.com/~badly": "", "http://ok.com/": "", "http://p.com/x?a=2&b=1": "adult",
        "http://p.com/x?a=2": "", "http://www.sub.ok.com/~bad": "", "mailto:a@bad.com": "", "": "",
    }  # fmt: skip
    assert [row["category"] for row in signals([*cases], block_lists=folder)] == [*cases.values()]
    assert [row["category"] for row in signals([*cases], block_lists=folder, categories=["games"])] == [
        "games" if "games" in names else "" for names in cases.values()
    ]
    allowed = signals(["http://play.bad.com", "http://bad.com"], block_lists=folder, allow_domains=["play.bad.com"])
    assert [row["category"] for row in allowed] == ["", "adult,games"]
    step = UrlRules(block_lists=folder, categories=["adult"])
    assert step.rule_table()["category"] == "url_rules.category = ''"
    assert "category" not in UrlRules(block_lists=folder, drop_categories=False).rule_table()
    before = step.fingerprint()
    assert {"adult/domains", "adult/urls"} <= set(before["assets"]) and "games/domains" not in before["assets"]
    (tmp_path / "lists" / "adult" / "urls").write_text("other.com/\n")
    assert step.fingerprint() != before


@pytest.mark.parametrize(
    ("given_settings", "what"),
    [
        ({"block_lists": "{}/nowhere"}, "holds no block lists"),
        ({"block_lists": "{}/lists", "categories": ["adult", "advlt"]}, "no category advlt"),
        ({"block_lists": "{}/many"}, f"more than {MOST_CATEGORIES}"),
        ({"block_words": ["live-sex"]}, "no words: live-sex"),
    ],
)
def test_mistakes_are_told_before_any_work(given_settings: dict[str, Any], what: str, tmp_path: Path) -> None:
    lists(tmp_path, adult={"domains": "a.com"})
    for i in range(MOST_CATEGORIES + 1):
        (tmp_path / "many" / f"c{i}").mkdir(parents=True)
        (tmp_path / "many" / f"c{i}" / "urls").write_text("a.com/x")
    step = UrlRules(**given_settings)
    step = step.model_copy(update={"block_lists": step.block_lists.format(tmp_path)})
    with pytest.raises(MissingAsset, match=what):
        step.assets()


PARTS = ["http://", "https://", "a", "b.com", ".", "x", "co.uk", "/", "?", "y=1", "&", "z", "www.", ":80", "#"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(PARTS), max_size=9).map("".join), min_size=1, max_size=5),
    st.lists(st.sampled_from(["b.com", "a.b.com", "co.uk", "x.co.uk", "www.b.com", "z"]), max_size=3),
)
def test_domains_equal_a_twin(urls: list[str], domains: list[str]) -> None:
    hosts = addresses(pa.array(urls)).host.to_pylist()
    expected = [any(f".{host}".endswith(f".{domain}") for domain in domains) for host in hosts]
    assert [row["blocked_domain"] for row in signals([*urls], block_domains=domains)] == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from("abZ9é-_/.")), max_size=4))
def test_words_equal_a_twin(urls: list[str]) -> None:
    hard, soft = {"ab", "z"}, {"a", "ab", "99"}
    words = [re.findall("[a-z0-9]+", "".join(c.lower() if c.isascii() else " " for c in url)) for url in urls]
    rows = signals([*urls], block_words=sorted(hard), suspect_words=sorted(soft))
    assert [row["hard_words"] for row in rows] == [sum(word in hard for word in found) for found in words]
    assert [row["soft_words"] for row in rows] == [sum(word in soft for word in found) for found in words]


def test_rules() -> None:
    assert UrlRules().rule_table() == {
        "blocked_domain": "NOT url_rules.blocked_domain",
        "blocked_substring": "NOT url_rules.blocked_substring",
        "hard_words": "url_rules.hard_words <= 0",
        "soft_words": "url_rules.soft_words <= 1",
    }
    step = UrlRules.model_validate({"as": "u", "blocked_domain": False, "soft_words": False, "hard_words": {"max": 2}})
    assert step.rule_table() == {"blocked_substring": "NOT u.blocked_substring", "hard_words": "u.hard_words <= 2"}


def test_lists_from_files(tmp_path: Path) -> None:
    path = tmp_path / "domains.txt.gz"
    path.write_bytes(gzip.compress(b"# ours\nb.com  # why\n\nc.com\n"))
    rows = signals(["http://c.com", "http://d.com", "http://www.b.com"], block_domains=str(path))
    assert [row["blocked_domain"] for row in rows] == [True, False, True]
    before = UrlRules(block_domains=str(path)).fingerprint()
    path.write_bytes(gzip.compress(b"d.com\n"))
    assert UrlRules(block_domains=str(path)).fingerprint() != before


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match="no_such_list"):
        UrlRules(block_urls=str(tmp_path / "no_such_list")).assets()
