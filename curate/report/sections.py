"""The sections of the report that the manifest alone tells: headline, funnel, languages, speed, settings, versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from curate.report.markup import bar, counted, number, section, share, size, table, text

#: languages and sources beyond so many are summed up
MOST = 20


def headline(manifest: Mapping[str, Any]) -> str:
    """The title, when it was made, and the law's numbers as tiles."""
    counts = manifest["documents"]
    total = counts["in"] + counts["made"]
    sample = f" · a sample ({text(manifest['sample'])})" if manifest["sample"] else ""
    tiles = [("", counts["in"], "documents read")]
    if counts["made"]:
        tiles.append(("", counts["made"], "made by builders"))
    for fate in ("kept", "dropped", "quarantined"):
        tiles.append((fate, counts[fate], f"{fate}, {share(counts[fate], total)}"))
    shards = manifest["shards"]
    figures = [(css, f"{count:,}", words) for css, count, words in tiles]
    figures.append(("", size(sum(shard["bytes"] for shard in shards)), "in " + counted(len(shards), "shard")))
    shown = "".join(
        f'<div class="tile {css}"><b>{text(n)}</b><span>{text(words)}</span></div>' for css, n, words in figures
    )
    return (
        f'<header><h1>{text(manifest["name"])}</h1><p class="note">version {manifest["version"]}, made '
        f'{text(manifest["created"])}{sample}</p></header>\n<div class="tiles">{shown}</div>\n'
    )


def funnel(manifest: Mapping[str, Any]) -> str:
    """What came to each step and what left there."""
    steps = manifest["steps"]
    whole = max((step["in"] for step in steps), default=0)
    rows = []
    for step in steps:
        parts = [("kept", step["out"]), ("dropped", step["dropped"]), ("quarantined", step["quarantined"])]
        lost = [f"−{step[fate]:,} {fate}" for fate in ("dropped", "quarantined") if step[fate]]
        figures = f"{step['in']:,} in, {step['out']:,} out" + (f" · {', '.join(lost)}" if lost else "")
        if lost:
            figures += f" ({share(step['in'] - step['out'], step['in'])})"
        kind = f"<br><small>{text(step['kind'])}</small>" if step["kind"] != step["name"] else ""
        rows.append(
            f"<div><b>{text(step['name'])}</b>{kind}</div><div>{bar(parts, whole)}"
            f'<div class="figures">{text(figures)}</div></div>\n'
        )
    legend = "".join(
        f'<span class="key {css}"></span>{words}'
        for css, words in (("kept", "goes on"), ("dropped", "dropped"), ("quarantined", "quarantined"))
    )
    return section("steps", "Steps", f"<p>{legend}</p>", f'<div class="funnel">{"".join(rows)}</div>')


def languages(manifest: Mapping[str, Any]) -> str:
    """Documents read and kept, by language."""
    found = manifest.get("languages") or {}
    if not found:
        return ""
    named = [{"name": code, **counts} for code, counts in found.items()]
    return section("languages", "Languages", _shares(named, "language", "languages"))


def sources(rows: Sequence[Mapping[str, Any]], inputs: Sequence[Mapping[str, Any]]) -> str:
    """Documents read and kept, by named input; `rows` as `facts.sources` gives them."""
    files = {entry["name"]: entry for entry in inputs}
    named = [{"name": row["source"], **row} for row in rows]
    words = ", ".join(f"{text(name)}: {counted(e['files'], 'file')}, {size(e['bytes'])}" for name, e in files.items())
    return section("sources", "Sources", f'<p class="note">{words}</p>', _shares(named, "source", "sources"))


def _shares(rows: Sequence[Mapping[str, Any]], one: str, many: str) -> str:
    """A table of name, in, kept and a bar, the largest first."""
    ordered = sorted(rows, key=lambda row: (-row["in"], row["name"]))
    rest = ordered[MOST:]
    if rest:
        others = {key: sum(row[key] for row in rest) for key in ("in", "kept")}
        ordered = [*ordered[:MOST], {"name": f"{len(rest):,} other {many}", **others}]
    whole = max((row["in"] for row in ordered), default=0)
    return table(
        (one, "read", "kept", "kept of read", ""),
        [
            (
                text(row["name"]), f"{row['in']:,}", f"{row['kept']:,}", share(row["kept"], row["in"]),
                bar([("kept", row["kept"]), ("dropped", row["in"] - row["kept"])], whole),
            )
            for row in ordered
        ],
        numbers=(1, 2, 3),
    )  # fmt: skip


def speed(manifest: Mapping[str, Any]) -> str:
    """Seconds and documents per second, by step and by stage."""
    # within a stage every step sees every document, whatever the steps before it decided
    came = {name: stage["in"] for stage in manifest["stages"] for name in stage["steps"]}
    steps = [
        (
            text(step["name"]),
            f"{came[step['name']]:,}",
            f"{step['seconds']:,.2f}",
            _rate(came[step["name"]], step["seconds"]),
        )
        for step in manifest["steps"]
    ]
    stages = [
        (
            text(" + ".join(stage["steps"])), text(stage["kind"]), f"{stage['units']:,}", f"{stage['reused']:,}",
            f"{stage['seconds']:,.2f}",
        )
        for stage in manifest["stages"]
    ]  # fmt: skip
    words = (
        "Seconds of a step are summed over workers, of the run that computed it; seconds of a stage are on the clock. "
        "A reused unit was in the store already."
    )
    return section(
        "speed", "Throughput", f'<p class="note">{words}</p>',
        table(("step", "documents", "worker seconds", "documents / s"), steps, numbers=(1, 2, 3)),
        "<h3>Stages</h3>", table(("stage", "kind", "units", "reused", "seconds"), stages, numbers=(2, 3, 4)),
    )  # fmt: skip


def _rate(documents: int, seconds: float) -> str:
    return f"{documents / seconds:,.0f}" if seconds > 0 else "–"


def skipped(manifest: Mapping[str, Any]) -> str:
    """Records that are no documents, and replaced characters."""
    rows = [(text(kind), f"{count:,}") for kind, count in manifest["skipped"].items()]
    shown = table(("record", "skipped"), rows, numbers=(1,)) if rows else '<p class="note">none</p>'
    replaced = f"<p>{manifest['replaced_characters']:,} invalid characters became U+FFFD.</p>"
    words = "Records of the input that are no documents; they are not among the documents read."
    return section("skipped", "Skipped records", f'<p class="note">{words}</p>', shown, replaced)


def settings(manifest: Mapping[str, Any]) -> str:
    """The pipeline as YAML and what made it."""
    shown = yaml.safe_dump(manifest["pipeline"], sort_keys=False, allow_unicode=True)
    facts = {
        "pipeline fingerprint": manifest["fingerprint"],
        **manifest["versions"],
        **manifest["host"],
        "seconds": number(manifest["seconds"]),
    }
    return section(
        "pipeline",
        "Pipeline",
        f'<pre class="block" tabindex="0">{text(shown)}</pre>',
        "<h3>Made with</h3>",
        _facts(facts.items()),
    )


def _facts(pairs: Iterable[tuple[str, Any]]) -> str:
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs) + "</dl>\n"
