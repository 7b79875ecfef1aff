"""Texts of files named on a command line: every format that holds texts, in order, errors told at once."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import corpus_files, texts
from curate.errors import ConfigError


def test_texts_of_a_folder_and_a_glob_in_order(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jsonl").write_text('{"text": "one"}\n{"text": null}\nbroken\n{"text": "two"}\n')
    (tmp_path / "a" / "2.jsonl.gz").write_bytes(gzip.compress(b'{"text": "three"}\n'))
    pq.write_table(pa.table({"text": ["four", "five"]}), tmp_path / "b.parquet")
    files = corpus_files([str(tmp_path / "a"), str(tmp_path / "*.parquet"), str(tmp_path / "a" / "1.jsonl")])
    assert [Path(file.place).name for file in files] == ["1.jsonl", "2.jsonl.gz", "b.parquet"]
    assert [text for batch in texts(files) for text in batch.to_pylist()] == ["one", "two", "three", "four", "five"]


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"body": "one"}\n')
    with pytest.raises(ConfigError) as caught:
        corpus_files([str(tmp_path / "none*"), str(tmp_path / "x.jsonl")])
    assert len(caught.value.problems) == 2 and "body" in str(caught.value)
