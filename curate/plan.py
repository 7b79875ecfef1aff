"""Pipeline -> Plan: phases (map stages and global steps), units of input, and the keys of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curate.config import Pipeline
from curate.dedup.step import GlobalStep
from curate.files import digest
from curate.inputs import InputFile
from curate.readers.reader import Piece, ReadSettings
from curate.steps.step import Step
from curate.store import VERSION


@dataclass(frozen=True)
class Sample:
    """A part of the input: a share of all documents, or about so many of them, chosen by the pipeline's seed."""

    share: float | None = None
    count: int | None = None

    def __str__(self) -> str:
        return f"{self.share:.6g}" if self.share is not None else f"first {self.count}"


@dataclass(frozen=True)
class Unit:
    """A piece of one input file: what one task covers. `fingerprint` names its content and how it is read."""

    index: int
    fingerprint: str
    piece: Piece
    settings: ReadSettings
    #: the path as documents carry it: as the user wrote it
    path: str
    bytes: int
    #: with `--sample N`: read this many documents; with a share: (seed, share)
    limit: int | None = None
    share: tuple[int, float] | None = None


@dataclass(frozen=True)
class MapStage:
    """A run of map steps fused into one pass over the data."""

    index: int
    fingerprint: str
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """The names of its steps, for people."""
        return " + ".join((["read"] if self.index == 0 else []) + [step.name for step in self.steps])


@dataclass(frozen=True)
class GlobalStage:
    """A global step: `fingerprint` names what `collect` makes, not what `resolve` decides."""

    index: int
    fingerprint: str
    step: GlobalStep
    #: whether it directly follows a map stage, so that `collect` runs in the same pass
    fused: bool

    @property
    def name(self) -> str:
        """The name of its step."""
        return self.step.name


Phase = MapStage | GlobalStage


@dataclass(frozen=True)
class Plan:
    """What a run will do. A Plan that exists is valid."""

    pipeline: Pipeline
    phases: tuple[Phase, ...]
    units: tuple[Unit, ...]
    files: tuple[InputFile, ...]
    sample: Sample | None

    @property
    def store(self) -> str:
        """The folder of the store."""
        return str(self.pipeline.folder_out / ".store")

    @property
    def fingerprint(self) -> str:
        """The hash of the pipeline: everything that decides its output but the input."""
        return digest([fingerprint_of(phase) for phase in self.phases] + [rules_of(self.pipeline.steps)])


def fingerprint_of(phase: Phase) -> Any:
    """What of a phase decides its output, rules included for global steps."""
    if isinstance(phase, GlobalStage):
        return [phase.fingerprint, phase.step.model_dump(mode="json")]
    return phase.fingerprint


def rules_of(steps: Sequence[Step]) -> list[Any]:
    """The rules of steps, in order: what verdicts depend on beside signals."""
    return [[step.name, step.rule_table()] for step in steps]


def cut(steps: Sequence[Step]) -> tuple[Phase, ...]:
    """Steps -> phases: cut at global steps, after a step that reads raw pages, before an expensive one."""
    groups: list[list[Step] | GlobalStep] = [[]]
    for step in steps:
        if isinstance(step, GlobalStep):
            groups.append(step)
            continue
        last = groups[-1]
        begins = not isinstance(last, list) or (last and (step.expensive or last[-1].reads_raw))
        if begins:
            groups.append([step])
        else:
            last.append(step)  # type: ignore[union-attr]
    return tuple(_fingerprinted(groups))


def _fingerprinted(groups: Sequence[list[Step] | GlobalStep]) -> list[Phase]:
    phases: list[Phase] = []
    chain = digest(["store", VERSION])
    for index, group in enumerate(groups):
        if isinstance(group, GlobalStep):
            made = digest([chain, "collect", group.fingerprint()])
            phases.append(GlobalStage(index, made, group, isinstance(phases[-1], MapStage)))
        else:
            # global steps are not in the chain: they move no text, so what follows depends on them by its rows alone
            chain = digest([chain, [step.fingerprint() for step in group]])
            phases.append(MapStage(index, chain, tuple(group)))
    return phases


def make_plan(pipeline: Pipeline, files: Sequence[InputFile], sample: Sample | None = None) -> Plan:
    """Units from the listed files, phases from the steps."""
    units: list[Unit] = []
    pieces = [(file, piece) for file in files for piece in file.pieces]
    limits = _limits(len(pieces), sample)
    for index, (file, piece) in enumerate(pieces):
        share = (pipeline.seed, sample.share) if sample and sample.share is not None else None
        key = [file.sha256, file.path, piece.start, piece.stop, vars(file.settings), limits[index], share]
        size = file.bytes // len(file.pieces)
        units.append(Unit(index, digest(key), piece, file.settings, file.path, size, limits[index], share))
    return Plan(pipeline, cut(pipeline.steps), tuple(units), tuple(files), sample)


def _limits(units: int, sample: Sample | None) -> list[int | None]:
    """How many documents each unit reads, so that they sum to the sample's count."""
    if sample is None or sample.count is None:
        return [None] * units
    return [sample.count // units + (i < sample.count % units) for i in range(units)]
