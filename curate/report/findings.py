"""The sections of the report that come from the ledger: rules, signals, duplicates, quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from curate.report.charts import chart
from curate.report.facts import Cluster, Duplicates, Example, Rule
from curate.report.histograms import Histogram
from curate.report.markup import bar, code, counted, folded, note, number, prose, section, table, text
from curate.report.meanings import Meaning
from curate.steps.bounds import brief


def rules(found: Sequence[Rule], manifest: Mapping[str, Any], meanings: Mapping[str, Meaning]) -> str:
    """Every rule, what it did, and examples of what it dropped."""
    if not found:
        return section("rules", "Rules", note("No step of this pipeline has a rule."))
    came = {step["name"]: step["in"] for step in manifest["steps"]}
    parts = [
        note(
            "Each rule must hold to keep a document. “Fail” counts all documents of the stage, also those that an "
            "earlier step had dropped already; “dropped” those that left at this step with the rule among its reasons; "
            "“alone” those with no other reason."
        )
    ]
    for step, group in groupby(found, lambda rule: rule.step):
        meaning = meanings.get(step, Meaning())
        parts.append(f"<h3>{text(step)}</h3>" + (note(meaning.purpose) if meaning.purpose else ""))
        parts += [_rule(rule, came.get(step, 0), meaning) for rule in group]
    return section("rules", "Rules", *parts)


def _rule(rule: Rule, came: int, meaning: Meaning) -> str:
    words = meaning.of(rule.name)
    figures = f"{rule.failed:,} fail · <b>{rule.decided:,} dropped</b> · {rule.alone:,} alone"
    examples = "".join(_example(example, "dropped") for example in rule.examples)
    meant = f"<br><small>{prose(words)}</small>" if words else ""
    shown = folded(f"{counted(len(rule.examples), 'example')} of what it dropped", examples) if examples else ""
    return (
        f'<div class="rule"><div>{code(brief(rule.sql))}{meant}</div><div><div class="figures">{figures}</div>'
        f"{bar([('dropped', rule.decided)], came)}</div></div>{shown}\n"
    )


def _example(example: Example, css: str, extra: str = "") -> str:
    signals = " · ".join(f"{code(name)} = <b>{text(number(value))}</b>" for name, value in example.signals)
    lines = [
        f"<p><b>{text(example.id)}</b>{extra}</p>",
        f'<p class="place">{text(example.path)}:{example.offset}</p>',
        f'<p class="place">{text(example.url)}</p>' if example.url else "",
        f"<p>{signals}</p>" if signals else "",
    ]
    shown = f'<pre dir="auto">{text(example.text)}</pre>' if example.text else note(_no_text(example))
    return f'<div class="example {css}">{"".join(lines)}{shown}</div>\n'


def _no_text(example: Example) -> str:
    return "The text is empty." if example.text == "" else "The text is no longer in the store."


def signals(found: Sequence[Histogram], meanings: Mapping[str, Meaning]) -> str:
    """A histogram of each number signal, those with a bound first."""
    if not found:
        return ""
    parts = [
        note(
            "Each over all documents that have the signal. Dashed lines are the bounds of rules, bars beyond them have "
            "the colour of dropped documents. The height of a bar is the square root of its count, so that thin tails "
            "can be seen; the outer bars hold everything beyond."
        )
    ]
    for step, group in groupby(found, lambda histogram: histogram.field.step):
        ordered = sorted(group, key=lambda histogram: not histogram.limits)
        charts = [chart(histogram, meanings.get(step, Meaning()).of(histogram.field.name)) for histogram in ordered]
        parts.append(f'<h3>{text(step)}</h3><div class="charts">{"".join(charts)}</div>\n')
    return section("signals", "Signals", *parts)


def duplicates(found: Sequence[Duplicates]) -> str:
    """For each step of deduplication the largest clusters, with the kept document beside some that it stands for."""
    if not found:
        return ""
    parts = []
    for each in found:
        figures = f"{counted(each.dropped, 'document')} dropped for {counted(each.clusters, 'kept document')}."
        parts.append(f"<h3>{text(each.step)}</h3><p>{figures}</p>" + "".join(map(_cluster, each.largest)))
    words = "Each dropped document was compared with the kept one that stands for it. Similarity is exact: Jaccard, or cosine of vectors."
    return section("duplicates", "Duplicates", note(words), *parts)


def _cluster(cluster: Cluster) -> str:
    span = number(cluster.least)
    if cluster.least != cluster.most:
        span += f" to {number(cluster.most)}"
    shown = _example(cluster.kept, "kept", " · kept")
    for example, similarity in cluster.dropped:
        shown += _example(example, "dropped", f" · dropped, similarity {number(similarity)}")
    return folded(f"{cluster.size:,} dropped for {cluster.kept.id} (similarity {span})", shown)


def quarantine(found: Sequence[Mapping[str, Any]], count: int) -> str:
    """Errors, the most frequent first, with places."""
    if not count:
        return section("quarantine", "Quarantine", note("Every document could be read and processed."))
    rows = [
        (
            text(row["step"]), f"{row['n']:,}", text(row["error"]),
            "<br>".join(f'<span class="place">{text(p["path"])}:{p["offset"]}</span>' for p in row["places"]),
        )
        for row in found
    ]  # fmt: skip
    words = "What could not be read or processed; `#` stands for a number, so that like errors are one line."
    return section(
        "quarantine", "Quarantine", note(words), table(("step", "documents", "error", "places"), rows, numbers=(1,))
    )
