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

# Files below the first size share a unit, up to so many bytes and files.
SMALL_FILE = 256 << 10
GROUP_BYTES = 4 << 20
GROUP_FILES = 1024


@dataclass(frozen=True)
class Sample:
    """A part of the input: a share of all documents, or about so many of them, chosen by the pipeline's seed."""

    share: float | None = None
    count: int | None = None

    def __str__(self) -> str:
        return f"{self.share:.6g}" if self.share is not None else f"first {self.count}"


@dataclass(frozen=True)
class Part:
    """A piece of one input file; `path` is as documents carry it: as the user wrote it."""

    piece: Piece
    settings: ReadSettings
    path: str


@dataclass(frozen=True)
class Unit:
    """What one task covers: a piece of a file, or several small files. `fingerprint` names content and how it is read."""

    index: int
    fingerprint: str
    parts: tuple[Part, ...]
    bytes: int
    #: with `--sample N`: read this many documents; with a share: (seed, share)
    limit: int | None = None
    share: tuple[int, float] | None = None

    @property
    def name(self) -> str:
        """The unit, for people."""
        more = f" and {len(self.parts) - 1} more files" if len(self.parts) > 1 else ""
        return self.parts[0].path + more


@dataclass(frozen=True)
class MapStage:
    """A run of map steps fused into one pass over the data."""

    index: int
    fingerprint: str
    steps: tuple[Step, ...]

    @property
    def applied(self) -> GlobalStep | None:
        """The global step before it, if the stage begins by applying what that found."""
        first = self.steps[0] if self.steps else None
        return first if isinstance(first, GlobalStep) else None

    @property
    def name(self) -> str:
        """The names of its steps, for people."""
        return " + ".join((["read"] if self.index == 0 else []) + [step.name for step in self.steps])


@dataclass(frozen=True)
class GlobalStage:
    """A global step: `fingerprint` names what `collect` makes, not what `resolve` decides.

    A step that applies also heads the map stage that follows.
    """

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
    """What of a phase decides its output, but for rules."""
    if isinstance(phase, GlobalStage):
        return [phase.fingerprint, phase.step.resolve_fingerprint()]
    return phase.fingerprint


def rules_of(steps: Sequence[Step]) -> list[Any]:
    """The rules of steps, in order: what verdicts depend on beside signals."""
    return [[step.name, step.rule_table()] for step in steps]


def cut(steps: Sequence[Step]) -> tuple[Phase, ...]:
    """Steps -> phases: cut at global steps, after a step that reads raw pages, before an expensive one."""
    groups: list[list[Step] | GlobalStep] = [[]]
    for step in steps:
        if isinstance(step, GlobalStep):
            groups += [step, [step]] if step.FINDINGS is not None else [step]
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
            # global steps that drop are not in the chain: they move no text, what follows depends on them by its rows
            # alone; what one that applies does here depends on its findings, which are in the names of entries
            chain = digest([chain, [step.fingerprint() for step in group]])
            phases.append(MapStage(index, chain, tuple(group)))
    return phases


def make_plan(pipeline: Pipeline, files: Sequence[InputFile], sample: Sample | None = None) -> Plan:
    """Units from the listed files, phases from the steps."""
    groups = _groups(files)
    limits = _limits(len(groups), sample)
    share = (pipeline.seed, sample.share) if sample and sample.share is not None else None
    units = []
    for index, (group, limit) in enumerate(zip(groups, limits, strict=True)):
        parts = tuple(Part(piece, file.settings, file.path) for file, piece in group)
        content = [[f.sha256, f.path, piece.start, piece.stop, vars(f.settings)] for f, piece in group]
        size = sum(file.bytes // len(file.pieces) for file, _ in group)
        units.append(Unit(index, digest([content, limit, share]), parts, size, limit, share))
    return Plan(pipeline, cut(pipeline.steps), tuple(units), tuple(files), sample)


def _groups(files: Sequence[InputFile]) -> list[list[tuple[InputFile, Piece]]]:
    """Pieces of large files alone, small files of one source together.

    A group ends at a file whose hash says so: a file more or less changes the group it falls in, not all that follow.
    """
    groups: list[list[tuple[InputFile, Piece]]] = []
    open_group: list[tuple[InputFile, Piece]] = []
    for file in files:
        if open_group and (file.bytes >= SMALL_FILE or file.settings.source != open_group[0][0].settings.source):
            groups.append(open_group)
            open_group = []
        if file.bytes >= SMALL_FILE:
            groups.extend([(file, piece)] for piece in file.pieces)
            continue
        open_group.extend((file, piece) for piece in file.pieces)
        size = sum(member.bytes for member, _ in open_group)
        if size >= GROUP_BYTES or len(open_group) >= GROUP_FILES or digest(file.path).startswith("00"):
            groups.append(open_group)
            open_group = []
    return groups + ([open_group] if open_group else [])


def _limits(units: int, sample: Sample | None) -> list[int | None]:
    """How many documents each unit reads, so that they sum to the sample's count."""
    if sample is None or sample.count is None:
        return [None] * units
    return [sample.count // units + (i < sample.count % units) for i in range(units)]
