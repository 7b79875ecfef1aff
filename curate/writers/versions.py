"""Which version of which step made the signals of a file: in the metadata of its Arrow schema, so that it goes where the file goes."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from curate.plan import MapStage, Phase

KEY = "curate.steps"


def with_versions(schema: pa.Schema, phases: Sequence[Phase]) -> pa.Schema:
    """The schema with a JSON object under `curate.steps`: struct of signals -> `kind` of the step and its `version`."""
    steps = [step for phase in phases if isinstance(phase, MapStage) for step in phase.steps]
    made = {step.name: {"kind": step.kind, "version": step.version} for step in steps if step.name in schema.names}
    return schema.with_metadata({**(schema.metadata or {}), KEY: json.dumps(made)})
