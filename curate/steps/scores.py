"""`scores`: numbers that documents bring with them, as signals: what was computed elsewhere, for rules and selectors."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from curate.documents import set_column
from curate.steps.step import Signal, Step

# What SQL would not take for the name of a field.
NO_NAMES = ("true", "false", "null")


class Scores(Step):
    """Make signals of numbers that the records hold: a reward model's, an annotator's, another tool's.

    The input keeps them, `metadata: [reward, meta]` of JSON, Parquet or Arrow; `keys` says which become signals. Then
    `choose: {by: scores.reward, budget: ..}`, a rule `scores.reward >= 3`, an indicator of `instruct_mining`, a factor of
    `deita`. True and false are 1 and 0, text that spells a number is that number; null, NaN and an absent key are null.
    A document with anything else there is quarantined.
    """

    kind: ClassVar[str] = "scores"
    version: ClassVar[int] = 1
    before_text: ClassVar[bool] = True

    keys: dict[str, str] = Field(
        min_length=1,
        description="a list of keys, `[reward, meta.edu]` (key `edu` of the object `meta`: the signal `edu`); or names of "
        "signals with the key of each, `{edu: Edu Score}`",
    )

    @field_validator("keys", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        keys = [value] if isinstance(value, str) else value
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            return value
        named = {key.rpartition(".")[2]: key for key in keys}
        if len(named) < len(keys):
            raise ValueError(f"two keys would be the same signal: give names, as `{{a: {keys[0]}, b: {keys[-1]}}}`")
        return named

    @field_validator("keys")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        for name, key in value.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name) or name.lower() in NO_NAMES:
                raise ValueError(f"{name!r} is no name for a signal: write `{{a_name: {key}}}`")
        return value

    def signals(self) -> Mapping[str, Signal]:
        """A number for each key."""
        return {
            name: Signal(pa.float64(), f"the number under `{key}`; null if none") for name, key in self.keys.items()
        }

    def metadata_keys(self) -> list[str]:
        """See Step."""
        return list(self.keys.values())

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals from the column `metadata`; quarantines a document with something else than a number."""
        errors = batch["error"].to_pylist()
        found = {name: np.full(len(errors), np.nan) for name in self.keys}
        for row, held in enumerate(batch["metadata"].to_pylist()):
            if errors[row] is not None or held is None:
                continue
            record = json.loads(held)
            for name, key in self.keys.items():
                value = value_at(record, key)
                number = as_number(value)
                if number is None:
                    errors[row] = f"{self.name}: `{key}` is {json.dumps(value, ensure_ascii=False)[:60]}, not a number"
                    break
                found[name][row] = number
        columns = {name: pa.array(values, from_pandas=True) for name, values in found.items()}
        return self.with_signals(set_column(batch, "error", pa.array(errors, pa.string())), **columns)


def value_at(record: Any, key: str) -> Any:
    """What stands under a key, or under `a.b` in the object `a`; None where nothing does."""
    if not isinstance(record, dict):
        return None
    if key in record:
        return record[key]
    head, _, rest = key.partition(".")
    return value_at(record.get(head), rest) if rest else None


def as_number(value: Any) -> float | None:
    """NaN for null; None for what is no finite number."""
    if value is None:
        return math.nan
    if not isinstance(value, bool | int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isinf(number) else number
