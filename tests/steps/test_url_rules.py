"""`url_rules`: what is blocked, what is not, and that lists from files count in the fingerprint."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.documents import DOCUMENT
from curate.errors import MissingAsset
from curate.steps.url_rules import UrlRules


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
    rows = signals(urls, block_urls=["/tag/"])
    assert [row["blocked_substring"] for row in rows] == [True, False, False, False]
    assert [row["hard_words"] for row in rows] == [1, 0, 0, 0]
    assert [row["soft_words"] for row in rows] == [0, 2, 0, 0]


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
