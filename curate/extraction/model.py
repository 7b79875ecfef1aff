"""The model of which blocks are main text: a file of trees that a person can read, and its answers."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from curate.kernels.trees import Forest

Floats = npt.NDArray[np.float32]
MODEL = Path(str(files("curate"))) / "assets" / "extraction" / "model.json"


class Trees(NamedTuple):
    """Boosted oblivious trees, of one or more members with as many trees each; see `curate.kernels.trees.answer`."""

    base: float  # the logarithm of the odds before any tree
    feature: npt.NDArray[np.int32]  # trees x depth: rows of the matrix of features
    threshold: Floats  # trees x depth
    leaves: Floats  # trees x 2**depth
    gain: npt.NDArray[np.float64]  # features: what the splits by each gained in training
    members: int = 1

    def forest(self) -> Forest:
        """As kernels have it."""
        from curate.kernels.trees import Forest

        return Forest(self.base, self.members, self.feature, self.threshold, self.leaves)

    @classmethod
    def of_members(cls, members: Sequence[Trees]) -> Trees:
        """The trees whose answer is the mean of the members'."""
        feature, threshold, leaves = (np.concatenate([member[place] for member in members]) for place in range(1, 4))
        base, gain = float(np.mean([one.base for one in members])), np.sum([one.gain for one in members], axis=0)
        return cls(base, feature, threshold, leaves, gain, len(members))


class Model(NamedTuple):
    """Trees and what is needed to use them."""

    trees: Trees
    features: tuple[str, ...]
    about: dict[str, Any]  # how it was trained


def to_json(model: Model) -> str:
    """The file of a model: a line a tree, its questions by name, its leaves in thousandths, in the order of `add_trees`."""
    trees, names = model.trees, model.features
    lines = []
    for feature, threshold, leaves in zip(trees.feature, trees.threshold, trees.leaves, strict=True):
        asked = [[names[f], float(str(t))] for f, t in zip(feature, threshold, strict=True)]
        rounded = [round(1000 * float(leaf)) for leaf in leaves]
        lines.append(json.dumps({"above": asked, "leaves": rounded}, separators=(",", ":")))
    gain = {name: round(float(value), 1) for name, value in zip(names, trees.gain, strict=True)}
    head = {
        "about": model.about,
        "features": list(names),
        "gain": gain,
        "base": round(trees.base, 6),
        "members": trees.members,
    }
    text = json.dumps(head, ensure_ascii=False, indent=0)
    return text[:-2] + ',\n"trees": [\n' + ",\n".join(lines) + "\n]}\n"


def from_json(text: str, known: Sequence[str]) -> Model:
    """The model of a file; `known` names the rows of the matrix of features, in order. ValueError if one is missing or a tree too deep."""
    from curate.kernels.trees import DEPTH

    held = json.loads(text)
    names = tuple(held["features"])
    if missing := set(names) - set(known):
        raise ValueError(f"the model asks for features that there are not: {', '.join(sorted(missing))}")
    row = {name: place for place, name in enumerate(known)}
    asked = [tree["above"] for tree in held["trees"]]
    if (most := max(map(len, asked), default=0)) > DEPTH:
        raise ValueError(f"a tree of the model asks {most} questions, more than {DEPTH}")
    trees = Trees(
        float(held["base"]),
        np.array([[row[name] for name, _ in tree] for tree in asked], np.int32),
        np.array([[threshold for _, threshold in tree] for tree in asked], np.float32),
        np.array([tree["leaves"] for tree in held["trees"]], np.float32) / np.float32(1000),
        np.array([held["gain"].get(name, 0.0) for name in known]),
        int(held["members"]),
    )
    return Model(trees, tuple(known), held["about"])


def describe(model: Model) -> str:
    """The model in Markdown: how much each feature gained in training, and its first trees."""
    trees, names = model.trees, model.features
    total = trees.gain.sum()
    lines = ["| feature | share of the gain | questions |", "| --- | --- | --- |"]
    asked = np.bincount(trees.feature.ravel(), minlength=len(names))
    for place in np.argsort(-trees.gain, kind="stable"):
        if asked[place]:
            lines.append(f"| `{names[place]}` | {100 * trees.gain[place] / total:.1f} % | {asked[place]} |")
    lines.append("")
    for tree in range(3):
        pairs = zip(trees.feature[tree], trees.threshold[tree], strict=True)
        lines.append(f"Tree {tree + 1}: " + ", ".join(f"`{names[f]} > {t:.4g}`" for f, t in pairs))
        lines.append("    " + " ".join(f"{leaf:.3f}" for leaf in trees.leaves[tree]))
    return "\n".join(lines) + "\n"


@functools.cache
def shipped() -> Model:
    """The model that comes with the package."""
    from curate.kernels.html_features import FEATURES

    return from_json(MODEL.read_text(), FEATURES)


@functools.cache
def shipped_hash() -> str:
    """The hash of its file."""
    return hashlib.sha256(MODEL.read_bytes()).hexdigest()
