"""JSON Lines: the strings of `json.loads`, every other line accounted for, and pieces that cover each line once."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.documents import DOCUMENT
from curate.readers import FORMATS, codecs, jsonl
from curate.readers.reader import BATCH_ROWS, Piece, ReadSettings, Tally

READER = FORMATS["jsonl"]


def read(path: Path, pieces: list[Piece] | None = None, **settings: Any) -> tuple[list[dict[str, Any]], Tally]:
    tally, rows = Tally(), []
    for piece in pieces or READER.pieces(str(path)):
        batches = list(READER.read(piece, ReadSettings("s", "jsonl", **settings), tally))
        assert all(batch.schema == DOCUMENT and batch.num_rows <= BATCH_ROWS for batch in batches)
        found = [row for batch in batches for row in batch.to_pylist()]
        assert [row["row"] for row in found] == list(range(len(found)))
        rows += found
    return rows, tally


def test_every_kind_of_line(tmp_path: Path) -> None:
    lines = [
        b'{"text": "one", "id": "a", "url": "http://e.com", "date": "2020", "title": "t", "lang": "en"}',
        b'{"text": "broken',
        b"",
        b'{"body": "no text"}',
        b'{"text": null, "id": 7}',
        b'{"text": "", "id": "a"}',
        b'{"text": 3}',
        b"[1, 2]",
        b'{"text": "a\xffb"}',
        b'{"text": "lone \\ud800 surrogate"}',
        b'{"text": "nul \\u0000 \x7f"}',
        b'{"text": "x", "n": ' + b"[" * 100_000 + b"}",
        b'  {"text": "last, without a line end"}\r',
    ]
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    rows, tally = read(path)
    assert [row["text"] for row in rows] == [
        "one", None, None, None, "", None, None, "a\ufffdb", "lone \ufffd surrogate", "nul \0 \x7f", None,
        "last, without a line end",
    ]  # fmt: skip
    assert tally.replaced == 2
    errors = [row["error"] for row in rows]
    assert [error is not None for error in errors] == [row["text"] is None for row in rows]
    assert errors[1].startswith("not JSON") and errors[2] == "no column `text`" and errors[3] == "text is null"
    assert errors[5] == "text is a number, not a string" and errors[6] == "not a JSON object but a list"
    assert [row["id"] for row in rows][:1] + [rows[3]["id"], rows[4]["id"]] == ["a", "7", "a"]
    first = {"url": "http://e.com", "date": "2020", "title": "t", "lang": "en", "source": "s", "path": str(path)}
    assert first.items() <= rows[0].items()
    stored = path.read_bytes()
    assert [stored[row["offset"] :].lstrip(b"\xef\xbb\xbf")[:5] for row in rows[1:4]] == [b'{"tex', b'{"bod', b'{"tex']


def test_other_columns_and_missing_ones(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"body": "b", "key": 5}\n{"body": "c"}\n')
    problem = READER.check(str(path), ReadSettings("s", "jsonl"))
    assert problem == "no column `text` for `text`; columns found: `body`, `key`"
    assert READER.check(str(path), ReadSettings("s", "jsonl", text="body", id="key")) is None
    assert "`uid` for `id`" in (READER.check(str(path), ReadSettings("s", "jsonl", text="body", id="uid")) or "")
    rows, _ = read(path, text="body", id="key")
    assert [row["text"] for row in rows] == ["b", "c"] and rows[0]["id"] == "5" and len(rows[1]["id"]) == 32


def test_a_json_document_is_no_json_lines(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{\n  "text": "a"\n}')
    assert "jq" in (READER.check(str(tmp_path / "x.json"), ReadSettings("s", "jsonl")) or "")
    (tmp_path / "x.json").write_text('{"text": "a"}\n', "utf-16")
    assert "iconv" in (READER.check(str(tmp_path / "x.json"), ReadSettings("s", "jsonl")) or "")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.lz4", ".jsonl.bz2", ".jsonl.xz"])
def test_compressed(tmp_path: Path, suffix: str) -> None:
    import bz2
    import lzma

    packers = {".gz": gzip.compress, ".zst": zstandard.compress, ".lz4": lz4.frame.compress}
    pack = {**packers, ".bz2": bz2.compress, ".xz": lzma.compress}.get(suffix[6:], bytes)
    lines = [json.dumps({"text": f"text {i} " * 100}).encode() + b"\n" for i in range(3000)]
    whole = b"".join(lines)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(pack(whole[: len(whole) // 2]) + pack(whole[len(whole) // 2 :]))  # two frames
    rows, _ = read(path)
    assert [row["text"] for row in rows] == [f"text {i} " * 100 for i in range(3000)]
    if suffix == ".jsonl":
        return
    assert [row["offset"] for row in rows] == list(range(3000))
    path.write_bytes(path.read_bytes()[:-20])
    rows, _ = read(path)
    assert [row["error"] is None for row in rows] == [True] * (len(rows) - 1) + [False]
    assert "lost" in rows[-1]["error"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_list_is_read_element_by_element(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None, suffix: str
) -> None:
    given = [{"text": f"text {i}, [{{\u00e9\u4e16"} for i in range(300)]
    stored = json.dumps(given, indent=indent, ensure_ascii=False).encode()
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(stored) if suffix == ".json.gz" else stored)
    for read_bytes in (1 << 20, 7):
        monkeypatch.setattr(codecs, "READ_BYTES", read_bytes)
        monkeypatch.setitem(codecs.FEED_BYTES, "gzip", read_bytes)
        rows, _ = read(path)
        assert [row["text"] for row in rows] == [row["text"] for row in given]
        assert [row["offset"] for row in rows] == list(range(300))
        assert READER.check(str(path), ReadSettings("s", "jsonl")) is None


def test_a_list_with_flaws(tmp_path: Path) -> None:
    cases = {
        b"[]": ([], 0), b'[{"text": "a"}': (["a"], 1), b'[{"text": "a"}, 3, {"text": "b"}]': (["a", "b"], 1),
        b'\xef\xbb\xbf [\n{"text": "a\xff"},\n{"text": }]': (["a\ufffd"], 1), b'[{"text": "a"} {"text": "b"}]': (["a"], 1),
        b'[{"text": "' + b"x" * 2000 + b'"},\n{"text": "b"}]': ([], 1), b"[" * 100_000: ([], 1), b"[": ([], 1),
    }  # fmt: skip
    for number, (content, (texts, errors)) in enumerate(cases.items()):
        path = tmp_path / f"{number}.json"
        path.write_bytes(content)
        rows, _ = read(path, max_document_bytes=1000)
        assert [row["text"] for row in rows if not row["error"]] == texts, content[:50]
        assert sum(row["error"] is not None for row in rows) == errors, content[:50]


def test_long_lines_are_not_held(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "' + b"x" * 5_000_000 + b'"}\n{"text": "b"}\n' + b"y" * 3_000_000)
    rows, _ = read(path, max_document_bytes=1000)
    assert [row["text"] for row in rows] == ["a", None, "b", None]
    assert "a line of 5000012 bytes" in rows[1]["error"] and "3000000" in rows[3]["error"]


def test_empty_and_unreadable(tmp_path: Path) -> None:
    for name in ("x.jsonl", "x.jsonl.gz"):
        (tmp_path / name).write_bytes(b"")
        assert read(tmp_path / name)[0] == []
        assert READER.check(str(tmp_path / name), ReadSettings("s", "jsonl")) is None
    with pytest.raises(OSError):
        read(tmp_path / "none.jsonl")


lines = st.one_of(
    st.sampled_from([b"", b" ", b"{", b"7", b"\r", b'{"text":"a"}\r']),
    st.text(max_size=30).map(lambda text: json.dumps({"text": text}).encode()),
    st.text(max_size=30).map(
        lambda text: json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ),
)


@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(lines, max_size=12), st.booleans(), st.integers(1, 60))
def test_pieces_cover_every_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[bytes], ended: bool, piece_bytes: int
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join(given) + (b"\n" if ended else b""))
    monkeypatch.setattr(jsonl, "PIECE_BYTES", piece_bytes)
    whole, _ = read(path, [Piece(str(path))])
    cut, _ = read(path)
    assert [{**row, "row": 0} for row in cut] == [{**row, "row": 0} for row in whole]
    assert len(whole) == sum(bool(line.strip()) for line in given)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.booleans())
def test_text_is_that_of_json_loads(tmp_path: Path, text: str, ascii: bool) -> None:
    line = json.dumps({"text": text}, ensure_ascii=ascii)
    path = tmp_path / "x.jsonl"
    path.write_bytes(line.encode("utf-8", "surrogatepass"))
    rows, _ = read(path)
    assert rows[0]["text"] == json.loads(line)["text"]


def test_gold(shared_data: Path) -> None:
    path = shared_data / "web_text/c4_demo_a.jsonl.gz"
    with gzip.open(path) as file:
        gold = [json.loads(line) for line in file]
    rows, _ = read(path)
    assert [(row["text"], row["id"]) for row in rows] == [(row["text"], row["id"]) for row in gold]
    assert pa.array([row["error"] for row in rows]).null_count == len(gold)
