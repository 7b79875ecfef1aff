"""Passages that documents share: kernels against slow twins, both steps against dicts, and in pipelines."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import pipeline, run_ok, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.boilerplate import SiteBoilerplate
from curate.dedup.memory import resolve_here
from curate.dedup.paragraphs import ParagraphDedup
from curate.dedup.passages import PassageStep
from curate.documents import document_batch
from curate.kernels.passages import cut_spans, passage_keys, passages_of
from curate.text import buffers
from curate.work import with_findings

LINES = st.sampled_from(
    ["Home", "home!", "  ", "", "About us", "Seite 12", "seite 34", "Ünder", "under", "...", "x", "y z"]
)
TEXTS = st.lists(st.lists(LINES, max_size=6).map("\n".join), max_size=8)


def normal(line: str) -> str:
    """The normal form, character by character."""
    kept = []
    for char in line:
        for part in unicodedata.normalize("NFD", char.lower()):
            if char.isspace():
                kept.append(" ")
            elif part.isdecimal():
                kept.append("0")
            elif unicodedata.combining(part) <= 9 and (part.isalnum() or unicodedata.category(part)[0] == "M"):
                kept.append(part)
    return " ".join("".join(kept).split(" ")).strip()


def forms(text: str) -> list[str]:
    return [" ".join(normal(line).split()) for line in text.split("\n") if line.strip()]


@given(st.lists(st.text(max_size=30), max_size=5))
@settings(max_examples=150, deadline=None)
def test_equal_keys_mean_equal_normal_forms(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    found = passages_of(data, offsets, blocks=False)
    keys, sizes = passage_keys(data, found)
    wanted = [form for text in texts for form in forms(text)]
    assert np.diff(found.first).tolist() == [len(forms(text)) for text in texts]
    by_form: dict[str, int] = {}
    for form, key, size in zip(wanted, keys.tolist(), sizes.tolist(), strict=True):
        assert (key == 0) == (form == "") and size == len(form.replace(" ", ""))
        assert by_form.setdefault(form, key) == key
    assert len(set(by_form.values())) == len(by_form)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Café  du Monde, 1999", "cafe du monde 2024", True),
        ("• Straße:", "straße", True),
        ("C++", "C", True),
        ("किताब", "कताब", False),  # a vowel sign is no accent
        ("पढ़ना", "पढना", False),  # nor is a nukta
        ("がく", "かく", False),
        ("شُكْرًا", "شكرا", True),
        ("ab", "a b", False),
    ],
)
def test_what_is_alike(one: str, other: str, same: bool) -> None:
    data, offsets = buffers(pa.array([one, other]))
    first, second = passage_keys(data, passages_of(data, offsets, blocks=False))[0]
    assert bool(first == second) is same


@pytest.mark.parametrize(
    ("text", "cut", "left"),
    [
        ("a\nX\nb", {1}, "a\nb"),
        ("a\n\nX\n\nb", {1}, "a\n\nb"),
        ("a\nX\n\nb", {1}, "a\n\nb"),
        ("a\n\nX\nb\n", {1}, "a\n\nb\n"),
        ("X\n\nb", {0}, "b"),
        ("a\n\nX", {1}, "a"),
        ("a\n\nX\n\nY\n", {1, 2}, "a\n"),
        ("a\nX\n\nY\n\nb", {1, 2}, "a\n\nb"),
        ("\n\nX\n \n", {0}, ""),
        ("X\nY", {0, 1}, ""),
        ("a\n\n\nb", set(), "a\n\n\nb"),
    ],
)
def test_a_cut_leaves_no_gap(text: str, cut: set[int], left: str) -> None:
    data, offsets = buffers(pa.array(["", text, "z"]))
    found = passages_of(data, offsets, blocks=False)
    marked = np.zeros(len(found.start), bool)
    marked[list(cut)] = True
    spans = cut_spans(data, offsets, found, marked)
    raw, kept, at = text.encode(), b"", 0
    for start, stop in zip(spans.start.tolist(), spans.stop.tolist(), strict=True):
        assert at <= start <= stop <= len(raw)
        kept += raw[at:start]
        at = stop
    assert (kept + raw[at:]).decode() == left


@given(st.text(st.sampled_from("a \n\u2003é"), max_size=40), st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_not_cut_stays_whole(text: str, data: st.DataObject) -> None:
    for blocks in (False, True):
        raw, offsets = buffers(pa.array([text]))
        found = passages_of(raw, offsets, blocks=blocks)
        marked = np.array(
            data.draw(st.lists(st.booleans(), min_size=len(found.start), max_size=len(found.start))), bool
        )
        spans = cut_spans(raw, offsets, found, marked)
        kept = bytearray(text.encode())
        edges = list(zip(spans.start.tolist(), spans.stop.tolist(), strict=True))
        assert all(0 <= a <= b <= len(kept) for a, b in edges) and edges == sorted(edges)
        for a, b in reversed(edges):
            del kept[a:b]
        pieces = [bytes(raw[a:b]).decode() for a, b in zip(found.start, found.stop, strict=True)]
        left = [piece for piece, gone in zip(pieces, marked, strict=True) if not gone]
        again = [line for line in kept.decode().split("\n") if line.strip()]
        assert again == [line for piece in left for line in piece.split("\n")]


def run(step: PassageStep, units: list[list[str]], urls: list[list[str]], memory: int) -> list[list[dict[str, Any]]]:
    """What becomes of the texts of each unit: the row of the step's signals, and `text`."""
    batches = [
        document_batch(
            [{"row": i, "id": str(i), "text": t, "url": u} for i, (t, u) in enumerate(zip(*unit, strict=True))]
        )
        for unit in zip(units, urls, strict=True)
    ]
    tables = [pa.table({"row": batch["row"], **dict(step.collect(batch))}) for batch in batches]
    found = resolve_here(step, tables, lambda *_: pa.nulls(0), {}, memory)
    rows = []
    for batch, table in zip(batches, found, strict=True):
        done = step.process(with_findings(batch, table))
        rows.append(
            [{"text": t, **s} for t, s in zip(done["text"].to_pylist(), done[step.name].to_pylist(), strict=True)]
        )
    return rows


@given(
    st.lists(TEXTS, max_size=4), st.sampled_from(["first", "none"]), st.integers(2, 4), st.sampled_from([1, 1 << 30])
)
@settings(max_examples=75, deadline=None)
def test_paragraph_dedup_agrees_with_a_dict(units: list[list[str]], keep: str, least: int, memory: int) -> None:
    step = ParagraphDedup.model_validate({"keep": keep, "min_copies": least})
    counts = Counter(form for texts in units for text in texts for form in forms(text) if form)
    seen: set[str] = set()
    done = run(step, units, [[""] * len(texts) for texts in units], memory)
    for texts, rows in zip(units, done, strict=True):
        for text, row in zip(texts, rows, strict=True):
            lines, want_cut, want_left = [line for line in text.split("\n") if line.strip()], [], []
            for line, form in zip(lines, forms(text), strict=True):
                gone = counts[form] >= least and (keep == "none" or form in seen)
                (want_cut if gone else want_left).append(line)
                seen.add(form)
            assert row["cut"] == want_cut
            assert [line for line in row["text"].split("\n") if line.strip()] == want_left
            assert row["removed"] == len(want_cut) and row["passages"] == len(lines)
            assert row["chars_left"] == len(row["text"]) and row["chars_removed"] == len(text) - len(row["text"])
            if not want_cut:
                assert row["text"] == text
            assert row["copies"] == [counts[" ".join(normal(line).split())] for line in want_cut]


@given(
    st.lists(st.lists(st.tuples(TEXTS.map("\n".join), st.integers(0, 2)), max_size=8), max_size=3),
    st.sampled_from([1, 1 << 30]),
)
@settings(max_examples=75, deadline=None)
def test_site_boilerplate_agrees_with_a_dict(pages: list[list[tuple[str, int]]], memory: int) -> None:
    step = SiteBoilerplate.model_validate({"min_pages": 2, "min_share": "40%", "site": "host"})
    hosts = ["", "a.example.org", "b.example.org"]
    size = Counter(site for unit in pages for _, site in unit)
    holds = Counter((site, form) for unit in pages for text, site in unit for form in set(forms(text)))
    urls = [[hosts[s] and f"https://{hosts[s]}/{i}" for i, (_, s) in enumerate(unit)] for unit in pages]
    done = run(step, [[text for text, _ in unit] for unit in pages], urls, memory)
    for unit, rows in zip(pages, done, strict=True):
        for (text, site), row in zip(unit, rows, strict=True):
            lines = [line for line in text.split("\n") if line.strip()]
            need = max(2, -(-size[site] * 4 // 10))
            assert row["cut"] == [
                line
                for line, form in zip(lines, forms(text), strict=True)
                if form and site and holds[site, form] >= need
            ]


def test_a_site_loses_its_menu_and_another_keeps_the_same_line(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    menu, footer = "Home | About | Contact", "© 2024 Example Ltd. All rights reserved."
    rows = [
        {
            "id": f"{site}{i}",
            "url": f"https://{site}.example.org/{i}",
            "text": f"{menu}\n\nStory {chr(97 + i)} of {site}.\n\n{footer}",
        }
        for site, count in (("big", 20), ("small", 2))
        for i in range(count)
    ]
    for part in range(2):
        write_jsonl(tmp_path / "in" / f"{part}.jsonl", rows[part::2])
    file = pipeline(tmp_path, "[{site_boilerplate: {chars_removed_frac: {max: 0.95}}}]")
    run_ok(file)
    shards = pl.concat([pl.read_ipc(f) for f in sorted((tmp_path / "out/shards").glob("*.arrow"))])
    by_id = {row["id"]: row for row in shards.iter_rows(named=True)}
    assert len(by_id) == 22
    assert by_id["big3"]["text"] == "Story d of big."
    found = by_id["big3"]["site_boilerplate"]
    assert found["cut"] == [menu, footer] and found["copies"] == [20, 20] and found["removed"] == 2
    assert by_id["small1"]["text"].startswith(menu) and by_id["small1"]["site_boilerplate"]["cut"] == []


def test_a_document_of_repeated_paragraphs_is_dropped_and_the_threshold_reads_no_text_again(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(
        tmp_path / "in" / "a.jsonl",
        [
            {"id": str(i), "text": text}
            for i, text in enumerate(["One here.\nTwo.", "two!", "Three\nONE, HERE", "Four"])
        ],
    )
    run_ok(pipeline(tmp_path, "[paragraph_dedup]"))
    ledger = pl.read_parquet(tmp_path / "out/ledger/*.parquet").sort("id")
    assert ledger["fate"].to_list() == ["kept", "dropped", "kept", "kept"]
    assert ledger["rule"].to_list()[1] == ["chars_left"]
    assert ledger["paragraph_dedup"].to_list()[1]["cut"] == ["two!"]
    run_ok(pipeline(tmp_path, "[{paragraph_dedup: {min_copies: 3}}]"))
    assert pl.read_parquet(tmp_path / "out/ledger/*.parquet")["fate"].to_list() == ["kept"] * 4


def test_conversations_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    talk = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "How can I help?"}]
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": str(i), "messages": talk} for i in range(3)])
    run_ok(pipeline(tmp_path, "[paragraph_dedup]", inputs="[{name: a, path: in, chat: auto}]"))
    ledger = pl.read_parquet(tmp_path / "out/ledger/*.parquet")
    assert ledger["fate"].to_list() == ["kept"] * 3
    assert ledger["paragraph_dedup"].struct.field("removed").to_list() == [0] * 3
