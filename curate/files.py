"""Writing so that what exists is complete: beside, synced, renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def sync(path: Path) -> None:
    """Make the bytes of a file durable, or the renames inside a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, content: bytes | str) -> None:
    """Write a small file whole: beside under another name, synced, renamed."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """`write_file` of JSON, keys in the order given: indented for people, or in one line, which takes a tenth of the time."""
    write_file(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON of `path`, or None where there is no such file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def committed_folder(target: Path) -> Iterator[Path]:
    """A folder to fill; on a clean exit its files are synced and it is renamed to `target`, else it is removed.

    If `target` exists by then, another process made the same content: ours is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.iterdir():
            sync(file)
        sync(temporary)
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():
                raise
        sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def point(link: Path, to: str) -> None:
    """Make `link` a relative symbolic link to `to`, swapped by rename."""
    if link.is_symlink() and os.readlink(link) == to:
        return
    temporary = link.with_name(f".{link.name}.link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(to)
    temporary.rename(link)


def sweep(root: Path, *, depth: int = 4) -> None:
    """Remove what writers that were killed left half done, down to `depth` folders; nobody may be writing below `root`."""
    for level in range(depth):
        for left in root.glob("*/" * level + ".*.tmp"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def digest(value: Any) -> str:
    """A 128-bit hash, in hexadecimal, of anything that JSON can write; keys in any order."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
