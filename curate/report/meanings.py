"""What steps and their signals mean, from the classes of the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from curate.errors import MissingAsset
from curate.steps import STEPS, step_class


@dataclass(frozen=True)
class Meaning:
    """A step in words: its first docstring line, its source, and what each signal is."""

    purpose: str = ""
    source: str = ""
    signals: Mapping[str, str] | None = None

    def of(self, signal: str) -> str:
        """The definition of a signal, empty if unknown."""
        return (self.signals or {}).get(signal, "")


def meanings(manifest: Mapping[str, Any]) -> dict[str, Meaning]:
    """Name of the step in the pipeline -> its meaning; empty for steps that this installation does not have."""
    listed = [next(iter(entry.items())) for entry in manifest["pipeline"]["steps"]]
    settings = {(own or {}).get("as") or kind: own or {} for kind, own in listed}
    return {step["name"]: _meaning(step["kind"], settings.get(step["name"], {})) for step in manifest["steps"]}


def _meaning(kind: str, settings: Mapping[str, Any]) -> Meaning:
    if kind not in STEPS:
        return Meaning()
    try:
        cls = step_class(kind)
    except ImportError:  # the version was made where an extra was installed
        return Meaning()
    try:
        signals = cls.model_validate(settings).signals()
    except (ValidationError, MissingAsset):  # of another version, or where its model is not
        signals = cls.SIGNALS
    purpose = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    return Meaning(purpose, cls.source, {name: signal.meaning for name, signal in signals.items()})
