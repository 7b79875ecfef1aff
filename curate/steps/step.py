"""What a step is: settings as fields, signals as one struct column, rules as SQL over signals, one method `process`.

A map step sees every document of its stage and never drops one: it adds signals (or changes the text) and the runner
evaluates the rules afterwards. A document on which a step fails gets a message in the column `error`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from curate.documents import set_column
from curate.steps.bounds import Bound as Bound


class Signal(NamedTuple):
    """A value that a step computes about a document: its Arrow type and, in one line, its definition and unit."""

    type: pa.DataType
    meaning: str


class Step(BaseModel):
    """The base of every step. Subclasses set the class variables, add fields for settings and implement `process`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    #: the name in a pipeline file, and of the struct of signals unless `as` says otherwise
    kind: ClassVar[str]
    #: raised whenever the output of the step changes for any input
    version: ClassVar[int] = 1
    #: paper, section or code that defines the step
    source: ClassVar[str] = ""
    #: the signals of the struct column, by field name
    SIGNALS: ClassVar[Mapping[str, Signal]] = {}
    #: named bounds on signals: preset -> signal -> bound
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {}
    #: fields that only decide which documents are kept: they are not part of the fingerprint
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"preset", "rules"})
    #: settings that may be the path of a file, relative to the pipeline file
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset()
    #: settings that are paths or patterns of files, nothing else, likewise relative
    FILE_FIELDS: ClassVar[frozenset[str]] = frozenset()
    #: whether the step reads `content` (raw pages) rather than `text`
    reads_raw: ClassVar[bool] = False
    #: whether the step, which reads no text, may stand before the one that makes text of pages
    before_text: ClassVar[bool] = False
    #: whether the step is so slow that it should see survivors only: it begins a new stage
    expensive: ClassVar[bool] = False
    #: columns beyond `DOCUMENT` that the step needs, for the check before the run
    needs: ClassVar[tuple[str, ...]] = ()

    as_: str = Field("", alias="as", description="name of the struct of signals; unique in the file")
    rules: list[str] = Field([], description="SQL expressions over signals, each of which must hold to keep a document")

    @property
    def name(self) -> str:
        """The name of this step's struct column."""
        return self.as_ or self.kind

    def signals(self) -> Mapping[str, Signal]:
        """The fields of this step's struct column, given its settings."""
        return self.SIGNALS

    def rule_table(self) -> dict[str, str]:
        """Rule name -> SQL expression that keeps a document. Bounds by their signal's name, then `rules` as written."""
        bounds = self.bounds()
        named = {signal: bound.sql(f"{self.name}.{signal}") for signal, bound in bounds.items() if bound != Bound()}
        return named | {rule: rule for rule in self.rules}

    def bounds(self) -> dict[str, Bound]:
        """Signal -> bound: those of the presets in order, then what the file overrides, side by side."""
        preset = getattr(self, "preset", [])
        table: dict[str, Bound] = {}
        for name in [preset] if isinstance(preset, str) else preset:
            table |= self.PRESETS[name]
        for signal in self.SIGNALS:
            own = getattr(self, signal, None)
            if own is False:
                table.pop(signal, None)
            elif isinstance(own, Bound):
                table[signal] = table.get(signal, Bound()).overridden(own)
        return table

    def fingerprint(self) -> dict[str, Any]:
        """What of this step decides text and signals: kind, name, version, settings less rules, assets."""
        skip = self.RULE_FIELDS | set(self.SIGNALS)
        settings = {k: v for k, v in self.model_dump(mode="json", by_alias=True).items() if k not in skip}
        return {
            "kind": self.kind, "as": self.name, "version": self.version, "settings": settings, "assets": self.assets()
        }  # fmt: skip

    def assets(self) -> dict[str, str]:
        """Name -> content hash (or version) of the models and lists that this step reads. Raises MissingAsset."""
        return {}

    def metadata_keys(self) -> list[str]:
        """Keys of the documents' `metadata` that the step reads, for the check before the run."""
        return []

    def behind(self, earlier: Sequence[Step]) -> Self:
        """This step, told of those before it in the file: a selector embeds its target as the pool was embedded."""
        return self

    @abstractmethod
    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of documents -> the same rows in the same order, with columns added or `text` changed.

        Deterministic in the batch's rows alone: each row's result may not depend on the other rows.
        Models are loaded on first use, once a process (`functools.cache` on a module function).
        """

    def with_signals(self, batch: pa.RecordBatch, **columns: Any) -> pa.RecordBatch:
        """The batch with this step's struct column made of `columns`: arrays, or numpy arrays, by signal name."""
        signals = self.signals()
        if set(columns) != set(signals):
            raise ValueError(f"{self.kind}: signals {sorted(columns)} given, {sorted(signals)} declared")
        arrays = [pa.array(columns[name], signals[name].type) for name in signals]
        fields = [pa.field(name, signal.type) for name, signal in signals.items()]
        return set_column(batch, self.name, pa.StructArray.from_arrays(arrays, fields=fields))


class Filter(Step):
    """A step whose signals have bounds: each signal is also a setting `{min: .., max: ..}`, or false for none.

    Declare SIGNALS and PRESETS, then decorate the class with `@bounded`.
    """

    @model_validator(mode="after")
    def _known_presets(self) -> Self:
        preset = getattr(self, "preset", [])
        for name in [preset] if isinstance(preset, str) else preset:
            if name not in self.PRESETS:
                raise ValueError(f"unknown preset `{name}`; there are {', '.join(self.PRESETS)}")
        return self


def bounded(cls: type[Filter]) -> type[Filter]:
    """Give the filter one optional field for each signal: the bound that overrides its presets'."""
    fields: dict[str, Any] = {
        name: (Bound | bool | None, Field(None, description=f"bound on: {signal.meaning}"))
        for name, signal in cls.SIGNALS.items()
        if not (pa.types.is_string(signal.type) or pa.types.is_nested(signal.type))
    }
    made = create_model(cls.__name__, __base__=cls, __module__=cls.__module__, **fields)
    made.__doc__ = cls.__doc__
    return made
