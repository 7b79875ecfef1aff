"""Steps that read the vectors of documents: the bases of those that group them, of selectors, and of those with a target."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, PrivateAttr, field_validator

from curate.dedup.step import Contributions, GlobalStep, signal_values
from curate.documents import document_batch
from curate.errors import ConfigError, CurateError, MissingAsset, Problem
from curate.select.faiss_module import gpu_assets
from curate.select.points import Points, unit_points
from curate.select.selector import Selector
from curate.steps.step import Step

# Target texts that are embedded at once.
BATCH = 1024


def require_packages(step: str) -> None:
    """Raises MissingAsset, without loading anything, where a package of the extra `select` is missing."""
    if lacking := [package for package in ("faiss", "threadpoolctl") if importlib.util.find_spec(package) is None]:
        raise MissingAsset(step, f"needs the package {' and '.join(lacking)}", "pip install 'curate[select]'")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums of floats in numpy's products of matrices come out the same only on the same number of threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def vectors_of(pool: Contributions, signal: str, step: str) -> Iterator[tuple[Points, npt.NDArray[np.bool_]]]:
    """For each unit its valid vectors (k, d) float32, of length 1, and which rows (n,) they are of.

    Raises CurateError where the signal holds numbers, or vectors of different dimensions.
    """
    width = None
    for values in pool.signals(signal):
        if values.ndim != 2:
            raise CurateError(step, f"`{signal}` holds numbers, not vectors", "name the vectors of a step `embed`")
        if width is not None and values.shape[1] != width:
            what = f"`{signal}` holds vectors of {width} dimensions and of {values.shape[1]}"
            raise CurateError(step, what, "embed all documents with the same settings")
        width = values.shape[1]
        yield unit_points(np.ascontiguousarray(values, np.float32))


def joined(units: Iterable[tuple[Points, npt.NDArray[np.bool_]]]) -> tuple[Points, npt.NDArray[np.int64]]:
    """Units of valid vectors -> all of them, (k, d), and the places of their rows in the pool, (k,)."""
    parts, valid = zip(*units, strict=True)
    return np.concatenate(parts), np.flatnonzero(np.concatenate(valid))


class ReadingVectors(GlobalStep):
    """The base of global steps that read the vectors of documents, and nothing else of them."""

    RULE_FIELDS: ClassVar[frozenset[str]] = GlobalStep.RULE_FIELDS | {"vectors"}

    vectors: str = Field("embed.vector", description="the signal that holds the vectors")

    def reads(self) -> Mapping[str, str]:
        """The vectors."""
        return {"vectors": self.vectors}

    def assets(self) -> dict[str, str]:
        """The GPUs that FAISS sees. Raises MissingAsset where a package is not installed."""
        require_packages(self.name)
        return super().assets() | gpu_assets()

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """Nothing but the rows."""
        return []


class Comparing(Selector):
    """The base of selectors that read vectors.

    Vectors are compared at length 1. A document whose vector is null, not finite or of length 0 has no score and is
    never chosen. A pool whose vectors are all the same is an error: nothing in it could be preferred.
    """

    def reads(self) -> Mapping[str, str]:
        """The vectors, and the signal that counts tokens."""
        return {"vectors": self.vectors, **super().reads()}

    def assets(self) -> dict[str, str]:
        """The GPUs that FAISS sees. Raises MissingAsset where a package is not installed."""
        require_packages(self.name)
        return super().assets() | gpu_assets()

    def points(self, pool: Contributions) -> Iterator[tuple[Points, npt.NDArray[np.bool_]]]:
        """For each unit its valid vectors (k, d) float32, of length 1, and which rows (n,) they are of."""
        return vectors_of(pool, self.vectors, self.name)

    def all_points(self, pool: Contributions) -> tuple[Points, npt.NDArray[np.int64]]:
        """All valid vectors of the pool, (k, d), and their places in it, (k,); checked as `checked` does."""
        self.checked(pool)
        return joined(self.points(pool))

    def checked(self, pool: Contributions) -> int:
        """How many documents have a vector. Raises CurateError where none has, or all have the same."""
        count, differ = 0, False
        first: Points | None = None
        for points, _ in self.points(pool):
            if first is None and len(points):
                first = points[0]
            if first is not None and not differ:
                differ = bool((np.abs(points @ first - 1) > 1e-6).any())
            count += len(points)
        if not count:
            raise self.problem(f"no document has a vector in `{self.vectors}`", "texts without a word have none")
        if count > 1 and not differ:
            raise self.problem(f"the vectors of all {count:,} documents are the same", f"look at `{self.vectors}`")
        return count


class Targeted(Selector):
    """The base of selectors that choose for a target: texts in files, relative to the pipeline file."""

    RULE_FIELDS: ClassVar[frozenset[str]] = Selector.RULE_FIELDS | {"target", "target_text"}
    FILE_FIELDS: ClassVar[frozenset[str]] = frozenset({"target"})

    target: list[str] = Field([], description="files, folders or patterns of files whose texts are the target")
    target_text: str = Field("text", description="where the files of the target have their text")

    _given: pa.Array | None = PrivateAttr(None)

    @field_validator("target", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def aimed_at(self, texts: pa.Array) -> Self:
        """This selector with (m,) texts in memory as its target."""
        aimed = self.model_copy()
        aimed._given = texts
        return aimed

    def assets(self) -> dict[str, str]:
        """The target by its content. Raises ConfigError where there is none."""
        from curate.corpus import corpus_files
        from curate.files import digest, file_sha256

        if self._given is not None:
            return {"target": digest(self._given.to_pylist())}
        if not self.target:
            raise ConfigError([Problem("", "has no target", "write `target: FILE`, texts of the kind that you want")])
        try:
            files = corpus_files(self.target, text=self.target_text)
        except ConfigError as error:
            hint = "`target_text` says where the files of the target have their text"
            raise ConfigError([replace(problem, hint=problem.hint or hint) for problem in error.problems]) from error
        return {"target": digest([self.target_text, [file_sha256(Path(file.place)) for file in files]])}

    def fingerprint(self) -> dict[str, Any]:
        """As of any step, less the target: what is collected and what follows in the pipeline know nothing of it."""
        return super().fingerprint() | {"assets": {}}

    def resolve_fingerprint(self) -> dict[str, Any]:
        """The target by its content, wherever it is: `assets` puts that in the place of the paths."""
        return super().resolve_fingerprint() | {"target": ""} | self.assets()

    def target_texts(self) -> pa.Array:
        """(m,) texts, m > 0. Raises CurateError where the files hold none."""
        from curate.corpus import corpus_files, texts

        if self._given is not None:
            found = self._given.drop_null()
        else:
            files = corpus_files(self.target, text=self.target_text)
            found = pa.concat_arrays([pa.array([], pa.string()), *(part.cast(pa.string()) for part in texts(files))])
        found = found.filter(pc.not_equal(pc.utf8_trim_whitespace(found), ""))
        if not len(found):
            hint = f"`target_text` is `{self.target_text}`: is that where they have their text?"
            raise CurateError(self.name, f"the target {', '.join(self.target)} has no text", hint)
        return found


class Aiming(Comparing, Targeted):
    """The base of selectors that compare vectors with those of a target, which the pool's own `embed` step makes."""

    RULE_FIELDS: ClassVar[frozenset[str]] = Comparing.RULE_FIELDS | Targeted.RULE_FIELDS

    _embed: Step | None = PrivateAttr(None)
    _points: Points | None = PrivateAttr(None)

    def behind(self, earlier: Sequence[Step]) -> Self:
        """See Step: finds the step that made the pool's vectors."""
        told = self.model_copy()
        made = [step for step in earlier if step.name == self.vectors.partition(".")[0]]
        told._embed = made[-1] if made else None
        return told

    def aimed_at_points(self, points: Points) -> Self:
        """This selector with (m, d) vectors as its target."""
        aimed = self.model_copy()
        aimed._points = points
        return aimed

    def assets(self) -> dict[str, str]:
        """The target by its content."""
        if self._points is None:
            return super().assets()
        require_packages(self.name)
        return {}

    def target_points(self, pool: Contributions) -> Points:
        """(m, d) float32 of length 1, m > 0, of the pool's dimensions. Raises CurateError."""
        values = self._points if self._points is not None else self._embedded()
        width = next(iter(pool.signals(self.vectors))).shape[-1]
        if values.shape[1] != width:
            what = f"vectors of the target have {values.shape[1]} dimensions, those of the pool {width}"
            raise self.problem(what, "embed both with the same settings")
        points, _ = unit_points(np.ascontiguousarray(values, np.float32))
        if not len(points):
            raise self.problem("no text of the target has a vector", "texts without a word have none")
        return points

    def _embedded(self) -> Points:
        if self._embed is None:
            raise self.problem(f"no step makes `{self.vectors}`", "put a step `embed` before it")
        texts, field = self.target_texts(), self.vectors.partition(".")[2]
        parts = []
        for start in range(0, len(texts), BATCH):
            rows = [
                {"row": i, "id": str(i), "text": text}
                for i, text in enumerate(texts[start : start + BATCH].to_pylist())
            ]
            made = self._embed.process(document_batch(rows))
            parts.append(signal_values(made[self._embed.name].field(field)))
        return np.concatenate(parts)
