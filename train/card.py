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
    changes = len(state["loader"]["weights"]) - 1
    lines = [
        *head, "---", "", f"# {settings.name}", "",
        f"{'Trained from ' + base if base else 'A model of the shape ' + str(settings.model.preset)}, "
        f"{state['step']:,} of {settings.steps:,} steps of {settings.rows} rows of {settings.context} tokens: "
        f"{total['placed']:,} tokens, seed {settings.seed}.",
        *_recipe(settings), "", "## Data", "", "Tokenised sets by the hash of their content:", "", *data, "",
        "| source | documents | tokens | epochs |", "|---|---|---|---|", *rows, "",
        f"Cut off: {total['cropped']:,} tokens; dropped: {total['dropped']:,}; padding: {total['padded']:,}; the first token "
        f"of each of {total['never_predicted']:,} pieces was never predicted. Weights changed {changes} times.",
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


def _recipe(settings: TrainSettings) -> list[str]:
    """How it was trained, where that is not maximum likelihood of everything."""
    lines = []
    if settings.loss != {"kind": "cross_entropy"}:
        lines.append(f"Objective: {_named(settings.loss)}.")
    if settings.train_only != {"kind": "all"}:
        lines.append(f"Trained parameters: {_named(settings.train_only)}.")
    if settings.adapter:
        lines.append(f"Adapters: {settings.adapter.kind}, rank {settings.adapter.rank}.")
    if settings.ewc:
        lines.append(f"Elastic weight consolidation on {settings.ewc.data}, weight {settings.ewc.weight:g}.")
    return ["", *lines] if lines else []


def _named(settings: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in settings.items() if key != "kind")
    return f"`{settings['kind']}`" + (f" ({rest})" if rest else "")


def _run(run: Mapping[str, Any]) -> str:
    return f"version {run['version']} of the pipeline {run['name']} (fingerprint `{run['fingerprint']}`, content `{run['content']}`)"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
