"""`curate search`: the published documents of a run that are nearest to a text, from an index that the run's store keeps.

The index is built on first use and follows the run: of a new version, only batches of documents that it does not hold
are added. Vectors are those of the run's step `embed`, or static ones of the texts where it has none.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.step import signal_values
from curate.errors import ConfigError, CurateError, Problem
from curate.files import digest, read_json, write_file, write_json
from curate.ledger import Ledger
from curate.select.embed import Embed
from curate.select.index_kind import Kind
from curate.select.points import Points
from curate.select.stored_index import StoredIndex, Synced
from curate.select.vectors import static_vectors
from curate.sentences import sentence_spans
from curate.store import batches

# Characters of text that are shown of a document, and of the pieces among which they are chosen.
PASSAGE = 240


@dataclass(frozen=True)
class Hit:
    """A document that was found: cosine with what was asked, where it is from, the passage nearest to what was asked."""

    id: str
    score: float
    source: str
    path: str
    url: str | None
    passage: str


class RunSearch:
    """Search over the newest version of a run."""

    def __init__(self, folder: Path, *, by: str | None = None, kind: Kind | None = None, memory: int = 2 << 30) -> None:
        """`folder`: the run's output. `by`: the name of its step `embed`; the first if None. Raises CurateError."""
        self.manifest = Ledger(folder).manifest
        self.step, self._computed = _embedder(self.manifest, by)
        self._shards = [folder / shard["path"] for shard in self.manifest["shards"]]
        if not self._shards:
            raise CurateError(
                str(folder), "the run kept no document", "loosen its rules: `curate report` says which drop"
            )
        key = digest([self.step.fingerprint(), self._computed, kind])[:16]
        self._folder = folder / ".store" / "index" / key
        self.index = StoredIndex(self._folder, kind=kind, memory=memory)

    def sync(self) -> Synced | None:
        """Bring the index up to the newest version; None if it was there already."""
        known, keys = read_json(self._folder / "version.json"), self._folder / "version.keys"
        if known == self.manifest["content"] and self.index.facts and keys.exists():
            self._keys = np.fromfile(keys, np.uint64)
            return None
        synced, self._keys = self.index.sync(self._vectors)
        write_file(keys, self._keys.tobytes())
        write_json(self._folder / "version.json", self.manifest["content"])
        return synced

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The k nearest documents of each query, the nearest first. Call `sync` before."""
        asked = self.step.vectors(pa.array(queries, pa.string()))
        near, rows = self.index.search(asked, k, self._keys)
        return [
            [self._hit(query, score, row) for score, row in zip(*columns, strict=True) if row >= 0]
            for query, *columns in zip(queries, near.tolist(), rows.tolist(), strict=True)
        ]

    def _vectors(self) -> Iterator[Points]:
        """(n, d) float32 of each batch of the shards, in order; NaN for a document without a vector."""
        if self._computed:
            for batch in batches(self._shards, ["text"]):
                yield static_vectors(batch["text"], self.step.dimensions)
        else:
            for batch in batches(self._shards, [self.step.name]):
                yield signal_values(pc.struct_field(batch[self.step.name], "vector"))

    def _hit(self, query: str, score: float, row: int) -> Hit:
        for path, shard in zip(self._shards, self.manifest["shards"], strict=True):
            if row >= shard["rows"]:
                row -= shard["rows"]
                continue
            columns = ["id", "source", "path", "url", "text"]
            for batch in batches([path], columns):
                if row < batch.num_rows:
                    found = batch.slice(row, 1).to_pylist()[0]
                    shown = passage(query, found.pop("text"))
                    return Hit(**found, score=round(score, 4), passage=shown)
                row -= batch.num_rows
        raise CurateError("index", "names a document that the shards do not hold", f"delete {self._folder}")


def _embedder(manifest: dict[str, Any], by: str | None) -> tuple[Embed, bool]:
    """The step that made the run's vectors, and whether they must be computed, since there is none."""
    listed = [entry["embed"] for entry in manifest["pipeline"]["steps"] if "embed" in entry]
    steps = [Embed.model_validate(settings) for settings in listed]
    if by is None:
        return (steps[0], False) if steps else (Embed(), True)
    for step in steps:
        if step.name == by:
            return step, False
    named = ", ".join(step.name for step in steps) or "none"
    raise ConfigError([Problem("--by", f"the run has no step embed called `{by}`", f"there is: {named}")])


def passage(query: str, text: str) -> str:
    """The piece of a text, of some `PASSAGE` characters and whole sentences where they are short, that shares most with the query."""
    pieces = _pieces(text)
    vectors = static_vectors(pa.array([query, *pieces], pa.string()))
    best = pieces[int((vectors[1:] @ vectors[0]).argmax())] if pieces else ""
    return best if len(best) <= PASSAGE else best[: PASSAGE - 1].rsplit(" ", 1)[0] + "…"


def _pieces(text: str) -> list[str]:
    pieces = [""]
    for start, stop in sentence_spans(text):
        plain = " ".join(text[start:stop].split())
        if pieces[-1] and len(pieces[-1]) + len(plain) >= PASSAGE:
            pieces.append("")
        pieces[-1] = f"{pieces[-1]} {plain}".strip()
    return [piece for piece in pieces if piece]


def run_search(folder: Path, query: str, *, top: int, by: str | None, kind: str | None, as_json: bool) -> None:
    """`curate search`: answers on standard output, what was built on standard error."""
    from curate.select.index_kind import KINDS

    if not query.strip():
        raise ConfigError([Problem("TEXT", "is empty", 'write: curate search DIR "words to look for"')])
    chosen = next((name for name in KINDS if name == kind), None)
    if kind and not chosen:
        raise ConfigError([Problem("--kind", f"there is no `{kind}`", f"one of {', '.join(KINDS)}")])
    start = time.monotonic()
    found = RunSearch(folder, by=by, kind=chosen)
    synced = found.sync()
    if synced:
        print(_built(found, synced, time.monotonic() - start), file=sys.stderr)
    hits = found.search([query], top)[0]
    for line in _lines(hits) if not as_json else (json.dumps(asdict(hit), ensure_ascii=False) for hit in hits):
        print(line)
    if not hits:
        print("nothing is near: no word of it is known, or no document has a vector", file=sys.stderr)


def _built(found: RunSearch, synced: Synced, seconds: float) -> str:
    facts = found.index.facts
    what = "built the index" if synced.rebuilt else "the run has a new version: added to the index"
    recall = f", finds {facts['recall']:.1%} of the ten nearest" if facts["recall"] is not None else ""
    engine = f"{found.step.engine} vectors of {facts['dimensions']} dimensions"
    return f"{what}: {synced.added:,} of {synced.points:,} points, {engine}, {facts['kind']}{recall}, {seconds:.1f} s"


def _lines(hits: Iterable[Hit]) -> Iterator[str]:
    for i, hit in enumerate(hits, 1):
        yield f"{i:>3}  {hit.score:.3f}  {hit.id}  {hit.source}  {hit.url or hit.path}"
        yield f"            {hit.passage}"
