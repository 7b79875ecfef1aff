"""For `curate explain`: the page of a document read again, and what `extract` made of each of its blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curate.inputs import read_settings
from curate.ledger import Ledger
from curate.readers import FORMATS
from curate.readers.reader import Piece, Tally
from curate.reading import pages
from curate.settings import InputEntry

#: a page with more blocks is not shown whole
_MOST = 200
_WIDTH = 60


def page_blocks(ledger: Ledger, row: dict[str, Any]) -> Iterator[str]:
    """Lines on every block of the document's page; none unless a step extracted it with the engine `curate`."""
    settings = _settings(ledger)
    if settings is None or not (row.get(settings.get("as") or "extract") or {}).get("blocks"):
        return
    yield ""
    found = _content(ledger, row)
    if found is None:
        yield f"blocks: {row['path']} is not there to be read again; run this from where its path leads to it"
        return
    from curate.extraction.engine import BETAS
    from curate.extraction.model import shipped
    from curate.extraction.reasons import reasoned
    from curate.steps.charset import decode_page

    page = decode_page(*found)[0].encode("utf-8", "replace")
    yield "blocks of the page: kept or cut, the probability of main text, where it stands, what decided (log odds)"
    blocks = list(reasoned(page, shipped(), BETAS[settings.get("favor", "balanced")]))
    for block in blocks[:_MOST]:
        text = " ".join(block.text.split())
        shown = text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
        yield f"  {'kept' if block.kept else 'cut '} {block.probability:5.2f}  {shown}"
        yield f"              {block.path}: {block.why}"
    if len(blocks) > _MOST:
        yield f"  and {len(blocks) - _MOST:,} more"


def _settings(ledger: Ledger) -> dict[str, Any] | None:
    """The settings of the step that extracted with our own engine and took main content alone, if there is one."""
    for step in ledger.manifest["pipeline"]["steps"]:
        for kind, settings in step.items():
            if kind == "extract" and settings.get("main_content", True) and "confidence" in _signals(settings):
                return dict(settings)
    return None


def _signals(settings: dict[str, Any]) -> set[str]:
    from curate.steps import step_class

    return set(step_class("extract").model_validate(settings).signals())


def _content(ledger: Ledger, row: dict[str, Any]) -> tuple[bytes, str | None] | None:
    """(The raw page, its stated charset); None if its file is not where the ledger's path leads to."""
    entries = [InputEntry.model_validate(entry) for entry in ledger.manifest["pipeline"]["inputs"]]
    folders = [Path(), *ledger.folder.absolute().parents]
    places = [folder / row["path"] for folder in folders if (folder / row["path"]).is_file()]
    for entry in entries:
        if entry.name != row["source"] or not places:
            continue
        settings = read_settings(entry, str(places[0]))
        for batch in FORMATS[settings.format].read(Piece(str(places[0])), settings, Tally()):
            raw = pages(batch) if settings.html else batch
            if raw.num_rows and row["offset"] in (offsets := raw["offset"].to_pylist()):
                at = offsets.index(row["offset"])
                content = raw["content"][at].as_py()
                return None if content is None else (content, raw["charset"][at].as_py())
    return None
