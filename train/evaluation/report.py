"""Everything that is measured of a model, as plain data and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curate.train.evaluation.accuracy import run_task
from curate.train.evaluation.likelihood import Scorer
from curate.train.evaluation.subject import Evaluated
from curate.train.evaluation.tasks import read_tasks


def task_figures(subject: Evaluated, paths: Sequence[str], examples: int) -> dict[str, Any]:
    """`tasks`: benchmark -> figures; `left_out`: benchmark -> records that cannot be scored so. Raises ConfigError."""
    tasks, left = read_tasks(paths, examples)
    scorer = Scorer(subject.model, subject.tokenizer, window=subject.window)
    return {"tasks": {task.name: run_task(scorer, task) for task in tasks}, "left_out": left}


def contamination_figures(subject: Evaluated, paths: Sequence[str]) -> dict[str, Any] | None:
    """`searched` (share of the data) and `benchmarks`: share of the examples that the data hold; None where no data is at
    hand, or only sets without a tokenizer, whose texts are not known."""
    from curate.contamination.search import load
    from curate.train.check.overlap import measured

    if not subject.data:
        return None
    (meter,), searched = measured(subject.data, [load(paths)])
    if not searched:
        return None
    found = meter.result()
    return {
        "searched": round(searched, 4),
        "benchmarks": {row.name: round(row.share, 4) for row in found.benchmarks},
        "examples": [{"benchmark": e.benchmark, "id": e.id, "share": e.share, "document": e.document} for e in found.examples],
    }  # fmt: skip


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The figures for people."""
    for name, entry in found.get("held_out", {}).items():
        bits = f", {entry['bits_per_byte']:.4f} bits a byte" if "bits_per_byte" in entry else ""
        yield f"held out {name}: loss {entry['loss']:.4f}{bits}, {entry['tokens']:,} tokens"
    if tasks := found.get("tasks"):
        seen = (found.get("contamination") or {}).get("benchmarks")
        width = max(map(len, tasks))
        yield f"{'task':{width}}  examples        accuracy  by its length   chance  perplexity  in the data"
        for name, entry in sorted(tasks.items()):
            normal = _with_error(entry, "accuracy_normalised") if "accuracy_normalised" in entry else ""
            chance = f"{entry['chance']:.3f}" if "chance" in entry else ""
            perplexity = f"{entry['perplexity']:.4g}" if "perplexity" in entry else ""
            held = f"{seen[name]:.2%}" if seen and name in seen else "not known"
            yield (
                f"{name:{width}}  {entry['examples']:8,}  {_with_error(entry, 'accuracy'):>14}  {normal:>13}  {chance:>7}"
                f"  {perplexity:>10}  {held:>11}"
            )
        if seen is not None:
            yield f"searched for in {found['contamination']['searched']:.0%} of the data that the model was trained on"
    for name, count in found.get("left_out", {}).items():
        yield f"left out: {count:,} records of {name}, whose answers cannot be scored by likelihood"
    if written := found.get("generation"):
        yield (
            f"{written['prompts']} prompts at temperature {written['temperature']}: {written['ended']:.0%} come to an end, "
            f"{written['tokens']:.0f} tokens, repetition {written['repetition']:.3f}, toxicity {written['toxicity']:.3f} "
            f"({written['toxic']:.0%} toxic)"
        )
        for sample in written["samples"][:2]:
            yield f"  {sample['prompt']!r} -> {sample['text']!r}"


def _with_error(entry: Mapping[str, Any], name: str) -> str:
    return f"{entry[name]:.3f} ±{entry[name + '_error']:.3f}"
