"""Reading test sets: any records with texts, and errors that name file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.contamination.sets import content_hash, read_sets, set_files
from curate.errors import ConfigError

ROWS: list[dict[str, Any]] = [
    {"id": "a", "query": "What is it?", "choices": ["one thing", "another"], "gold": 0, "license": "MIT License"},
    {"task_id": 7, "benchmark": "other", "turns": [{"role": "user", "content": "Say so."}, {"content": "So."}]},
    {"question": {"stem": "Why?"}, "label": "because of it", "n": 3, "empty": " "},
]


@pytest.mark.parametrize("name", ["set.jsonl", "set.jsonl.gz", "set.json", "set.parquet"])
def test_a_passage_is_any_text_but_metadata_and_candidates(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = "\n".join(map(json.dumps, ROWS))
    if name.endswith("parquet"):
        pq.write_table(
            pa.Table.from_pylist([{**dict.fromkeys(ROWS[0] | ROWS[1] | ROWS[2]), **row} for row in ROWS]), path
        )
    elif name.endswith("gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(json.dumps(ROWS) if name.endswith("json") else lines + "\n\n")
    sets = read_sets(set_files([str(tmp_path)]))
    assert sets.benchmarks == ("set", "other") and sets.of == (0, 1, 0)
    assert sets.ids == ("a", "7", "line 3")
    assert [tuple(p.__dict__.values()) for p in sets.passages] == [
        (0, "query", "What is it?"), (1, "turns.content", "Say so."), (1, "turns.content", "So."),
        (2, "question.stem", "Why?"),
    ]  # fmt: skip


def test_fields_name_the_keys_that_count(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    sets = read_sets(set_files([str(tmp_path / "*.jsonl")]), ["choices", "turns", "label"])
    assert [p.text for p in sets.passages] == ["one thing", "another", "Say so.", "So.", "because of it"]


@pytest.mark.parametrize("indent", [None, 1])
def test_one_document_with_a_list_of_examples_is_read(tmp_path: Path, indent: int | None) -> None:
    held = {"canary": "do not train on this", "examples": [{"input": "What is it?"}, {"input": "And why?"}]}
    (tmp_path / "task.json").write_text(json.dumps(held, indent=indent))
    (tmp_path / "dataset_info.json").write_text("{}")
    (tmp_path / "README.md").write_text("This set is a set.")
    assert [p.text for p in read_sets(set_files([str(tmp_path)])).passages] == ["What is it?", "And why?"]


def test_a_text_file_has_an_example_a_line(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("First one.\n\nSecond one.\n")
    sets = read_sets(set_files([str(tmp_path)]))
    assert sets.benchmarks == ("prompts",) and [p.text for p in sets.passages] == ["First one.", "Second one."]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": "b"}\n{"a": ', "line 2 is not JSON"),
        (b"[1, 2]", "record 1 is not a JSON object"),
        (b'{"id": "x"}', "has no text under any key"),
        (b"", "has no records"),
        (b'{"a": "\xff\xfe"}', "cannot be read"),
    ],
)
def test_a_broken_set_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "bad.jsonl").write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.jsonl.*" + words):
        read_sets(set_files([str(tmp_path)]))


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(ConfigError) as caught:
        set_files([str(tmp_path / "nothing*"), str(tmp_path)])
    assert len(caught.value.problems) == 2


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    made = []
    for folder, name, text in [("a", "x", "1"), ("b", "x", "1"), ("c", "y", "1"), ("d", "x", "2")]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.txt").write_text(text)
        made.append(content_hash(set_files([str(tmp_path / folder)])))
    assert made[0] == made[1] and len(set(made)) == 3
