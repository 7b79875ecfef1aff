"""Whether a selection leaks: test examples in what was chosen, in its target, and the target itself in what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.contamination.measure import contamination
from curate.contamination.search import NGRAM, THRESHOLD, index_texts, load
from curate.errors import CurateError
from curate.report.markup import counted, note
from curate.report.texts import texts
from curate.select.choice import Choice
from curate.steps.decontaminate import Decontaminate


def leaks(choice: Choice, target: Sequence[str], manifest: Mapping[str, Any], store: Path) -> str:
    """The part of the report. `target` has the texts of the selector's target, none where it has none."""
    words = [_in_choice(choice)]
    if target:
        words += [*_in_target(target, manifest), *_of_target(choice, target, manifest, store)]
    return "<h4>Test sets</h4>" + "".join(map(note, words))


def _in_choice(choice: Choice) -> str:
    if choice.leaks is None:
        return "Not looked for: no step `decontaminate` stands in this pipeline (`action: report` drops nothing)."
    count, step = choice.leaks
    return f"{counted(count, 'document')} of the choice {_holds(count)} examples of test sets (step `{step}`)."


def _in_target(target: Sequence[str], manifest: Mapping[str, Any]) -> list[str]:
    """Of each step `decontaminate`: how many texts of the target hold its test examples."""
    said = []
    for settings in [entry["decontaminate"] for entry in manifest["pipeline"]["steps"] if "decontaminate" in entry]:
        step = Decontaminate.model_validate(settings)
        against = [step.against] if isinstance(step.against, str) else step.against
        try:
            index = load(against, step.fields, ngram=step.ngram, min_words=step.min_words)
        except CurateError:  # the test sets are no longer where they were
            continue
        found = contamination([pa.array(target, pa.string())], index, threshold=step.threshold).contaminated
        if found:
            said.append(
                f"{found:,} of {counted(len(target), 'text')} of the target {_holds(found)} examples of test sets (step "
                f"`{step.name}`): what is chosen is near to them."
            )
    return said


def _of_target(choice: Choice, target: Sequence[str], manifest: Mapping[str, Any], store: Path) -> list[str]:
    """How many documents of the choice are, or hold, texts of the target: the first of its order, where they would be."""
    held = texts(store, manifest, choice.first)
    if not held:
        return []
    found = contamination([pa.array(held.values(), pa.string())], index_texts("target", target)).contaminated
    told = (
        f"Of the {counted(len(target), 'text')} of the target: {found:,} of the first {counted(len(held), 'document')} of the "
        f"choice {_holds(found)} one, or more "
        f"than {THRESHOLD:.0%} of its words in {NGRAM}-grams."
    )
    if found:
        told += " If the target is to measure a model, drop them: a step `decontaminate` against its files, before the selector."
    return [told]


def _holds(count: int) -> str:
    return "holds" if count == 1 else "hold"
