"""The data card of a version: README.md in Hugging Face format, written from the manifest alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_card(folder: Path, manifest: dict[str, Any]) -> None:
    """Write `README.md` into the folder of a version."""
    lines = [f"# {manifest['name']}", "", *(f"- {name}: {count:,}" for name, count in manifest["documents"].items())]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
