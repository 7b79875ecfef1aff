"""Hugging Face datasets on disk, written by the library itself: saved ones, dictionaries of splits, the cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from corpora import pipeline, run_ok, write_jsonl

from curate.config import load
from curate.errors import ConfigError
from curate.inputs import find_files
from curate.plan import Part, Unit
from curate.readers import FORMATS
from curate.readers.arrow import ArrowIpc
from curate.readers.hf_dataset import dataset_files
from curate.readers.reader import Piece, ReadSettings, Tally
from curate.reading import read_unit

datasets = pytest.importorskip("datasets")


def made(count: int, name: str) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": [f"{name} {i}" for i in range(count)], "label": list(range(count))})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hf")
    splits = datasets.DatasetDict({"train": made(50, "train"), "test": made(5, "test")})
    splits.save_to_disk(str(root / "dict"), num_shards={"train": 3, "test": 1})
    made(7, "one").select([5, 1]).save_to_disk(str(root / "one"))
    write_jsonl(root / "x.jsonl", [{"text": f"cached {i}"} for i in range(9)])
    loaded = datasets.load_dataset(
        "json", data_files={"validation": str(root / "x.jsonl")}, cache_dir=str(root / "cache")
    )
    loaded["validation"].map(lambda row: {"text": row["text"] + " derived"})
    return root


def texts(path: str) -> list[str]:
    rows = []
    for piece in ArrowIpc().pieces(path):
        for batch in ArrowIpc().read(piece, ReadSettings("s", "arrow"), Tally()):
            rows += batch["text"].to_pylist()
    return rows


def test_files_by_split(folder: Path) -> None:
    found = dataset_files(str(folder / "dict"))
    assert [file.split for file in found] == ["train"] * 3 + ["test"]
    assert [text for file in found for text in texts(file.path)] == [f"train {i}" for i in range(50)] + [
        f"test {i}" for i in range(5)
    ]
    assert [text for file in dataset_files(str(folder / "one")) for text in texts(file.path)] == ["one 5", "one 1"]
    (cached,) = dataset_files(str(folder / "cache"))
    assert cached.split == "validation" and texts(cached.path) == [f"cached {i}" for i in range(9)]
    (folder / "plain").mkdir(exist_ok=True)
    assert dataset_files(str(folder / "plain")) == []


@pytest.mark.parametrize(("option", "kept", "splits"), [(", split: [test, train]", 55, {"train", "test"})])
def test_a_pipeline_reads_splits(folder: Path, tmp_path: Path, option: str, kept: int, splits: set[str]) -> None:
    file = pipeline(
        tmp_path, "[normalize]", inputs=f"[{{name: d, path: {folder / 'dict'}, metadata: [label]{option}}}]"
    )
    assert run_ok(file)["documents"]["kept"] == kept
    shards = [pa.ipc.open_file(str(f)).read_all() for f in sorted((tmp_path / "out/shards").glob("*.arrow"))]
    found = [json.loads(value) for shard in shards for value in shard["metadata"].to_pylist()]
    assert {row["split"] for row in found} == splits and all("label" in row for row in found)


def test_splits_are_chosen_and_one_that_is_not_there_is_told(folder: Path, tmp_path: Path) -> None:
    def entry(split: str) -> str:
        file = pipeline(tmp_path, "[normalize]", inputs=f"[{{name: d, path: {folder / 'dict'}, split: {split}}}]")
        return str(file)

    assert [file.settings.split for file in find_files(load(entry("test")))] == ["test"]
    with pytest.raises(ConfigError, match="no split `dev`(.|\n)*splits found: test, train"):
        find_files(load(entry("dev")))


def test_a_stream_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.arrow"
    table = pa.table({"text": [f"{i} " * 50 for i in range(1000)]})
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table, max_chunksize=100)
    whole = texts(str(path))
    monkeypatch.setattr("curate.readers.arrow.PIECE_BYTES", 30_000)
    monkeypatch.setattr("curate.readers.tables.PIECE_BYTES", 30_000)
    pieces = FORMATS["arrow"].pieces(str(path))
    assert len(pieces) > 3 and texts(str(path)) == whole == table["text"].to_pylist()
    offsets = [
        o
        for piece in pieces
        for b in ArrowIpc().read(piece, ReadSettings("s", "arrow"), Tally())
        for o in b["offset"].to_pylist()
    ]
    assert offsets == list(range(1000))
    path.write_bytes(path.read_bytes()[:-2000])
    assert len(FORMATS["arrow"].pieces(str(path))) == 1
    (piece,) = FORMATS["arrow"].pieces(str(path))
    rows = [row for batch in ArrowIpc().read(piece, ReadSettings("s", "arrow"), Tally()) for row in batch.to_pylist()]
    assert rows[-1]["error"] and len(rows) == 901


def test_a_shard_that_is_missing_is_an_error_of_its_own(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "dict", tmp_path / "dict")
    (tmp_path / "dict/train/data-00001-of-00003.arrow").unlink()
    gone = dataset_files(str(tmp_path / "dict"))[1].path
    with pytest.raises(OSError):
        FORMATS["arrow"].pieces(gone)
    settings = ReadSettings("s", "arrow")
    unit = Unit(0, "", (Part(Piece(gone), settings, "gone"),), 0)
    (batch,) = read_unit(unit, Tally())
    assert "cannot be read" in batch["error"][0].as_py()
