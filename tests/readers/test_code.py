"""Source code: language by name, licence header kept, encodings, binaries refused, folders of checkouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpora import pipeline

from curate.config import load
from curate.inputs import find_files
from curate.readers import FORMATS
from curate.readers.code import language_of
from curate.readers.reader import ReadSettings, Tally


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.py", "Python"), ("x.RS", "Rust"), ("Makefile", "Makefile"), ("src/CMakeLists.txt", "CMake"), ("a.tar.gz", None),
        ("x.hpp", "C++"), ("Dockerfile", "Dockerfile"), ("README", None), ("q.sql", "SQL"), ("a.cs", "C#"),
    ],
)  # fmt: skip
def test_languages(path: str, language: str | None) -> None:
    assert language_of(path) == language


def read(path: Path, content: bytes) -> dict[str, Any]:
    path.write_bytes(content)
    (batch,) = FORMATS["code"].read(FORMATS["code"].pieces(str(path))[0], ReadSettings("s", "code"), Tally())
    row: dict[str, Any] = batch.to_pylist()[0]
    return row


def test_the_licence_header_stays_and_is_named(tmp_path: Path) -> None:
    text = "// SPDX-License-Identifier: Apache-2.0 OR MIT\n// Copyright\nfn main() {}\r\n"
    row = read(tmp_path / "m.rs", text.encode())
    assert row["text"] == text and row["title"] == "m.rs"
    assert json.loads(row["metadata"]) == {"programming_language": "Rust", "spdx_license": "Apache-2.0 OR MIT"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "windows-1252", "windows-1251", "shift_jis"])
def test_old_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    said = {
        "windows-1251": "Это комментарий на русском языке о программе",
        "shift_jis": "これは日本語のコメントです。読みやすい",
    }
    text = f"# {said.get(encoding, 'Prüfung der Größe für Mädchen')}\nx = 1\n" * 3
    assert read(tmp_path / "a.py", text.encode(encoding))["text"] == text


def test_binaries_are_refused(tmp_path: Path) -> None:
    assert "binary" in read(tmp_path / "a.m", b"\x00\x01\x02" * 100)["error"]


def test_a_folder_gives_its_sources_alone(tmp_path: Path) -> None:
    for name in ("in/a.py", "in/sub/b.go", "in/.git/c.py", "in/node_modules/d.js", "in/logo.png", "in/data.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    file = pipeline(tmp_path, "[normalize]", inputs="[{name: a, path: in, format: code}]")
    found = [Path(each.path).relative_to(tmp_path / "in") for each in find_files(load(str(file)))]
    assert [path.as_posix() for path in found] == ["a.py", "sub/b.go"]
