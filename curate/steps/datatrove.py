"""`datatrove`: any filter or formatter of datatrove as a step, by its name and with its own arguments."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, ClassVar, Self

import pyarrow as pa
from pydantic import Field, model_validator

from curate import watch
from curate.documents import set_column
from curate.errors import MissingAsset, StepError
from curate.steps.step import Signal, Step
from curate.text import clean_surrogates

HINT = "pip install 'curate[datatrove]'"
# Where datatrove keeps blocks that look at one document at a time.
ROOMS = ("datatrove.pipeline.filters", "datatrove.pipeline.formatters")

# Blocks that cannot be a step, and why.
UNFIT = {
    "SamplerFilter": "what it keeps depends on the order of the documents; use `curate run --sample`",
    "LambdaFilter": "a pipeline file cannot hold a function; use `rules:` of another step",
}


class Datatrove(Step):
    """Run a filter or formatter of datatrove on each document.

    A filter's verdict becomes the signals `keep` and `reason`, and the rule is that it says keep; a formatter's text
    replaces the document's. Filters that also edit the text (C4QualityFilter) do. A document on which the block raises
    an exception is quarantined.
    """

    kind: ClassVar[str] = "datatrove"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "https://github.com/huggingface/datatrove, `datatrove.pipeline.filters` and `.formatters`"
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "keep": Signal(pa.bool_(), "whether the filter keeps the document; true for formatters"),
        "reason": Signal(pa.string(), "the filter's reason for dropping it; may be empty"),
        "changed": Signal(pa.bool_(), "whether the block changed the text"),
    }

    block: str = Field(description="the class, such as GopherQualityFilter or PIIFormatter")
    args: dict[str, Any] = Field({}, description="its arguments, as in Python")
    timeout: float = Field(
        60.0, gt=0, description="seconds of processor time that a document may take, else quarantined"
    )

    @model_validator(mode="after")
    def _known_block(self) -> Self:
        """Where datatrove is installed, a wrong name or argument is a mistake in the file."""
        if self.block in UNFIT:
            raise ValueError(f"{self.block}: {UNFIT[self.block]}")
        blocks = _blocks()
        if blocks and self.block not in blocks:
            near = difflib.get_close_matches(self.block, blocks, 3, 0.4) or sorted(blocks)
            raise ValueError(f"datatrove has no filter or formatter `{self.block}`; did you mean {', '.join(near)}?")
        return self

    def rule_table(self) -> dict[str, str]:
        """The filter's verdict, then `rules`."""
        return {self.block: f"{self.name}.keep"} | super().rule_table()

    def assets(self) -> dict[str, str]:
        """The version of datatrove."""
        if not _blocks():
            raise MissingAsset(self.name, "datatrove is not installed, or not what its blocks import", HINT)
        return {"datatrove": version("datatrove")}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals, changes `text` where the block does, and sets `error` where it fails."""
        from datatrove.data import Document

        run = _runner(self.name, self.block, json.dumps(self.args, sort_keys=True))
        names = ("row", "id", "text", "url", "date", "lang", "title", "error")
        rows: list[tuple[str | None, str | None, bool, str]] = []
        try:
            for row, id, text, url, date, lang, title, error in zip(
                *(batch.column(name).to_pylist() for name in names), strict=True
            ):
                if text is None or error is not None:
                    rows.append((text, error, True, ""))
                    continue
                watch.mark(row, self.timeout)
                known = {"url": url, "date": date, "language": lang, "title": title}
                document = Document(text=text, id=id, metadata={k: v for k, v in known.items() if v is not None})
                try:
                    keep, reason = run(document)
                    rows.append((clean_surrogates(document.text)[0], None, keep, reason))
                except Exception as problem:  # whatever a block trips over costs one document, and is on record
                    said = f"{self.name}: {self.block} failed: {type(problem).__name__}: {problem}"
                    rows.append((text, said, True, ""))
        finally:
            watch.clear()
        before = batch.column("text").to_pylist()
        batch = set_column(batch, "text", pa.array([row[0] for row in rows], pa.string()))
        batch = set_column(batch, "error", pa.array([row[1] for row in rows], pa.string()))
        changed = [row[0] != text for row, text in zip(rows, before, strict=True)]
        return self.with_signals(batch, keep=[row[2] for row in rows], reason=[row[3] for row in rows], changed=changed)


@functools.cache
def _blocks() -> dict[str, type[Any]]:
    """Name -> class of every filter and formatter that can be imported; empty without datatrove."""
    found: dict[str, type[Any]] = {}
    for room in ROOMS:
        try:
            package = importlib.import_module(room)
        except ImportError:
            return {}
        modules = [
            package,
            *(importlib.import_module(f"{room}.{m.name}") for m in pkgutil.iter_modules(package.__path__)),
        ]
        for module in modules:
            for name, value in inspect.getmembers(module, inspect.isclass):
                works = hasattr(value, "filter") or hasattr(value, "format")
                if value.__module__.startswith(room) and works and not inspect.isabstract(value):
                    found[name] = value
    return found


@functools.lru_cache(16)
def _runner(where: str, name: str, args: str) -> Callable[[Any], tuple[bool, str]]:
    """A function: a datatrove document, which it may change -> (keep, reason). Raises StepError for wrong arguments."""
    if name not in _blocks():
        raise MissingAsset(where, "datatrove is not installed, or not what its blocks import", HINT)
    try:
        block = _blocks()[name](**json.loads(args))
    except (TypeError, ValueError) as error:
        takes = inspect.signature(_blocks()[name])
        raise StepError(f"{where}.args", f"{name}: {error}", f"it takes {takes}") from error

    def keep(document: Any) -> tuple[bool, str]:
        verdict = block.filter(document)
        kept, reason = verdict if isinstance(verdict, tuple) else (verdict, "")
        return bool(kept), "" if kept else str(reason or "")

    def edit(document: Any) -> tuple[bool, str]:
        document.text = block.format(document.text)
        return True, ""

    return keep if hasattr(block, "filter") else edit
