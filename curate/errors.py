"""The exceptions that a user may see.

CurateError             exit code 5 unless said otherwise
├── ConfigError         the pipeline file or a command line is wrong; exit code 2
├── QuarantineError     more than `quarantine_limit` could not be read; exit code 3
├── InterruptedRun      stopped by the user; exit code 4
├── MissingAsset        a model or list is not installed; exit code 2
├── ContaminationError  texts hold examples of test sets; exit code 6
├── StepError           a step could not be prepared
└── LedgerError         the law in + made = kept + dropped + quarantined does not hold
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


class CurateError(Exception):
    """A failure that is explained in words: where, what, and the hint that mends it."""

    exit_code = 5

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        super().__init__(where, what, hint)
        self.where, self.what, self.hint = where, what, hint

    def __str__(self) -> str:
        message = f"{self.where}: {self.what}" if self.where else self.what
        return f"{message}\n\nhint: {self.hint}" if self.hint else message


@dataclass(frozen=True)
class Problem:
    """One mistake in a pipeline file: `where` is `file:line:col key.path`."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}\n  hint: {self.hint}" if self.hint else line


class ConfigError(CurateError):
    """All the mistakes of a pipeline file or a command line at once."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("", "")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        return ConfigError, (self.problems,)


class MissingAsset(CurateError):
    """A model or list that a step needs is not on this machine; the hint is the command that gets it."""

    exit_code = 2


@contextmanager
def gathering(problems: list[Problem]) -> Iterator[None]:
    """A mistake that ends what stands within joins `problems`, so that it can be told with others."""
    try:
        yield
    except ConfigError as error:
        problems += error.problems
    except MissingAsset as error:
        problems.append(Problem(error.where, error.what, error.hint))


class QuarantineError(CurateError):
    """Too large a share of the input could not be read or processed; nothing was published."""

    exit_code = 3


class InterruptedRun(CurateError):
    """The user stopped the run; what was committed stays."""

    exit_code = 4


class ContaminationError(CurateError):
    """Texts that train a model hold examples of the sets that test it."""

    exit_code = 6


class StepError(CurateError):
    """A step could not be prepared or broke a promise of its interface."""


class LedgerError(CurateError):
    """Documents went missing or appeared: the books of a run do not balance."""
