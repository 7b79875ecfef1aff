"""What steps and their signals mean, from the classes of the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    return {step["name"]: _meaning(step["kind"]) for step in manifest["steps"]}


def _meaning(kind: str) -> Meaning:
    if kind not in STEPS:
        return Meaning()
    try:
        cls = step_class(kind)
    except ImportError:  # the version was made where an extra was installed
        return Meaning()
    purpose = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    return Meaning(purpose, cls.source, {name: signal.meaning for name, signal in cls.SIGNALS.items()})
