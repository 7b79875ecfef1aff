"""The report of a version: one self-contained HTML file, a function of manifest, ledger and the texts in the store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from curate.report import facts, findings, sections, selection
from curate.report.drawn import drawn
from curate.report.markup import text
from curate.report.meanings import meanings
from curate.report.query import records
from curate.report.style import CSS

# documents in the page are escaped; should one get through, a browser still loads and runs nothing
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(folder: Path, manifest: dict[str, Any], store: Path) -> None:
    """Write `report.html` into the folder of a version.

    Args:
        folder: holds the ledger's Parquet files under the paths of the manifest.
        manifest: of the version.
        store: the folder `.store`; texts of examples that it no longer holds are left out.
    """
    known = meanings(manifest)
    with records(folder, manifest) as ledger:
        parts = [
            sections.headline(manifest),
            sections.funnel(manifest),
            findings.rules(facts.rules(ledger, manifest, store), manifest, known),
            findings.signals(drawn(ledger, manifest, store), known),
            findings.duplicates(facts.duplicates(ledger, manifest, store)),
            selection.selection(ledger, manifest, store),
            sections.languages(manifest),
            sections.sources(facts.sources(ledger), manifest["inputs"]),
            findings.quarantine(facts.errors(ledger), manifest["documents"]["quarantined"]),
            sections.skipped(manifest),
            sections.speed(manifest),
            sections.settings(manifest),
        ]
    (folder / "report.html").write_text(_page(manifest["name"], parts), encoding="utf-8")


def _page(name: str, parts: list[str]) -> str:
    anchors = [re.match(r'<section id="(\w+)"><h2>([^<]*)', part) for part in parts]
    links = "".join(f'<a href="#{found[1]}">{found[2]}</a>' for found in anchors if found)
    body = parts[0] + f'<nav aria-label="sections">{links}</nav>\n<main>' + "".join(parts[1:]) + "</main>"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(name)} – curate report</title>\n<style>{CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
