"""The data card of a version: README.md in the format of the Hugging Face hub, written from the manifest alone."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from curate.report.facts import deduplication
from curate.report.markup import counted, share, size
from curate.report.meanings import Meaning, meanings
from curate.steps.bounds import brief

#: a language is named in the front matter from this share of the kept documents on
NAMED_SHARE = 0.005
LISTED = 20
COLUMNS = {
    "id": "the record's own id, else a hash of source and raw record; need not be unique",
    "source": "name of the input",
    "path": "input file, as the pipeline names it",
    "offset": "where the record starts in `path`: byte, line or row, by format",
    "url": "where the page came from",
    "date": "date that the record or page carries",
    "lang": "language code",
    "title": "title of the page",
    "text": "the text",
    "messages": "the conversation of which `text` is the rendering, a list of role and content; null for other documents",
    "metadata": "what else is known of the document, a JSON object",
}
LOADING = {
    "datasets": 'from datasets import load_dataset\n\ndata = load_dataset("arrow", data_files="shards/*.arrow", split="train")',
    "polars": 'import polars as pl\n\ndata = pl.scan_ipc("shards/*.arrow")\nprint(data.select("id", "text").head(3).collect())',
    "pyarrow": 'import pyarrow.dataset as ds\n\ndata = ds.dataset("shards", format="ipc")\nprint(data.head(3))',
    "duckdb": (
        'import duckdb\nimport pyarrow.dataset as ds\n\nshards = ds.dataset("shards", format="ipc")\n'
        'print(duckdb.sql("SELECT source, lang, count(*) AS documents FROM shards GROUP BY ALL"))\n'
        "print(duckdb.sql(\"SELECT fate, step, count(*) AS documents FROM 'ledger/*.parquet' GROUP BY ALL\"))"
    ),
}
#: what a reader may take for granted, and the kinds of steps that see to it
CONCERNS = {
    "personal data": {"pii"},
    "toxic content": {"toxicity", "flagged_words"},
    "passages of test sets": {"decontaminate"},
}


def write_card(folder: Path, manifest: dict[str, Any]) -> None:
    """Write `README.md` into the folder of a version."""
    known = meanings(manifest)
    parts = [
        _front(manifest), _what(manifest), _made(manifest, known), _sources(manifest), _languages(manifest),
        _fields(manifest, known), _duplicates(manifest), _quarantine(manifest), _loading(manifest), _explain(),
        _reproduce(manifest), _limits(manifest),
    ]  # fmt: skip
    (folder / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _front(manifest: Mapping[str, Any]) -> str:
    kept = manifest["documents"]["kept"]
    languages = [
        code
        for code, counts in (manifest.get("languages") or {}).items()
        if code != "unknown" and counts["kept"] > NAMED_SHARE * kept
    ]
    facts: dict[str, Any] = {"pretty_name": manifest["name"]}
    if languages:
        facts["language"] = languages
    facts |= {"task_categories": ["text-generation"], "size_categories": [_size_category(kept)]}
    facts["tags"] = ["curate", "text", "provenance"]
    if manifest["shards"]:
        files = [{"split": "train", "path": "shards/*.arrow"}]
        facts["configs"] = [{"config_name": "default", "data_files": files}]
    return "---\n" + yaml.safe_dump(facts, sort_keys=False, allow_unicode=True) + "---"


def _size_category(count: int) -> str:
    """The hub's class of a number of documents: `1K<n<10K`."""
    if count < 1000:
        return "n<1K"
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
    power = min(int(math.log10(count)) - 3, len(names) - 1)
    return f"{names[power]}<n<{names[power + 1]}" if power + 1 < len(names) else "n>1T"


def _what(manifest: Mapping[str, Any]) -> str:
    counts = manifest["documents"]
    total = counts["in"] + counts["made"]
    shards = manifest["shards"]
    made = f" + {counts['made']:,} made" if counts["made"] else ""
    law = (
        f"{counts['in']:,} read{made} = {counts['kept']:,} kept + {counts['dropped']:,} dropped + "
        f"{counts['quarantined']:,} quarantined"
    )
    sample = f" It is a sample of the input ({_cell(manifest['sample'])})." if manifest["sample"] else ""
    held = (
        f"{counts['kept']:,} documents ({share(counts['kept'], total)} of what was read) in {counted(len(shards), 'shard')} "
        f"of Arrow IPC, {size(sum(shard['bytes'] for shard in shards))}."
    )
    return (
        f"# {_cell(manifest['name'])}\n\n{held} Version {manifest['version']}, made {manifest['created']} by curate "
        f"{manifest['versions']['curate']}.{sample}\n\nEvery document that was ever read has a row in `ledger/`: {law}. "
        "`report.html` shows what each rule dropped."
    )


def _made(manifest: Mapping[str, Any], known: Mapping[str, Meaning]) -> str:
    settings = _settings(manifest["pipeline"]["steps"])
    rows, details = [], []
    for step in manifest["steps"]:
        name, meaning = step["name"], known[step["name"]]
        given = settings.get(name) or {}
        shown = yaml.safe_dump(given, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)
        rows.append(
            [
                _code(name),
                _code(shown.strip()[1:-1]),
                *(f"{step[key]:,}" for key in ("in", "dropped", "quarantined", "out")),
            ]
        )
        details += _details(manifest, step, meaning)
    head = ("step", "settings", "in", "dropped", "quarantined", "out")
    return f"## How it was made\n\n{_table(head, rows, numbers=(2, 3, 4, 5))}\n\n" + "\n\n".join(details)


def _details(manifest: Mapping[str, Any], step: Mapping[str, Any], meaning: Meaning) -> list[str]:
    """What a step does and its rules with what failed them; nothing for a step without either."""
    rules = [rule for rule in manifest["rules"] if rule["step"] == step["name"]]
    words = " ".join(filter(None, [meaning.purpose, f"Source: {meaning.source}." if meaning.source else ""]))
    rows = [[_code(brief(rule["sql"])), f"{step['rules'].get(rule['rule'], 0):,}"] for rule in rules]
    table = _table(("rule that keeps a document", "documents that fail it"), rows, numbers=(1,)) if rows else ""
    if not words and not table:
        return []
    return [f"### {_cell(step['name'])}", *filter(None, [_cell(words), table])]


def _settings(steps: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    """Name of a step -> its settings as the pipeline gives them."""
    found = {}
    for entry in steps:
        kind, given = next(iter(entry.items())) if isinstance(entry, Mapping) else (entry, {})
        found[(given or {}).get("as") or kind] = given or {}
    return found


def _sources(manifest: Mapping[str, Any]) -> str:
    paths = {entry.get("name"): entry.get("path") for entry in manifest["pipeline"]["inputs"]}
    rows = [
        [_cell(entry["name"]), _code(str(paths.get(entry["name"]) or "")), f"{entry['files']:,}", size(entry["bytes"])]
        for entry in manifest["inputs"]
    ]
    return "## Sources\n\n" + _table(("source", "path", "files", "size"), rows, numbers=(2, 3))


def _languages(manifest: Mapping[str, Any]) -> str:
    found = manifest.get("languages") or {}
    if not found:
        return "## Languages\n\nNo language was recorded."
    ordered = sorted(found.items(), key=lambda entry: (-entry[1]["kept"], -entry[1]["in"], entry[0]))
    rows = [[_cell(code), f"{counts['in']:,}", f"{counts['kept']:,}"] for code, counts in ordered[:LISTED]]
    if rest := ordered[LISTED:]:
        sums = [f"{sum(counts[key] for _, counts in rest):,}" for key in ("in", "kept")]
        rows.append([f"{len(rest)} others", *sums])
    return "## Languages\n\n" + _table(("language", "read", "kept"), rows, numbers=(1, 2))


def _fields(manifest: Mapping[str, Any], known: Mapping[str, Meaning]) -> str:
    rows = [[_code(name), meaning] for name, meaning in COLUMNS.items()]
    for step in manifest["steps"]:
        for signal, meaning in (known[step["name"]].signals or {}).items():
            rows.append([_code(f"{step['name']}.{signal}"), _cell(meaning)])
    words = (
        "Signals of a step are the fields of one struct column, in the shards as in the ledger, which has no vectors."
    )
    return f"## Fields\n\n{words}\n\n{_table(('field', 'meaning'), rows)}"


def _duplicates(manifest: Mapping[str, Any]) -> str:
    looked = set(deduplication(manifest))
    lines = [
        f"- `{step['name']}`: {step['dropped']:,} of {step['in']:,} documents dropped; the ledger's `evidence` names "
        "the kept document and the similarity of each"
        for step in manifest["steps"]
        if step["name"] in looked
    ]
    return "## Duplicates\n\n" + ("\n".join(lines) or "Duplicates were not looked for.")


def _quarantine(manifest: Mapping[str, Any]) -> str:
    lines = [f"- {_cell(kind)}: {count:,} records skipped" for kind, count in manifest["skipped"].items()]
    lines.append(f"- {manifest['replaced_characters']:,} invalid characters replaced by U+FFFD")
    return (
        f"## Quarantine\n\n{manifest['documents']['quarantined']:,} documents could not be read or processed; the "
        "ledger has the error and the place of each. Besides:\n\n" + "\n".join(lines)
    )


def _loading(manifest: Mapping[str, Any]) -> str:
    if not manifest["shards"]:
        return "## Loading\n\nNo document was kept: there is no shard to load."
    blocks = [f"With {name}:\n\n```python\n{lines}\n```" for name, lines in LOADING.items()]
    return "## Loading\n\n" + "\n\n".join(blocks)


def _explain() -> str:
    return (
        "## Explaining a document\n\n```sh\ncurate explain DIR DOC    # id, URL, path or path:offset: each signal against "
        "its threshold\ncurate sql DIR \"SELECT step, rule, count(*) FROM ledger WHERE fate = 'dropped' GROUP BY ALL\"\n"
        "```\n\nDIR is the output folder that this version is in."
    )


def _reproduce(manifest: Mapping[str, Any]) -> str:
    pipeline = yaml.safe_dump(manifest["pipeline"], sort_keys=False, allow_unicode=True)
    versions = ", ".join(f"{name} {number}" for name, number in manifest["versions"].items())
    return (
        f"## Reproducing\n\nPipeline fingerprint `{manifest['fingerprint']}`, with {versions}. The same pipeline over the "
        "same input gives the same shards, to the byte, whatever the number of workers; `manifest.json` has their "
        f"SHA-256.\n\n```yaml\n{pipeline}```"
    )


def _limits(manifest: Mapping[str, Any]) -> str:
    kinds = {step["kind"] for step in manifest["steps"]}
    lines = [f"- no step looked for {concern}" for concern, steps in CONCERNS.items() if not kinds & steps]
    lines.append("- the licence of each document is that of its source; none was checked")
    if "language" in kinds:
        lines.append("- languages were identified by a model, which errs most on short and mixed texts")
    if kinds & {"repetition", "quality", "lines"}:
        lines.append(
            "- rules of quality are heuristics, mostly tuned on English web pages; the report shows their mistakes"
        )
    if manifest["sample"]:
        lines.append(f"- this is a sample of the input ({_cell(manifest['sample'])}), not all of it")
    return "## Limits\n\n" + "\n".join(lines)


def _cell(words: str) -> str:
    """Plain text in Markdown, also in a cell of a table; what stands between backticks is code already."""
    pieces = " ".join(str(words).split()).replace("|", "\\|").split("`")
    return "`".join(piece if i % 2 else html.escape(piece, quote=False) for i, piece in enumerate(pieces))


def _code(words: str) -> str:
    words = " ".join(str(words).split()).replace("`", "'").replace("|", "\\|")
    return f"`{words}`" if words else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Iterable[int] = ()) -> str:
    right = set(numbers)
    rule = ["---:" if i in right else "---" for i in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])
