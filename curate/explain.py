"""`curate explain`: one document, each signal against its threshold, the evidence, where it came from and went to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from curate.errors import CurateError
from curate.ledger import Ledger
from curate.page_blocks import page_blocks
from curate.report.texts import texts
from curate.steps.bounds import settled

PASSED, FAILED, UNKNOWN = "ok  ", "FAIL", "null"
# what is shown of a signal that is a list; `curate sql` shows the rest
LIST_CHARACTERS = 400


def explain(ledger: Ledger, document: str) -> Iterator[str]:
    """The lines that explain every document that `document` names. Raises CurateError if none does."""
    rows = ledger.find(document)
    if not rows:
        hint = 'a document\'s id, URL, path or path:offset; `curate sql DIR "SELECT id, path, offset FROM ledger"` lists them'
        raise CurateError(str(ledger.folder), f"no document `{document}` was ever read", hint)
    for i, row in enumerate(rows):
        if i:
            yield ""
        yield from _document(ledger, row)


def _document(ledger: Ledger, row: dict[str, Any]) -> Iterator[str]:
    yield f"document   {row['id']}"
    yield f"  from     source {row['source']}, {row['path']} at offset {row['offset']:,}"
    for name in ("url", "title", "date", "lang"):
        if row[name]:
            yield f"  {name:8} {row[name]}"
    yield f"  text     {row['text_bytes']:,} bytes"
    yield f"  fate     {_fate(row)}"
    if row["shard"]:
        yield f"  shard    {row['shard']}, row {row['shard_row']:,}"
    yield from _evidence(ledger, row)
    for step, rules in _steps(ledger):
        if (signals := row.get(step)) is not None:
            yield ""
            yield from _signals(step, signals, rules, row)
    yield from page_blocks(ledger, row)
    if stopped := _not_reached(ledger, row):
        yield ""
        yield f"  not computed, since the document had left by then: {', '.join(stopped)}"


def _not_reached(ledger: Ledger, row: dict[str, Any]) -> list[str]:
    """The steps of the stages after the one that a document left in."""
    left = False
    names: list[str] = []
    for stage in ledger.manifest["stages"]:
        if left and stage["kind"] == "map":
            # a step that chooses is the head of the stage after the one in which it looked at all documents
            names += [step for step in stage["steps"] if step != row["step"]]
        left = left or row["step"] in stage["steps"]
    return names


def _steps(ledger: Ledger) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every step of a map stage with its rules, in order."""
    rules = ledger.rules()
    stages = [stage for stage in ledger.manifest["stages"] if stage["kind"] == "map"]
    return [(step, rules.get(step, [])) for stage in stages for step in stage["steps"] if step != "read"]


def _fate(row: dict[str, Any]) -> str:
    if row["fate"] == "kept":
        return "kept"
    rules = ", ".join(row["rule"])
    return f"{row['fate']} by {row['step']}" + (f": {rules}" if rules else "")


def _evidence(ledger: Ledger, row: dict[str, Any]) -> Iterator[str]:
    evidence = row["evidence"] or {}
    if evidence.get("error"):
        yield f"  error    {evidence['error']}"
    if evidence.get("kept_path"):
        yield f"  kept     {evidence['kept_id']} ({evidence['kept_path']} at offset {evidence['kept_offset']:,})"
        cosine = f"{evidence['similarity']:.3f} (cosine of the vectors)"
        same = {"exact_duplicate": "same text", "same_address": "same address", "semantic_duplicate": cosine}
        similar = f"{evidence['similarity']:.3f} (exact Jaccard)"
        yield f"  similar  {same.get(evidence['kind'], similar)}"
        passage = _shared_passage(ledger, row, evidence)
        if passage:
            yield f"  shared   {passage!r}"


def _shared_passage(ledger: Ledger, row: dict[str, Any], evidence: dict[str, Any]) -> str:
    """The longest run of words that the document shares with the kept one; empty when a text is gone."""
    from curate.dedup.evidence import shared_passage

    place = f"{evidence['kept_path']}:{evidence['kept_offset']}"
    kept = [other for other in ledger.find(place) if other["id"] == evidence["kept_id"]]
    if not kept:
        return ""
    places = [(row["unit"], row["row"]), (kept[0]["unit"], kept[0]["row"])]
    found = texts(ledger.folder / ".store", ledger.manifest, places)
    if len(found) < len(set(places)):
        return ""
    return shared_passage(found[places[0]], found[places[1]])


def _signals(step: str, signals: dict[str, Any], rules: list[tuple[str, str]], row: dict[str, Any]) -> Iterator[str]:
    yield f"{step}"
    width = max(len(name) for name in signals)
    results = {rule: _holds(sql, row) for rule, sql in rules}
    texts = {rule: settled(sql, lambda column: _value(row, column)) for rule, sql in rules}
    for name, value in signals.items():
        mark = results.get(name, "    ")
        yield f"  {mark} {name:{width}}  {_shown(value):>12}  {texts.get(name, '')}".rstrip()
    for rule, mark in results.items():
        if rule not in signals:
            yield f"  {mark} {texts[rule]}"


def _value(row: dict[str, Any], column: str) -> str | None:
    """The signal `struct.field` of a document."""
    struct, _, field = column.partition(".")
    found: str | None = (row.get(struct) or {}).get(field)
    return found


def _holds(sql: str, row: dict[str, Any]) -> str:
    try:
        structs = {name: [value] for name, value in row.items() if isinstance(value, dict)}
        found = pl.DataFrame(structs, strict=False).select(pl.sql_expr(sql).alias("holds"))["holds"][0]
    except pl.exceptions.PolarsError:  # a signal of a stage that the document never reached
        return UNKNOWN
    return UNKNOWN if found is None else PASSED if found else FAILED


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        whole = f"[{', '.join(f'{one:.4g}' if isinstance(one, float) else repr(one) for one in value)}]"
        return whole if len(whole) <= LIST_CHARACTERS else f"{whole[:LIST_CHARACTERS]} ... ({len(value):,} in all)"
    return (
        "-" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    )
