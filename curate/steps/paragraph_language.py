"""`paragraph_language`: the language of each paragraph, and paragraphs in a foreign language cut if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.documents import set_column
from curate.steps.language import identify_ranges, language_names, model_asset
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.text import Bytes, Offsets, buffers, from_buffers

# bytes of a paragraph that the model sees
SAMPLE = 1024
_COUNT, _FRACTION = pa.int32(), pa.float64()


class _Paragraphs(NamedTuple):
    """The lines of n texts, those without letters among them: text i has the lines `first[i]` to `first[i + 1]`."""

    offsets: Offsets  # lines + 1; a line feed belongs to the line before it
    first: np.ndarray
    text: np.ndarray  # of each line
    letters: np.ndarray
    judged: np.ndarray  # whether it is long enough
    language: np.ndarray  # place in `language_names`
    score: np.ndarray


@bounded
class ParagraphLanguage(Filter):
    """Identify the language of each paragraph (a line) and compare it with the document's, the column `lang`.

    Paragraphs of fewer than `min_letters` letters are not judged: names, figures and headings have no sure language. A
    paragraph is foreign if it is in another language with a score of at least `min_score`. A document without a `lang`,
    or with one that the model does not know, has that of most of its letters. With `cut` foreign paragraphs are removed from the text.
    """

    kind: ClassVar[str] = "paragraph_language"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "fastText lid.176 (arXiv 1607.01759) by line; as in CCNet (arXiv 1911.00359), but for each"
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "judged": Signal(_COUNT, "paragraphs long enough to be judged"),
        "same_frac": Signal(_FRACTION, "of these in the document's language / judged; 1 where there are none"),
        "foreign_frac": Signal(_FRACTION, "foreign ones / judged"),
        "foreign_letter_frac": Signal(_FRACTION, "letters in foreign ones / letters in judged ones"),
        "foreign": Signal(pa.string(), "the foreign language with most letters, ISO 639 code; empty for none"),
        "removed": Signal(_COUNT, "paragraphs removed"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "none": {},
        "majority": {"foreign_letter_frac": Bound(max=0.5)},
    }

    preset: str = Field("none", description="none; majority: at most half of the judged letters in foreign paragraphs")
    min_letters: int = Field(60, ge=1, description="letters that a paragraph needs to be judged")
    min_score: float = Field(0.65, ge=0, le=1, description="score from which another language is foreign")
    cut: bool = Field(False, description="remove foreign paragraphs from the text")

    def assets(self) -> dict[str, str]:
        """The hash of the model file."""
        return model_asset(self.name)

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; cuts paragraphs from `text`, if asked for. A null text stays null."""
        from curate.kernels.masking import replace_spans

        text = batch.column("text")
        data, offsets = buffers(text)
        lines = _paragraphs(data, offsets, self.min_letters)
        own = _languages(batch.column("lang"), lines)[lines.text]
        same = lines.judged & (lines.language == own)
        foreign = lines.judged & ~same & (lines.score >= self.min_score)
        if self.cut and foreign.any():
            start, stop = lines.offsets[:-1][foreign], lines.offsets[1:][foreign]
            first = np.concatenate([[0], np.cumsum(foreign)])[lines.first]
            edited = from_buffers(*replace_spans(data, offsets, start, stop, first, ""))
            batch = set_column(batch, "text", pc.if_else(text.is_null(), None, edited) if text.null_count else edited)
        count = _sums(lines, lines.judged)
        return self.with_signals(
            batch,
            judged=count,
            same_frac=np.where(count > 0, _sums(lines, same) / np.maximum(count, 1), 1.0),
            foreign_frac=_sums(lines, foreign) / np.maximum(count, 1),
            foreign_letter_frac=_sums(lines, foreign * lines.letters)
            / np.maximum(_sums(lines, lines.judged * lines.letters), 1),
            foreign=language_names().take(pa.array(_main(lines, foreign))),
            removed=_sums(lines, foreign) * self.cut,
        )


def _paragraphs(data: Bytes, offsets: Offsets, min_letters: int) -> _Paragraphs:
    from curate.kernels.scripts import script_counts

    lo, hi = int(offsets[0]), int(offsets[-1])
    ends = np.flatnonzero(data[lo:hi] == 10) + lo + 1
    bounds = np.unique(np.concatenate([offsets, ends])).astype(np.int32)
    # an empty text has no line
    first = np.searchsorted(bounds, offsets)
    letters = script_counts(data, bounds).sum(axis=1)
    judged = letters >= min_letters
    language, score = np.zeros(len(letters), np.int64), np.zeros(len(letters), np.float32)
    if judged.any():
        found = identify_ranges(data, bounds, SAMPLE)
        language, score = np.where(judged, found[0], 0), found[1]
    text = np.repeat(np.arange(len(offsets) - 1), np.diff(first))
    return _Paragraphs(bounds, first, text, letters, judged, language, score)


def _languages(lang: pa.Array, lines: _Paragraphs) -> np.ndarray:
    """The language of each text: that of the column, else that of most letters; 0 for none."""
    # zh-CN is zh
    code = pc.replace_substring_regex(lang, "[-_].*", "")
    known = pc.fill_null(pc.index_in(code, language_names()), 0).to_numpy(zero_copy_only=False)
    return np.where(known == 0, _main(lines, lines.judged), known)


def _main(lines: _Paragraphs, among: np.ndarray) -> np.ndarray:
    """The language with most letters in the lines `among` of each text; 0 for none."""
    texts, kinds = len(lines.first) - 1, len(language_names())
    pairs, place = np.unique(lines.text[among] * kinds + lines.language[among], return_inverse=True)
    weight = np.bincount(place, weights=lines.letters[among], minlength=len(pairs))
    made = np.zeros(texts, np.int64)
    order = np.argsort(weight, kind="stable")
    made[pairs[order] // kinds] = pairs[order] % kinds
    return made


def _sums(lines: _Paragraphs, values: np.ndarray) -> np.ndarray:
    return np.bincount(lines.text, weights=values, minlength=len(lines.first) - 1).astype(np.int64)
