"""Parquet and Arrow IPC: whole columns, any type of string, pieces that add up, and damage that costs its part only."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.documents import DOCUMENT
from curate.readers import FORMATS, tables
from curate.readers.reader import BATCH_BYTES, BATCH_ROWS, Piece, ReadSettings, Tally


def read(path: Path, format: str, pieces: list[Piece] | None = None, **settings: Any) -> tuple[list[Any], Tally]:
    reader, tally, rows = FORMATS[format], Tally(), []
    for piece in pieces or reader.pieces(str(path)):
        found = []
        for batch in reader.read(piece, ReadSettings("s", format, **settings), tally):
            assert batch.schema == DOCUMENT and batch.num_rows <= BATCH_ROWS
            assert batch.num_rows == 1 or batch.nbytes < 3 * BATCH_BYTES
            found += batch.to_pylist()
        assert [row["row"] for row in found] == list(range(len(found)))
        rows += found
    return rows, tally


def write(table: pa.Table, path: Path, rows: int) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=rows)
        return
    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with new(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.arrows"])
def test_rows_columns_and_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    format = "parquet" if name == "x.parquet" else "arrow"
    count = 3000
    texts = [f"text {i} " * 20 if i % 100 else None for i in range(count)]
    stamp = datetime.datetime(2020, 1, 2, 3, 4, 5)
    table = pa.table(
        {"key": range(count), "body": texts, "when": [stamp] * count, "title": ["t"] * count, "n": [[1]] * count}
    )
    path = tmp_path / name
    write(table, path, 500)
    monkeypatch.setattr(tables, "PIECE_BYTES", 100_000)
    pieces = FORMATS[format].pieces(str(path))
    assert len(pieces) == (1 if name == "x.arrows" else 6 if format == "parquet" else len(pieces)) and pieces
    assert name != "x.arrow" or len(pieces) > 2
    rows, _ = read(path, format, text="body", id="key", date="when")
    assert [row["text"] for row in rows] == texts
    assert [row["offset"] for row in rows] == list(range(count)) and [row["id"] for row in rows] == [
        str(i) for i in range(count)
    ]
    assert {row["error"] for row in rows if row["text"] is None} == {"body is null"}
    assert rows[1]["date"].startswith("2020-01-02 03:04:05") and rows[1]["title"] == "t" and rows[1]["url"] is None
    problem = FORMATS[format].check(str(path), ReadSettings("s", format))
    assert problem == "no column `text` for `text`; columns found: `body`, `key`, `n`, `title`, `when`"
    assert FORMATS[format].check(str(path), ReadSettings("s", format, text="body")) is None


@pytest.mark.parametrize(
    "type", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_types_of_text(tmp_path: Path, type: pa.DataType) -> None:
    values = ["one", "", None, "z\0\u00e9"]
    column = pa.array(
        [v and v.encode() for v in values] if type == pa.binary() else values, None if type != pa.binary() else type
    )
    path = tmp_path / "x.arrow"
    write(pa.table({"text": column.cast(type) if type != pa.binary() else column}), path, 10)
    rows, _ = read(path, "arrow")
    if type == pa.binary():
        values = ["one", "" if rows[1]["text"] == "" else None, None, "z\0\u00e9"]
    assert [row["text"] for row in rows] == values
    assert len({row["id"] for row in rows if row["text"]}) == 2


def test_a_column_that_is_no_text(tmp_path: Path) -> None:
    write(pa.table({"text": [1, 2]}), tmp_path / "x.parquet", 10)
    rows, _ = read(tmp_path / "x.parquet", "parquet")
    assert [row["error"] for row in rows] == ["text is int64, not a string"] * 2


def test_invalid_utf8_and_long_texts(tmp_path: Path) -> None:
    column = pa.array([b"a\xffb", b"fine", b"x" * 100], pa.binary())
    table = pa.table({"text": pa.Array.from_buffers(pa.string(), 3, column.buffers())})
    write(table, tmp_path / "x.arrow", 10)
    rows, tally = read(tmp_path / "x.arrow", "arrow", max_document_bytes=50)
    assert [row["text"] for row in rows] == ["a\ufffdb", "fine", None] and tally.replaced == 1
    assert rows[2]["error"] == "a document of 100 bytes, above the limit of 50"


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
def test_damage(tmp_path: Path, name: str) -> None:
    format = name[2:]
    reader, path = FORMATS[format], tmp_path / name
    path.write_bytes(b"")
    assert read(path, format)[0] == [] and reader.check(str(path), ReadSettings("s", format)) is None
    path.write_bytes(b"this is neither")
    rows, _ = read(path, format)
    assert len(rows) == 1 and rows[0]["error"].startswith("not a")
    with pytest.raises(OSError):
        read(tmp_path / f"none.{format}", format)


def test_a_broken_row_group_costs_its_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"text": [f"{i:06d}" * 50 for i in range(300)]})
    pq.write_table(table, path, row_group_size=100, compression="zstd", use_dictionary=False)
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    damaged = bytearray(path.read_bytes())
    damaged[start : start + 30] = b"\xff" * 30
    path.write_bytes(bytes(damaged))
    rows, _ = read(path, "parquet")
    assert [row["offset"] for row in rows] == [*range(100), 100, *range(200, 300)]
    assert rows[100]["error"].startswith("row group 1 cannot be read after 0 rows") and rows[101]["text"].startswith(
        "000200"
    )


def test_a_stream_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    write(pa.table({"text": ["a" * 1000] * 30}), path, 10)
    path.write_bytes(path.read_bytes()[:25_000])
    rows, _ = read(path, "arrow")
    assert [row["error"] is None for row in rows] == [True] * 20 + [False]


def test_real_parquet(shared_data: Path) -> None:
    path = shared_data / "corpus/debian_docs.parquet"
    pieces = FORMATS["parquet"].pieces(str(path))
    first = pieces[:1]
    rows, _ = read(path, "parquet", first)
    gold = pq.ParquetFile(path).iter_batches(columns=["id", "text"])
    batch = next(gold).to_pylist()
    assert [(row["id"], row["text"]) for row in rows[: len(batch)]] == [
        (row["id"], row["text"]) for row in batch[: len(rows)]
    ]
