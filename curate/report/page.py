"""The report of a version: one self-contained HTML file."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any


def write_report(folder: Path, manifest: dict[str, Any], store: Path) -> None:
    """Write `report.html` into the folder of a version."""
    documents = "".join(f"<li>{escape(name)}: {count:,}</li>" for name, count in manifest["documents"].items())
    page = f"<!doctype html><meta charset=utf-8><title>{escape(manifest['name'])}</title><ul>{documents}</ul>\n"
    (folder / "report.html").write_text(page, encoding="utf-8")
