"""`flagged_words`: obscene words and phrases of a list, counted, and masked if asked for."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.documents import set_column
from curate.errors import MissingAsset, StepError
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.text import buffers, from_buffers

if TYPE_CHECKING:
    from curate.kernels.automaton import Automaton, Matches

_COLUMNS: dict[str, type] = {"count": np.int64, "distinct": np.int64, "word_share": np.float64, "most": object}
# The name under which the setting `lists` asks for the lists that come with the package.
LDNOOBW = "ldnoobw"
# Words that C4 leaves out of these lists, for they are common in clean text.
C4_EXCLUDES = ["sm", "グロ", "女の子", "性"]


@bounded
class FlaggedWords(Filter):
    """Count the words and phrases of a list of obscene words, drop documents with many, or mask them.

    Letters match in either case, any white space matches a blank, and a phrase is not found inside a longer word;
    scripts that part no words by spaces (Chinese, Japanese, Thai, ...) match anywhere. Matches do not overlap: the
    leftmost, then the longest counts. A list knows no context: medical, legal and reported speech are found as well.
    """

    kind: ClassVar[str] = "flagged_words"
    version: ClassVar[int] = 1
    source: ClassVar[str] = (
        "LDNOOBW lists as in C4 (Raffel et al. 2020) and RedPajama-V2 (arXiv 2411.12372); share as in Data-Juicer"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "count": Signal(pa.int32(), "flagged words and phrases found"),
        "distinct": Signal(pa.int32(), "how many different ones"),
        "word_share": Signal(pa.float64(), "words in them / words; a Chinese, Japanese or Thai letter is a word"),
        "most": Signal(pa.string(), "the one found most often, of those the first in the text; empty for none"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "data_juicer": {"word_share": Bound(max=0.045)},
        "c4": {"count": Bound(max=0)},
        "inverse": {"count": Bound(min=1)},
        "none": {},
    }
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"lists"})

    preset: str = Field(
        "data_juicer",
        description="data_juicer: word_share of at most 0.045; c4: none at all; inverse: only documents with some; none",
    )
    lists: str | list[str] = Field(
        LDNOOBW,
        description="`ldnoobw`, a folder with a file LANGUAGE.txt each, one file, or phrases written out; one a line",
    )
    languages: list[str] | Literal["auto"] = Field(
        ["en"], description="the lists to apply to every document; or `auto`: that of the document's `lang`, if any"
    )
    exclude: list[str] = Field(C4_EXCLUDES, description="phrases to leave out of the lists")
    boundaries: bool = Field(True, description="whether phrases must stand apart from letters and digits")
    mask: str | None = Field(None, description="replace what is found by this text, such as [FLAGGED]")

    def assets(self) -> dict[str, str]:
        """The hash of each list that may be read."""
        if not isinstance(self.lists, str):
            return {}
        known = list_files(self.name, self.lists)
        codes = list(known) if self.languages == "auto" or "" in known else self.languages
        if missing := [code for code in codes if code not in known]:
            hint = f"there are lists for {', '.join(known)}"
            raise MissingAsset(self.name, f"no list of flagged words for {', '.join(missing)}", hint)
        return {known[code].name: hashlib.sha256(known[code].read_bytes()).hexdigest() for code in codes}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; masks what is found in `text`, if asked for. A null text is an empty one."""
        text = batch.column("text")
        columns: dict[str, np.ndarray] = {name: np.zeros(len(text), kind) for name, kind in _COLUMNS.items()}
        columns["most"][:] = ""
        edits = []
        for language, rows in self._groups(batch).items():
            phrases, compiled = self._automaton(language)
            part = text if len(rows) == len(text) else text.take(pa.array(rows))
            found, edited = self._search(part, compiled)
            for name, values in _summary(found, compiled, phrases).items():
                columns[name][rows] = values
            edits += [(rows, edited)] if edited is not None else []
        for rows, edited in edits:
            text = _with_rows(text, rows, edited)
        return self.with_signals(set_column(batch, "text", text), **columns)

    def _groups(self, batch: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Language (empty: all lists that the settings name) -> the rows to search."""
        if self.languages != "auto":
            return {"": np.arange(batch.num_rows)}
        known = list_files(self.name, self.lists) if isinstance(self.lists, str) else {}
        lang = np.array(batch.column("lang").to_pylist(), object)
        return {code: np.flatnonzero(lang == code) for code in known if (lang == code).any()}

    def _automaton(self, language: str) -> tuple[tuple[str, ...], Automaton]:
        lists = self.lists if isinstance(self.lists, str) else tuple(self.lists)
        languages = (language,) if language else tuple(self.languages)
        return compiled(self.name, lists, languages, tuple(self.exclude), self.boundaries)

    def _search(self, text: pa.Array, phrases: Automaton) -> tuple[Matches, pa.Array | None]:
        """What is found in the texts, and the texts with it masked, if asked for."""
        from curate.kernels.automaton import find
        from curate.kernels.masking import replace_spans

        data, offsets = buffers(text)
        found = find(data, offsets, phrases)
        if self.mask is None or not len(found.start):
            return found, None
        edited = from_buffers(*replace_spans(data, offsets, found.start, found.stop, found.first, self.mask))
        return found, pc.if_else(text.is_null(), None, edited) if text.null_count else edited


def _summary(found: Matches, phrases: Automaton, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The signals of each text."""
    count = np.diff(found.first)
    text = np.repeat(np.arange(len(count)), count)
    words = np.bincount(text, weights=phrases.words[found.phrase], minlength=len(count))
    kinds = max(len(names), 1)
    pairs, place, times = np.unique(text * kinds + found.phrase, return_index=True, return_counts=True)
    most = np.full(len(count), "", object)
    # of each text the most frequent comes last, of those the first
    order = np.lexsort((-place, times, pairs // kinds))
    most[pairs[order] // kinds] = np.array([*names, ""], object)[pairs[order] % kinds]
    return {
        "count": count,
        "distinct": np.bincount(pairs // kinds, minlength=len(count)),
        "word_share": words / np.maximum(found.words, 1),
        "most": most,
    }


def _with_rows(text: pa.Array, rows: np.ndarray, edited: pa.Array) -> pa.Array:
    mask = np.zeros(len(text), np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(text, pa.array(mask), edited)


@functools.lru_cache(64)
def compiled(
    where: str, lists: str | tuple[str, ...], languages: tuple[str, ...], exclude: tuple[str, ...], boundaries: bool
) -> tuple[tuple[str, ...], Automaton]:
    """(the phrases, their automaton)."""
    from curate.kernels.automaton import automaton, folded

    phrases = list(lists)
    if isinstance(lists, str):
        known = list_files(where, lists)
        chosen = ("",) if "" in known else languages
        phrases = [line for code in chosen for line in known[code].read_text("utf-8").splitlines()]
    left_out = {folded(phrase) for phrase in exclude}
    unique = {folded(phrase.strip()): phrase.strip() for phrase in phrases if phrase.strip()}
    kept = tuple(phrase for low, phrase in unique.items() if low not in left_out)
    try:
        return kept, automaton(kept, boundaries=boundaries)
    except ValueError as error:
        raise StepError(where, str(error), "use a shorter list") from error


@functools.lru_cache(16)
def list_files(where: str, lists: str) -> Mapping[str, Any]:
    """Language -> the file of its list; a single file stands under the empty name. Raises MissingAsset."""
    folder: Any = files("curate") / "assets" / "flagged_words" if lists == LDNOOBW else Path(lists)
    if folder.is_file():
        return {"": folder}
    found = {place.name.removesuffix(".txt"): place for place in folder.iterdir()} if folder.is_dir() else {}
    found = {code: found[code] for code in sorted(found) if found[code].name.endswith(".txt")}
    if not found:
        hint = "name `ldnoobw`, a folder with files such as en.txt, or write the phrases out"
        raise MissingAsset(where, f"`{lists}` is no list of flagged words", hint)
    return found


def list_file(where: str, lists: str, language: str) -> Any:
    """The file of the list of one language. Raises MissingAsset."""
    known = list_files(where, lists)
    if "" not in known and language not in known:
        hint = f"there are lists for {', '.join(known)}"
        raise MissingAsset(where, f"no list of flagged words for {language}", hint)
    return known.get("", known.get(language))
