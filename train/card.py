"""The model card of a checkpoint: what it is and what it was trained on, for people and for the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from curate.train.settings import TrainSettings
from curate.train.token_set import TokenSet


def model_card(settings: TrainSettings, state: Mapping[str, Any], sets: Sequence[TokenSet]) -> str:
    """Markdown with a head in YAML."""
    base = settings.model.start
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    head += [f"base_model: {base}"] if base else []
    total, by_source = state["tokens"]["total"], state["tokens"]["sources"]
    rows = [
        f"| {name} | {count['documents']:,} | {count['placed']:,} | {count['epochs']:.3f} |"
        for name, count in sorted(by_source.items())
    ]
    best = state["best"]
    held_out = [
        f"| {name} | {entry['loss']:.4f} | {_figure(entry.get('bits_per_byte'))} |"
        for name, entry in (best.get("held_out") or {}).items()
    ]
    data = [
        "; ".join([f"- `{found.hash}`, tokenizer {found.manifest['tokenizer']['name']}", *map(_run, found.runs)])
        for found in sets
    ]
    weights = state["loader"].get("history") or []
    lines = [
        *head, "---", "", f"# {settings.name}", "",
        f"{'Trained from ' + base if base else 'A model of the shape ' + str(settings.model.preset)}, "
        f"{state['step']:,} of {settings.steps:,} steps of {settings.rows} rows of {settings.context} tokens: "
        f"{total['placed']:,} tokens, seed {settings.seed}.",
        "", "## Data", "", "Tokenised sets by the hash of their content:", "", *data, "",
        "| source | documents | tokens | epochs |", "|---|---|---|---|", *rows, "",
        f"Cut off: {total['cropped']:,} tokens; dropped: {total['dropped']:,}; padding: {total['padded']:,}; the first token "
        f"of each of {total['never_predicted']:,} pieces was never predicted. Weights changed {max(0, len(weights) - 1)} times.",
    ]  # fmt: skip
    if held_out:
        lines += [
            "",
            f"## Held out, after step {best['step']:,} (the best)",
            "",
            "| source | loss | bits per byte |",
            "|---|---|---|",
        ]
        lines += held_out
    versions = ", ".join(f"{name} {version}" for name, version in state["versions"].items())
    return "\n".join([*lines, "", f"Made with {versions}.", ""])


def _run(run: Mapping[str, Any]) -> str:
    return f"version {run['version']} of the pipeline {run['name']} (fingerprint `{run['fingerprint']}`, content `{run['content']}`)"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
