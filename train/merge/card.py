"""The card of a merged model: what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

FORMULAS = {
    "soup": "the mean of the weights (Wortsman et al. 2022)",
    "greedy": "a greedy soup: the mean of those models that strictly lowered the held-out loss (Wortsman et al. 2022)",
    "arithmetic": "base + scale * (model - base), summed over the models (Ilharco et al. 2023)",
    "residual": "model + (instruct - base) (Jindal et al. 2024)",
    "lines": "base + (alpha + (1 - alpha) * layer / last layer) * (model - base) (LiNeS, Wang et al. 2025)",
    "ties": "base + scale * the mean of those task values that agree with the sign of their sum (TIES, Yadav et al. 2023)",
}


def merge_card(name: str, kind: str, base: str | None, inputs: Mapping[str, str], made: Mapping[str, Any]) -> str:
    """Markdown with a head in YAML. `inputs`: the hash of each folder's weights."""
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags: [merge]", "base_model:"]
    head += [f"- {folder}" for folder in inputs]
    factors = ", ".join(f"{key} {value}" for key, value in made["factors"].items())
    rows = [
        f"| {folder} | {'base' if folder == base else 'yes' if folder in made['chosen'] else 'no'} | `{sha[:16]}` |"
        for folder, sha in inputs.items()
    ]
    lines = [
        *head, "---", "", f"# {name}", "", f"Made without training: {FORMULAS[kind]}.",
        *([f"With {factors}."] if factors else []), "",
        "| model | went in | SHA-256 of its weights |", "|---|---|---|", *rows,
    ]  # fmt: skip
    if made["losses"]:
        lines += ["", "| tried | held-out loss |", "|---|---|"]
        lines += [f"| {what} | {loss:.4f} |" for what, loss in made["losses"].items()]
    return "\n".join([*lines, "", f"Made with curate {version('curate')}.", ""])
